"""Taylor series through modules are nested derivatives, along dense and sparse directions, whole and collapsed."""

import pytest
import torch
from torch import nn

from surrogates.derivatives import SparseDirections, jet, propagate
from surrogates.physics.errors import DomainError


@pytest.fixture
def u():
    torch.manual_seed(0)
    smooth = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, 16), nn.Sigmoid())
    net = nn.Sequential(smooth, nn.Linear(16, 2)).double()

    def u(x):
        ratio = torch.sin(x[:, :1]) * torch.exp(x[:, 1:2]) / (2 + torch.cos(x[:, 2:3]))
        return (1 - (x**2).sum(-1, keepdim=True)) * net(x) + ratio

    return u


def nested(u, x, v, order):
    """Derivatives of u(x + t v) at t = 0 by forward mode within forward mode."""

    def f(t):
        return u(x + t * v)

    zero, one, found = torch.zeros((), dtype=x.dtype), torch.ones((), dtype=x.dtype), []
    for _ in range(order + 1):
        found.append(f(zero))
        f = (lambda g: lambda t: torch.func.jvp(g, (t,), (one,))[1])(f)
    return found


def test_series_are_nested_derivatives_to_order_six(u):
    x, v = torch.randn(3, 5, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    ours = jet(u, x, v, 6)
    for i in range(2):
        for k, theirs in enumerate(nested(u, x, v[i], 6)):
            found = ours[0] if k == 0 else ours[k][i]
            torch.testing.assert_close(found, theirs, rtol=1e-10, atol=1e-10 * theirs.abs().max().item())


SPARSE = SparseDirections(torch.tensor([[0, 1], [3, 2], [4, 0]]), torch.tensor([[1.0, 1], [1, -2], [1, 0.5]]).double())


def test_sparse_directions_are_the_dense_ones(u):
    x = torch.randn(3, 5, dtype=torch.float64)
    for a, b in zip(jet(u, x, SPARSE, 6), jet(u, x, SPARSE.dense(5), 6), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("sparse", [True, False])
def test_a_collapsed_top_is_the_weighted_sum(u, order, sparse):
    x, weights = torch.randn(3, 5, dtype=torch.float64), torch.tensor([0.3, -2, 1]).double()
    directions = SPARSE if sparse else SPARSE.dense(5)
    whole, collapsed = propagate(u, x, directions, order), propagate(u, x, directions, order, weights=weights)
    torch.testing.assert_close(collapsed[-1], torch.tensordot(weights, whole[-1], 1), rtol=1e-12, atol=1e-12)


def test_bad_input_is_named(u):
    x, v = torch.zeros(2, 5), torch.zeros(1, 5)
    with pytest.raises(DomainError, match="order 7 is not among 1 to 6"):
        jet(u, x, v, 7)
    with pytest.raises(DomainError, match="float16"):
        jet(u, x.half(), v, 2)
    with pytest.raises(DomainError, match="give a function or module"):
        jet(3, x, v, 2)
    for other in (v[:, :4], v[0]):
        with pytest.raises(DomainError, match="as many coordinates as x"):
            jet(u, x, other, 2)
