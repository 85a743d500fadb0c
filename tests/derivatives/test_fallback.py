"""What has no rule is followed or refused, never lost: nested derivatives with one notice, errors with the line."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from surrogates.derivatives import SparseDirections, fallback, jet, propagate
from surrogates.derivatives.jet import RULES
from surrogates.physics.errors import DomainError, SurrogatesWarning

X = torch.linspace(-0.9, 0.8, 12, dtype=torch.float64).reshape(2, 6).sin()
V = torch.linspace(0.2, 1, 12, dtype=torch.float64).reshape(2, 6).cos()
NET = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def nested(u, v, order):
    """d^k/dt^k of a scalar u(X + t v) by reverse mode within reverse mode."""
    t = torch.zeros((), dtype=X.dtype, requires_grad=True)
    found = [u(X + t * v)]
    for _ in range(order):
        found.append(torch.autograd.grad(found[-1], t, create_graph=True)[0])
    return torch.stack(found).detach()


def same(u, order):
    ours, weights = jet(u, X, V, order), torch.tensor([0.3, -2.0]).double()
    for i in range(2):
        theirs = nested(u, V[i], order)
        for k, c in enumerate(ours):
            torch.testing.assert_close(
                c if k == 0 else c[i], theirs[k], rtol=1e-10, atol=1e-10 * theirs.abs().max().item()
            )
    top = propagate(u, X, V, order, weights=weights)[-1]
    torch.testing.assert_close(top, weights @ propagate(u, X, V, order)[-1], rtol=1e-11, atol=1e-12)


def test_an_unknown_operation_is_followed_and_told_once():
    fallback.TOLD.discard("erfinv")
    with pytest.warns(
        SurrogatesWarning, match=r"erfinv has no rule .*test_fallback\.py:\d+: .*torch.erfinv\(x / 2\)"
    ) as told:
        same(lambda x: (torch.erfinv(x / 2) * x).sum(), 4)
    assert [w.category for w in told].count(SurrogatesWarning) == 1


@pytest.mark.filterwarnings("ignore::surrogates.physics.errors.SurrogatesWarning")
def test_what_an_unknown_operation_returns_and_takes_may_be_several():
    lstm = nn.LSTM(2, 3).double()
    same(lambda x: lstm(x.reshape(3, 2, 2).sin())[0].square().sum(), 3)
    same(lambda x: torch.special.xlogy(x + 2, x.exp() + 1).sum() + torch.linalg.eigvalsh(x @ x.T)[0], 3)
    sparse = SparseDirections(torch.tensor([[0, 3], [5, 2]]), torch.tensor([[1.0, 2], [-1, 1]]).double())
    for a, b in zip(jet(torch.erfinv, X / 2, sparse, 3), jet(torch.erfinv, X / 2, sparse.dense(6), 3), strict=True):
        torch.testing.assert_close(a, b)


def test_parameters_get_their_gradients_through_the_fallback():
    scale = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)

    def u(x):
        return torch.special.i0(scale * x).sum()

    with pytest.warns(SurrogatesWarning):
        ours = torch.autograd.grad(jet(u, X, V[:1], 3)[3].sum(), scale)[0]
    h = 1e-4
    with torch.no_grad():
        steps = []
        for value in (0.4 - h, 0.4 + h):
            scale.fill_(value)
            steps.append(jet(u, X, V[:1], 3)[3].item())
    assert ours.item() == pytest.approx((steps[1] - steps[0]) / (2 * h), rel=1e-6)


def test_wrong_nested_derivatives_of_torch_are_noticed(monkeypatch):
    def u(x):
        return torch.linalg.solve(2 * torch.eye(2, dtype=x.dtype) + x @ x.T, x[:, :1]).sum()

    same(u, 4)
    same(lambda x: torch.linalg.det(x @ x.T + 1) + torch.slogdet(x @ x.T)[1] + torch.linalg.inv(x @ x.T)[0, 1], 4)
    monkeypatch.delitem(RULES, torch.linalg.solve)
    with pytest.raises(DomainError, match=r"linalg_solve .*test_fallback\.py.*nested derivatives of it are wrong"):
        jet(u, X, V, 2)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x**2


def half_way(x):
    with torch.no_grad():
        scale = x.norm()
    return scale * x


def automatic(x):
    with torch.autocast("cpu"):
        return NET(x)


def into_a_constant(x):
    y = torch.zeros(2, 6, dtype=x.dtype)
    y[:, 0] = x[:, 0]
    return y


def through_a_view(x):
    y = x.sin()
    first = y[:, 0]
    first += 1
    return y * 2


def past_a_view(x):
    y = x.sin()
    flat = y.view(-1)
    y *= 2
    return flat.cos()


REFUSED = {
    "grid_sampler": lambda x: F.grid_sample(torch.ones(1, 1, 3, 3).double(), x.reshape(1, 2, 3, 2), align_corners=True),
    "item": lambda x: x * x.sum().item(),
    "__float__": lambda x: x * float(x.sum()),
    "__bool__": lambda x: x if x[0, 0] else -x,
    "numpy": lambda x: torch.as_tensor(x.numpy()),
    "grad": lambda x: torch.autograd.grad(NET(x).sum(), x, create_graph=True)[0],
    "reads a series below": lambda x: torch.func.grad(lambda y: NET(y).sum())(x),
    "aten.unsqueeze": lambda x: torch.vmap(NET)(x),
    "half": lambda x: NET(x.half().double()),
    "out=": lambda x: torch.sin(x, out=torch.empty(2, 6)),
    "no_grad": half_way,
    "autograd.Function": Square.apply,
    "autocast": automatic,
    "torch.zeros_like": into_a_constant,
    "through another view": through_a_view,
    "its memory was changed": past_a_view,
    "__set__": lambda x: setattr(x, "data", x * 2),
    ".eval": nn.BatchNorm1d(6).double(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused_with_the_line(name):
    with pytest.raises(DomainError, match=name) as error:
        jet(REFUSED[name], X, V, 2)
    assert "test_fallback.py:" in str(error.value)


def test_compiled_functions_are_refused():
    with pytest.raises(DomainError, match=r"compiled by torch\.jit"):
        jet(torch.jit.script(_scripted), X, V, 2)


def _scripted(x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(x) * x


@pytest.mark.parametrize("compiled", [torch.jit.script, lambda net: torch.jit.trace(net, X)])
def test_compiled_modules_are_refused(
    compiled,
):  # nested forward derivatives through them are zero, from the second run on
    with pytest.raises(DomainError, match="TorchScript"):
        jet(compiled(NET), X, V, 2)


ODD = {
    "a batch of one": (NET, X[:1]),
    "an empty batch": (NET, X[:0]),
    "not contiguous": (NET, X.T.contiguous().T),
    "a single precision": (nn.Linear(6, 2), X.float()),
    "outputs without axis": (lambda x: NET(x)[:, 0], X),
    "no dependence on x": (lambda x: torch.ones(2, 3), X),
    "a parameter only": (lambda x: NET[0].bias.expand(2, 4), X),
    "x itself": (lambda x: x, X),
    "rows one by one": (lambda x: torch.stack([NET(row) for row in x]), X),
    "a choice by value": (lambda x: NET(x) if x.sum() > -99 else x, X),
    "x with gradient": (NET, X.clone().requires_grad_()),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_functions_and_inputs(name):
    u, x = ODD[name]
    for k, c in enumerate(jet(u, x, V.to(x), 2)):
        h = 1e-3 if x.dtype == torch.float64 else 1e-1
        y = [u(x + s * h * V[0].to(x)) for s in (-1, 0, 1)]
        expected = (y[1], (y[2] - y[0]) / (2 * h), (y[2] - 2 * y[1] + y[0]) / h**2)[k]
        assert c.dtype == x.dtype or not expected.numel() or name == "no dependence on x"
        torch.testing.assert_close(c if k == 0 else c[0], expected, rtol=1e-4, atol=1e-4)
        assert c.shape == ((2, *y[1].shape) if k else y[1].shape)


@pytest.mark.parametrize("given", [lambda x: (x, x), lambda x: 3.0, lambda x: None], ids=["tuple", "float", "None"])
def test_other_results_are_named(given):
    with pytest.raises(DomainError, match="must return one tensor"):
        jet(given, X, V, 2)
