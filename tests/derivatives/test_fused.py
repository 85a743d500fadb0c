"""Generated code of functions on series equals the rule in torch's own operations, and nested autograd."""

from itertools import pairwise

import pytest
import torch

from surrogates.derivatives import fused
from surrogates.derivatives.columns import linear_and_columns
from surrogates.derivatives.directions import Frame, SparseDirections
from surrogates.derivatives.fused import composed
from surrogates.derivatives.jet import Jet
from surrogates.derivatives.propagate import propagate
from surrogates.derivatives.rules.compose import eager
from surrogates.derivatives.rules.elementwise import gelu, silu, tanh
from surrogates.kernels.native import works

native = pytest.mark.skipif(not works(), reason="no C compiler")
V, BATCH, SIZE = 3, 4, 37  # 37 is no multiple of a vector, and 148 none of a block


def series(order, summed, shared=False, without=(), size=SIZE):
    """A jet of random coefficients that require gradients, and these."""
    torch.manual_seed(order)
    frame = Frame(order, V, torch.randn(V, dtype=torch.float64) if summed else None)
    z = [torch.randn(BATCH, size, dtype=torch.float64)]
    for k in range(1, order + 1):
        lead = () if summed and k == order else (V,)
        z.append(torch.randn(*lead, 1 if shared and k == 1 else BATCH, size, dtype=torch.float64))
    z = [None if k in without else c.requires_grad_() for k, c in enumerate(z)]
    return Jet.of(z[0], z[1:], frame), [c for c in z if c is not None]


def products(h, seed=0):
    """<g_k, h_k> for fixed random g_k."""
    torch.manual_seed(seed)
    return sum((c * torch.randn_like(c)).sum() for c in h if c is not None)


CASES = {
    "second order, summed": (2, True, {}),
    "second order, summed, first layer": (2, True, {"shared": True, "without": (2,)}),
    "third order": (3, False, {}),
    "fourth order, summed": (4, True, {}),
    "fourth order, some are zero": (4, False, {"without": (1, 3)}),
    "sixth order, first layer": (6, True, {"shared": True, "without": (2, 3, 4, 5, 6)}),
    "first order, summed": (1, True, {}),
}


@native
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("local", [tanh, gelu], ids=["tanh", "gelu"])
def test_values_and_gradients_are_those_of_the_eager_rule(case, local):
    order, summed, more = CASES[case]
    jet, inputs = series(order, summed, **more)
    fast, slow = composed(jet, local, eager).series, eager(jet, local).series
    assert [c is None for c in fast] == [c is None for c in slow]
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    for chosen in (slice(None), slice(order, None)):  # all of h, and the top one alone
        first, second = (
            torch.autograd.grad(products(h[chosen]), inputs, retain_graph=True, allow_unused=True) for h in (fast, slow)
        )
        for c, a, b in zip(inputs, first, second, strict=True):
            a, b = (torch.zeros_like(c) if g is None else g for g in (a, b))
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@native
@pytest.mark.parametrize("summed", [True, False])
def test_gradients_are_differentiated_again_and_again(summed):
    jet, inputs = series(3, summed, size=2)

    def function(*z):
        h = composed(Jet.of(z[0], z[1:], jet.frame), silu, eager).series
        return tuple(h)

    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)
    third = []
    for rule in (composed, lambda z, local, _: eager(z, local)):
        gradient = torch.autograd.grad(products(rule(jet, silu, eager).series), inputs, create_graph=True)
        again = torch.autograd.grad(products(gradient, 1), inputs, create_graph=True)
        third.append(torch.autograd.grad(products(again, 2), inputs))
    for a, b in zip(*third, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@native
def test_a_coefficient_that_depends_on_the_value_is_not_counted_twice():
    """tanh(tanh z): z_1 of the outer function is made of its z_0."""
    x = torch.randn(BATCH, SIZE, dtype=torch.float64, requires_grad=True)
    v = torch.ones(V, SIZE, dtype=torch.float64)
    slope = propagate(lambda z: torch.tanh(torch.sin(z)), x, v, 2)[2].sum()
    first = torch.autograd.grad(slope, x, create_graph=True)[0]
    y = torch.tanh(torch.sin(x))
    for _ in range(2):
        y = torch.autograd.grad(y.sum(), x, create_graph=True)[0]
    expected = torch.autograd.grad(V * y.sum() / 2, x, create_graph=True)[0]
    torch.testing.assert_close(first, expected, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(
        torch.autograd.grad(first.sum(), x)[0], torch.autograd.grad(expected.sum(), x)[0], rtol=1e-10, atol=1e-10
    )


def network():
    torch.manual_seed(1)
    sizes = [5, 16, 16, 1]
    layers = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(sizes)]
    return torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1], torch.nn.SiLU(), layers[2])


@pytest.mark.parametrize("sparse", [False, True])
def test_a_laplacian_is_nested_autograd_in_value_and_two_gradients(sparse):
    net, x = network(), torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    unit = torch.eye(5, dtype=torch.float64)
    directions = SparseDirections(torch.arange(5)[:, None], torch.ones(5, 1, dtype=torch.float64)) if sparse else unit
    ours = 2 * propagate(net, x, directions, 2, torch.ones(5))[-1].squeeze(-1)
    first = torch.autograd.grad(net(x).sum(), x, create_graph=True)[0]
    theirs = sum(torch.autograd.grad(first[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(5))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    wanted = [x, *net.parameters()][:-1]  # the last bias has no part in it
    gradients = [torch.autograd.grad(y.square().sum(), wanted, create_graph=True) for y in (ours, theirs)]
    again = [torch.autograd.grad(sum(g.square().sum() for g in found), wanted) for found in gradients]
    for a, b in zip((*gradients[0], *again[0]), (*gradients[1], *again[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@native
def test_many_gradients_at_once_come_from_the_eager_rule():
    jet, inputs = series(2, summed=True)
    top = composed(jet, tanh, eager).series[2].sum(0)
    rows = torch.eye(SIZE, dtype=torch.float64)[:4]
    together = torch.autograd.grad(top, inputs[0], rows, is_grads_batched=True, retain_graph=True)[0]
    for row, found in zip(rows, together, strict=True):
        alone = torch.autograd.grad(top, inputs[0], row, retain_graph=True)[0]
        torch.testing.assert_close(found, alone, rtol=1e-12, atol=1e-12)


@native
def test_less_is_kept_for_the_gradient():
    """What the eager rule saves beyond its inputs has V rows several times; generated code saves none of these."""

    def kept(rule):
        jet, inputs = series(4, summed=True)
        own, seen = {c.data_ptr() for c in inputs}, {}

        def pack(t):
            seen[t.data_ptr()] = 0 if t.data_ptr() in own else t.numel()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            rule(jet)
        return sum(seen.values())

    assert kept(lambda z: composed(z, tanh, eager)) <= 6 * BATCH * SIZE < kept(lambda z: eager(z, tanh)) / 2


def test_without_a_compiler_the_eager_rule_answers(monkeypatch):
    monkeypatch.setattr(fused, "usable", lambda *_: False)
    jet, _ = series(2, summed=True)
    assert composed(jet, tanh, eager) is None


def test_a_layer_and_its_columns_have_one_gradient():
    torch.manual_seed(0)
    x, weight = (torch.randn(n, 7, dtype=torch.float64, requires_grad=True) for n in (3, 4))
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True)
    indices = torch.tensor([5, 0, 5])  # one of them twice

    def function(x, weight, bias):
        return linear_and_columns(x, weight, bias, indices)

    assert torch.autograd.gradcheck(function, (x, weight, bias))
    assert torch.autograd.gradgradcheck(function, (x, weight, bias))
    y, columns = function(x, weight, bias)
    torch.testing.assert_close(y, torch.nn.functional.linear(x, weight, bias))
    torch.testing.assert_close(columns, weight[:, indices])
