"""Values built into a network hold whatever its weights are."""

import math

import pytest
import torch

from surrogates.construct import construct, describe
from surrogates.derivatives import jet
from surrogates.physics.errors import DomainError
from surrogates.pinns.hard_boundary import FromInitial, OnBall, OnBox, Periodic
from surrogates.pinns.initial_values import FourierSeries
from surrogates.pinns.mlp import PINN


def wild(inputs, outputs=1):
    """A network with large random weights."""
    net = PINN(inputs=inputs, outputs=outputs, width=16, depth=2).double()
    for p in net.parameters():
        torch.nn.init.normal_(p, std=2.0)
    return net


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_zero_on_the_sphere():
    x = torch.randn(50, 7, dtype=torch.float64)
    u = OnBall(wild(7), radius=1.7)
    assert u(1.7 * x / x.norm(dim=1, keepdim=True)).abs().max() < 1e-13
    assert u(x).abs().max() > 1


def test_value_on_the_pinned_sides_of_a_box_alone():
    u = OnBox(wild(3), low=[-1.0, 0.0, 2.0], high=[1.0, 3.0, 5.0], pinned=["both", "high", "none"], value=0.7)
    inside = torch.rand(40, 3, dtype=torch.float64) * torch.tensor([2.0, 3.0, 3.0]) + torch.tensor([-1.0, 0.0, 2.0])
    for axis, at, pinned in ((0, -1.0, True), (0, 1.0, True), (1, 3.0, True), (1, 0.0, False), (2, 2.0, False)):
        x = inside.clone()
        x[:, axis] = at
        assert bool(((u(x) - 0.7).abs().max() < 1e-14) == pinned)
    ones = PINN(inputs=3, width=4, depth=1).double()
    torch.nn.init.zeros_(ones.layers[-1].weight)
    torch.nn.init.ones_(ones.layers[-1].bias)
    middle = torch.tensor([[0.0, 1.5, 3.5]], dtype=torch.float64)
    both = OnBox(ones, low=[-1.0, 0.0, 2.0], high=[1.0, 3.0, 5.0])
    torch.testing.assert_close(both(middle), torch.ones(1, 1).double())  # pinning does not shrink the middle


def test_begins_at_the_initial_value():
    initial = FourierSeries(constant=2.0, sines=[1.0, 0.0, -0.5], cosines=[0.25], period=2.0)
    u = FromInitial(wild(2), initial=initial, start=0.5, scale=3.0)
    x = torch.rand(30, 2, dtype=torch.float64)
    s = math.pi * x[:, :1]
    exact = 2.0 + torch.sin(s) - 0.5 * torch.sin(3 * s) + 0.25 * torch.cos(s)
    x[:, 1] = 0.5
    torch.testing.assert_close(u(x), exact, rtol=0, atol=1e-14)
    x[:, 1] = 0.8
    torch.testing.assert_close(u(x) - exact, 0.1 * u.net(x))


def test_periodic_with_all_derivatives():
    u = Periodic(wild(1 + 2 * 2 + 2 * 2, outputs=2), axes=[0, 2], periods=[2.0, 0.5], harmonics=2)
    x = torch.rand(20, 3, dtype=torch.float64)
    moved = x + torch.tensor([2.0, 0.0, -0.5])
    for here, there in zip(jet(u, x, torch.eye(3).double(), 3), jet(u, moved, torch.eye(3).double(), 3), strict=True):
        torch.testing.assert_close(here, there, rtol=1e-9, atol=1e-9)
    assert (u(x) - u(x + torch.tensor([0.0, 0.5, 0.0]))).abs().max() > 0.1


def test_files_can_hold_them():
    inner = PINN(inputs=3, width=8, depth=1)
    model = FromInitial(Periodic(inner, axes=[0], periods=[1.0]), initial=FourierSeries(sines=[1.0], period=1.0))
    again = construct(describe(model))
    again.load_state_dict(model.state_dict())
    x = torch.rand(9, 2)
    assert torch.equal(again(x), model(x))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda n: OnBall(n, radius=0), "radius"),
        (lambda n: OnBox(n, low=[0.0], high=[0.0]), "low"),
        (lambda n: OnBox(n, low=[0.0], high=[1.0], pinned=["left"]), "no side"),
        (lambda n: FromInitial(n, initial=3.0), "no function"),
        (lambda n: Periodic(n, axes=[0], periods=[1.0, 2.0]), "period"),
        (lambda n: PINN(inputs=1, activation="relu"), "second derivative"),
        (lambda n: FourierSeries(period=0.0), "period"),
    ],
)
def test_what_makes_no_sense_is_refused(made, told):
    with pytest.raises(DomainError, match=told):
        made(PINN(inputs=1))
