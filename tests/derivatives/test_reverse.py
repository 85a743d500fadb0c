"""Reverse passes from values that are there: the same derivatives as series, and only where they are sound and fast."""

import gc
import weakref

import pytest
import torch
from torch import nn

from surrogates.derivatives import (
    Diagonal,
    Exact,
    Sparse,
    diagonal_operator,
    laplacian,
    mixed,
    parabolic,
    partials,
    plan,
)
from surrogates.derivatives.reverse import passes_of
from surrogates.physics.errors import DomainError
from surrogates.pinns.field import Field

FIRST, SECOND = [(0,), (1,)], [(), (0,), (1,), (0, 0), (0, 1)]


class Net(nn.Module):
    """Layers between a change of the input and one of the output."""

    def __init__(self, activation=torch.tanh, before=lambda x: x, after=lambda x, y: y, outputs=1):
        super().__init__()
        torch.manual_seed(0)
        with torch.no_grad():
            width = before(torch.zeros(1, 2)).shape[1]
        self.one, self.two = nn.Linear(width, 8).double(), nn.Linear(8, outputs).double()
        self.activation, self.before, self.after = activation, before, after

    def forward(self, x):
        return self.after(x, self.two(self.activation(self.one(self.before(x)))))


def field(net, points=6):
    x = torch.rand(points, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    return Field(net, x, net(x)), x


def gradients(net, found):
    return torch.autograd.grad(
        sum((f**2).sum() for f in found), list(net.parameters()), allow_unused=True, retain_graph=True
    )


NETS = {
    "tanh": Net(),
    "sigmoid": Net(torch.sigmoid),
    "silu": Net(nn.functional.silu),
    "sin": Net(torch.sin),
    "periodic": Net(before=lambda x: torch.cat([torch.cos(3 * x[:, :1]), torch.sin(3 * x[:, :1]), x[:, 1:]], 1)),
    "ball": Net(after=lambda x, y: (1 - x.square().sum(-1, keepdim=True)) * y),
    "initial": Net(after=lambda x, y: -torch.sin(x[:, 0:1]) + x[..., 1:] * y / (2 + x[:, :1] ** 3)),
}


@pytest.mark.parametrize("name", NETS)
def test_values_and_gradients_are_those_of_series(name):
    net = NETS[name]
    u, x = field(net)
    assert passes_of(u, x, SECOND) is not None
    calls = (
        lambda u: partials(u, x, SECOND),
        lambda u: (mixed(u, x, (1,)), mixed(u, x, (1, 0)), laplacian(u, x, how=Exact())),
        lambda u: vars(parabolic(u, x, Diagonal(2, 0.3, [0]))).values(),
        lambda u: (diagonal_operator(u, x, 2.0, 1), *partials(u, x, FIRST)),
    )
    for call in calls:
        found, wanted = tuple(call(u)), tuple(call(net))
        for f, w in zip(found, wanted, strict=True):
            torch.testing.assert_close(f, w, rtol=1e-12, atol=1e-13)
        ours, series = gradients(net, found), gradients(net, wanted)
        for f, w in zip(ours, series, strict=True):
            torch.testing.assert_close(f, w, rtol=1e-11, atol=1e-12)


def test_a_pass_serves_all_calls():
    u, x = field(NETS["tanh"])
    assert mixed(u, x, (0,))._base is mixed(u, x, (1,))._base is not None
    assert mixed(u, x, (0, 0))._base is mixed(u, x, (0, 1))._base is not None


def test_the_next_step_has_its_own_values():
    net = Net()
    u, x = field(net)
    before = laplacian(u, x)
    with torch.no_grad():
        net.two.weight.mul_(2)
    u, x = field(net)
    torch.testing.assert_close(laplacian(u, x), 2 * before, rtol=1e-12, atol=0)


def test_nothing_outlives_the_field():
    net = Net()
    u, x = field(net)
    (bend,) = partials(u, x, [(0, 0)])
    gone = [weakref.ref(t) for t in (u, x, bend)]
    del u, x, bend
    gc.collect()
    assert all(t() is None for t in gone)


@pytest.mark.parametrize(
    "net",
    [
        Net(after=lambda x, y: y - y.mean(0)),
        Net(after=lambda x, y: y + y.sum(0, keepdim=True)),
        Net(after=lambda x, y: y * x[0:1, :1]),
        Net(after=lambda x, y: (x @ x.T) @ y),
        Net(torch.relu),
        Net(outputs=2),
    ],
    ids=["mean", "sum", "one row", "product of rows", "kink", "two outputs"],
)
def test_other_functions_are_left_to_series(net):
    u, x = field(net)
    assert passes_of(u, x, FIRST) is None


def test_a_transform_that_comes_later_is_seen():
    net = Net()
    u, x = field(net)
    assert passes_of(u, x, FIRST) is not None
    net.after = lambda x, y: y - y.mean(0)
    u, x = field(net)
    assert passes_of(u, x, FIRST) is None


def test_other_questions_are_left_to_series():
    net = Net()
    u, x = field(net)
    assert passes_of(u, x, [(0, 0, 0)]) is None
    assert passes_of(u, x.detach(), FIRST) is None
    assert passes_of(net, x, FIRST) is None
    with torch.no_grad():
        assert passes_of(u, x, FIRST) is None
        torch.testing.assert_close(laplacian(u, x), laplacian(net, x))
    frozen = Field(net, x.detach(), net(x.detach()))
    torch.testing.assert_close(laplacian(frozen, frozen.x), laplacian(u, x))
    with pytest.raises(DomainError, match="axis 2"):
        partials(u, x, [(2,)])
    with pytest.raises(DomainError, match="axes"):
        laplacian(u, x, axes=[5])


def test_a_function_without_second_derivative():
    net = Net(activation=lambda z: 2 * z)
    u, x = field(net)
    slope, bend = partials(u, x, [(0,), (0, 0)])
    torch.testing.assert_close(bend, torch.zeros_like(bend))
    torch.testing.assert_close(slope, partials(net, x, [(0,)])[0])


def test_the_plan_says_so():
    net = Net()
    u, x = field(net)
    found = plan(u, x, axes=[0])
    assert found.route == "reverse"
    assert "values are there" in found.why
    assert found.memory > 0
    assert plan(net, x, axes=[0]).route != "reverse"
    assert plan(u, x, axes=[0], how=Sparse(1)).route == "sparse"
    wide, points = field(net, points=3000)  # two rows of 3000 points of width 8
    assert plan(wide, points).route != "reverse"
    assert plan(wide, points, axes=[0]).route == "reverse"
