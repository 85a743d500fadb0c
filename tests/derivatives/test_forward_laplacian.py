"""The Laplacian through the first layers of a function: the same as along coordinates, to every further derivative."""

import pytest
import torch
from torch import nn

from surrogates.derivatives import Diagonal, Exact, forward_laplacian, laplacian
from surrogates.derivatives.scheme import apply
from surrogates.physics.errors import DomainError

D = 12


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(D, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2)).double()


@pytest.fixture
def x():
    return torch.randn(3, D, dtype=torch.float64)


def ball(net):
    return lambda x: (1 - (x**2).sum(-1, keepdim=True)) * net(x)


def same(u, net, x, axes=None, tolerance=1e-11):
    ours, theirs = forward_laplacian(u, x, axes), apply(u, x, Diagonal(axes=axes).exact(x))
    torch.testing.assert_close(
        ours, theirs, rtol=tolerance, atol=tolerance * theirs.detach().abs().max().item() + 1e-100
    )
    parameters = list(net.parameters())
    a, b = (torch.autograd.grad((y**2).sum(), parameters, materialize_grads=True) for y in (ours, theirs))
    for p, q in zip(a, b, strict=True):
        torch.testing.assert_close(p, q, rtol=tolerance, atol=tolerance * q.abs().max().item() + 1e-100)


@pytest.mark.parametrize("product", [False, True])
@pytest.mark.parametrize("rows", ["whole", "equal", "zero", "more"])
def test_it_is_the_laplacian_whatever_the_rank_of_the_first_layer(net, x, product, rows):
    with torch.no_grad():
        if rows == "equal":
            net[0].weight[2:] = net[0].weight[0]
        elif rows == "zero":
            net[0].weight.zero_()
    if rows == "more":
        net, x = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 1)).double(), x[:, :4]
    same(ball(net) if product else net, net, x)


def test_single_precision_stays_single(net, x):
    single, rough = net.float(), x.float()
    ours = forward_laplacian(ball(single), rough)
    assert ours.dtype == torch.float32
    exact = apply(ball(net.double()), rough.double(), Diagonal().exact(rough.double()))
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-5 * exact.abs().max().item())


def test_time_may_be_left_out(net, x):
    weight = torch.randn(D - 1, 3, dtype=torch.float64)

    def u(x):
        space, time = x[:, :-1], x[..., -1:]
        return net(x) * torch.sin(time) + time * (space * space).sum(1, keepdim=True) * torch.tanh(space @ weight).mean(
            -1, keepdim=True
        )

    same(lambda x: u(x), net, x, list(range(D - 1)))
    same(lambda x: u(x), net, x, [3, 4, 7])


def test_further_derivatives_in_x_and_in_the_parameters(net, x):
    """The Laplacian's gradient in x (gradient-enhanced residuals), its gradient in the weights, and once more."""

    def chain(laplace):
        at = x.clone().requires_grad_()
        slope = torch.autograd.grad(laplace(at).sum(), at, create_graph=True)[0]
        weights = torch.autograd.grad((slope**3).sum(), net.parameters(), create_graph=True, allow_unused=True)
        weights = [w for w in weights if w is not None]
        again = torch.autograd.grad(sum((w**2).sum() for w in weights), net.parameters(), allow_unused=True)
        return [slope, *weights, *(w for w in again if w is not None)]

    u = ball(net)
    for ours, theirs in zip(
        chain(lambda x: forward_laplacian(u, x)), chain(lambda x: apply(u, x, Diagonal().exact(x))), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10 * theirs.abs().max().item())


def test_what_else_is_done_with_x_is_named(net, x):
    for u, name in [
        (lambda x: net(torch.sin(x)), "sin"),
        (lambda x: net(x) * x[:, :1], "mul"),
        (lambda x: net(x) + (x[:, :3] ** 2).sum(-1, keepdim=True), "square of some columns"),
        (lambda x: x.sum(-1, keepdim=True) * net(x), "sum"),
        (lambda x: net(x) @ x[:2, :2], "getitem"),
    ]:
        with pytest.raises(DomainError, match=name):
            forward_laplacian(u, x)
        with pytest.raises(DomainError, match=r"reduced=True"):
            laplacian(u, x, how=Exact(reduced=True))
