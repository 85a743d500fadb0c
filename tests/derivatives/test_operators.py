"""Operators of a function of x against closed forms and nested reverse mode, in values and parameter gradients."""

import pytest
import torch
from torch import nn

from surrogates.derivatives import (
    Dense,
    Exact,
    Sparse,
    biharmonic,
    diagonal_operator,
    directional,
    laplacian,
    mixed,
    parabolic,
    partial_sum,
    partials,
    second_order,
)
from surrogates.physics.errors import DomainError

EVERY = [None, Exact(), Exact(at_once=2), Exact(reduced=False), Sparse(samples=10)]


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 2)).double()


@pytest.fixture
def u(net):
    return lambda x: (1 - (x**2).sum(-1, keepdim=True)) * net(x)


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.randn(3, 4, dtype=torch.float64)


def nested(u, x, axes):
    """A partial derivative by reverse mode within reverse mode."""
    x = x.clone().requires_grad_()
    columns = []
    for n in range(u(x).shape[1]):
        y = u(x)[:, n]
        for axis in axes:
            y = torch.autograd.grad(y.sum(), x, create_graph=True)[0][:, axis]
        columns.append(y)
    return torch.stack(columns, 1)


def close(ours, theirs, net=None, tolerance=1e-10):
    """Ours may be several ways to the same; their gradients are compared by the sum over them, for speed."""
    if isinstance(ours, list):
        ours, theirs = torch.stack(ours), torch.stack([theirs] * len(ours))
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * theirs.abs().max().item())
    if net is not None:
        a, b = (
            torch.autograd.grad((y**2).sum(), net.parameters(), allow_unused=True, retain_graph=True)
            for y in (ours, theirs)
        )
        for p, q in zip(a, b, strict=True):
            if q is not None:
                torch.testing.assert_close(p, q, rtol=tolerance, atol=tolerance * q.abs().max().item())


def test_laplacian_and_biharmonic_are_nested_derivatives(u, net, x):
    pure = [nested(u, x, (i, i)) for i in range(4)]
    fourth = sum(nested(u, x, (i, i, j, j)) for i in (0, 3) for j in (0, 3))
    close([laplacian(u, x, how=how) for how in EVERY], sum(pure), net)
    close([laplacian(u, x, axes=[0, 1, -1], how=how) for how in EVERY], pure[0] + pure[1] + pure[3], net)
    close([biharmonic(u, x, axes=(0, 3), how=how) for how in EVERY], fourth, net)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_diagonal_operators_take_all_kinds_of_coefficients(u, net, x, order):
    pure = [nested(u, x, (i,) * order) for i in range(4)]
    of_point = torch.randn(3, 4, dtype=torch.float64)
    for c in (-1.5, of_point[0], of_point):
        spread = c if isinstance(c, torch.Tensor) else torch.full((4,), c, dtype=torch.float64)
        exact = sum(spread[..., i : i + 1] * pure[i] for i in (0, 2, 3))
        ways = (None, Exact(at_once=2), Sparse(samples=4))
        close([diagonal_operator(u, x, c, order, axes=(0, 2, 3), how=how) for how in ways], exact, net)


def test_partials_come_from_one_pass(u, net, x):
    wanted = [(), (0,), (3, 0), (0, 0, 1), (1, 1, 3)]
    calls = []

    def counted(x):
        calls.append(1)
        return u(x)

    found = partials(counted, x, wanted)
    assert len(calls) == 1
    for axes, ours in zip(wanted, found, strict=True):
        close(ours, nested(u, x, axes), net)
    for axes in ((0, 1), (1, 0, 1), (0, 1, 2), (3, 2, 3, 2)):
        close(mixed(u, x, axes), nested(u, x, axes))
    v = torch.tensor([0.0, 1, 0, 0], dtype=torch.float64)
    close(directional(u, x, v, 3), nested(u, x, (1, 1, 1)))
    close(directional(u, x, v.expand(3, 4)), nested(u, x, (1,)))


def test_second_order_operators_and_sums_of_partials(u, net, x):
    hessian = torch.stack([torch.stack([nested(u, x, (i, j)) for j in range(4)]) for i in range(4)])
    factor = torch.randn(3, 4, 2, dtype=torch.float64)
    ways = (None, Exact(at_once=1), Sparse(samples=6))
    for given, rule in ((factor[0], "ir,jr,ijbo->bo"), (factor, "bir,bjr,ijbo->bo")):
        exact = torch.einsum(rule, given, given, hessian)
        close([second_order(u, x, given, how=how) for how in ways], exact, net)
    terms = [(i, i, j) for i in range(3) for j in range(2)]
    c = torch.arange(6.0, dtype=torch.float64)
    exact = sum(w * nested(u, x, t) for w, t in zip(c, terms, strict=True))
    close([partial_sum(u, x, terms, c, how=how) for how in ways], exact, net)


@pytest.mark.parametrize("how", [None, Exact(at_once=1), Sparse(samples=3)])
def test_parabolic_keeps_time_beside_what_is_drawn(u, net, x, how):
    parts = parabolic(u, x, time=1, how=how)
    close(parts.value, u(x), net)
    close(parts.time, nested(u, x, (1,)), net)
    close(parts.elliptic, sum(nested(u, x, (i, i)) for i in (0, 2, 3)), net)
    few = parabolic(u, x, how=Sparse(samples=1))
    close(few.time, nested(u, x, (3,)), net)  # exact from a single draw, sparse or dense
    close(parabolic(u, x, how=Dense(samples=1)).time, few.time, net)


def test_closed_forms():
    """Products of sines are eigenfunctions; Lap |x|^p = p (p + d - 2) |x|^(p - 2)."""
    k = torch.tensor([0.5, 1, 1.5, 2, 0.7], dtype=torch.float64)
    x = torch.rand(4, 5, dtype=torch.float64) + 0.2

    def sines(x):
        y = torch.sin(k * x)
        return (y[:, 0] * y[:, 1] * y[:, 2] * y[:, 3] * y[:, 4]).unsqueeze(1)

    close(laplacian(sines, x), -(k**2).sum() * sines(x))
    close(biharmonic(sines, x), (k**2).sum() ** 2 * sines(x))
    d, p, square = 40, 6, torch.rand(3, 40, dtype=torch.float64)
    radius = square.norm(dim=1, keepdim=True)

    def power(x):
        return (x**2).sum(-1, keepdim=True) ** (p // 2)

    close(laplacian(power, square), p * (p + d - 2) * radius ** (p - 2))
    close(
        biharmonic(power, square[:, :8]),
        p * (p - 2) * (p + 6) * (p + 4) * square[:, :8].norm(dim=1)[:, None] ** (p - 4),
    )


def test_passes_along_some_directions_keep_little_for_the_gradient(net):
    torch.manual_seed(2)
    wide = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)).double()
    x = torch.randn(5, 64, dtype=torch.float64)

    def bytes_kept(how):
        kept = {}

        def keep(t):
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            y = laplacian(wide, x, how=how)
        return y, sum(kept.values())

    whole, much = bytes_kept(Exact(at_once=64, reduced=False))
    parts, little = bytes_kept(Exact(at_once=8, reduced=False))
    assert little < much / 5
    close(parts, whole, wide, 1e-12)


def test_bad_input_is_named(u, x):
    for call, text in [
        (lambda: laplacian(3, x), "u is a int"),
        (lambda: laplacian(u, x.half()), "float16"),
        (lambda: laplacian(u, x[0]), r"points as \(batch, d\)"),
        (lambda: laplacian(u, x, axes=[4]), "axes"),
        (lambda: laplacian(u, x, how=Exact(2, True)), "one pass"),
        (lambda: laplacian(lambda x: (x, x), x), "one tensor"),
        (lambda: laplacian(u, x, axes=[1, -3]), "each once"),
        (lambda: laplacian(u, x, how=Sparse(samples=0)), "0 samples"),
        (lambda: laplacian(u, x, how=Dense(law="cauchy")), '"cauchy"'),
        (lambda: laplacian(u, x, how=Exact(at_once=0)), "at_once"),
        (lambda: diagonal_operator(u, x, 1.0, 7), "order 7"),
        (lambda: diagonal_operator(u, x, x[:2], 2), "coefficients of shape"),
        (lambda: second_order(u, x, x), "factor of shape"),
        (lambda: partials(u, x, [(0, 4)]), "axis 4"),
        (lambda: partial_sum(u, x, [(0,), (0, 0)]), "orders"),
        (lambda: partial_sum(u, x, []), "orders"),
        (lambda: directional(u, x, x[:2]), "direction of shape"),
        (lambda: parabolic(u, x, time=4), "time"),
    ]:
        with pytest.raises(DomainError, match=text):
            call()
    assert laplacian(u, x[:0]).shape == (0, 2)


def test_a_function_without_curvature(x):
    for how in (None, Exact()):
        assert not laplacian(lambda x: x, x, how=how).any()
        assert not laplacian(lambda x: torch.ones(len(x), 2), x, how=how).any()
