"""A convex gradient network is its line integral, has a symmetric Jacobian, and learns a transport map."""

import numpy as np
import pytest
import torch

from surrogates.blocks.convex_gradient import ConvexGradient
from surrogates.physics.errors import DomainError


@pytest.mark.parametrize("activation", ["softplus", "sigmoid", "tanh"])
def test_closed_form_is_the_line_integral_of_the_paper(activation):
    torch.manual_seed(0)
    net, x = ConvexGradient(dim=3, width=7, activation=activation).double(), torch.randn(5, 3, dtype=torch.float64)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    total = torch.zeros_like(x)
    for s, w in zip((nodes + 1) / 2, weights / 2, strict=True):
        root = net.root(s * x)
        total = total + w * torch.einsum("bwi,bwj,bj->bi", root, root, x)
    torch.testing.assert_close(net(x), total, rtol=1e-11, atol=1e-11)


def test_jacobian_is_symmetric_and_positive():
    torch.manual_seed(1)
    net = ConvexGradient(dim=4, width=9, strong=0.1).double()
    for x in torch.randn(10, 4, dtype=torch.float64) * 3:
        jacobian = torch.autograd.functional.jacobian(lambda x: net(x[None])[0], x)
        torch.testing.assert_close(jacobian, jacobian.T, rtol=1e-12, atol=1e-12)
        assert torch.linalg.eigvalsh(jacobian)[0] >= 0.1 - 1e-12


def test_learns_the_optimal_transport_map_between_gaussians():
    """From N(0, 1) to N(m, A^2), A symmetric positive, the map is m + A x (Brenier); fitted to its values."""
    torch.manual_seed(2)
    turn = torch.linalg.qr(torch.randn(2, 2, dtype=torch.float64))[0]
    a, m = turn @ torch.diag(torch.tensor([0.5, 2.0]).double()) @ turn.T, torch.tensor([1.0, -1.0]).double()
    net = ConvexGradient(dim=2, width=32).double()
    x = torch.randn(256, 2, dtype=torch.float64)
    steps = torch.optim.LBFGS(net.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        steps.zero_grad()
        value = (net(x) - m - x @ a).square().mean()
        value.backward()
        return value

    steps.step(loss)
    new = torch.randn(500, 2, dtype=torch.float64).clamp(-2, 2)
    error = (net(new) - m - new @ a).norm() / (new @ a).norm()
    assert error < 0.01


def test_refuses_what_is_not_convex():
    with pytest.raises(DomainError, match="softplus"):
        ConvexGradient(dim=2, activation="sin")
    with pytest.raises(DomainError, match="at least 0"):
        ConvexGradient(dim=2, strong=-1.0)
