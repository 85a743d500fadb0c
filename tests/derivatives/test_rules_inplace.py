"""Changes in place: right as in torch, for the same functions written without them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from surrogates.derivatives import jet
from surrogates.physics.errors import DomainError

X = torch.linspace(-1.1, 1.2, 12, dtype=torch.float64).reshape(2, 6).sin()
V = torch.linspace(0.2, 1, 12, dtype=torch.float64).reshape(2, 6).cos()
LAYER = nn.Linear(6, 6).double()


def same(u, definition):
    for a, b in zip(jet(u, X, V, 4), jet(definition, X, V, 4), strict=True):
        assert b.abs().max() > 0
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_arithmetic_and_functions():
    def u(x):
        y = x.new_zeros(2, 6)
        y += x
        y -= 0.1
        y *= x.cos()
        y /= 2 + x
        y.add_(x, alpha=2).sin_().mul_(3).clamp_(min=-2.5)
        return F.elu(F.relu(y, inplace=True).sub_(0.5), inplace=True)

    same(u, lambda x: F.elu(F.relu((3 * torch.sin((x - 0.1) * x.cos() / (2 + x) + 2 * x)).clamp(min=-2.5)) - 0.5))


def test_an_alias_sees_the_change():
    def u(x):
        y = LAYER(x)
        z = F.silu(y, inplace=True)
        return y + z

    same(u, lambda x: 2 * F.silu(LAYER(x)))


def test_written_entries():
    def u(x):
        y = x.sin()
        y[:, 0] += x[:, 1] ** 2
        y[:, 2:4] = x[:, :2] * y[:, 4:]
        y[torch.tensor([True, False]), 5] = 7.0
        return y * x

    def definition(x):
        y = x.sin()
        first, middle = y[:, :1] + x[:, 1:2] ** 2, x[:, :2] * y[:, 4:]
        last = torch.stack([7 + 0 * x[0, 5], y[1, 5]])[:, None]
        return torch.cat([first, y[:, 1:2], middle, y[:, 4:5], last], 1) * x

    same(u, definition)


def test_series_written_into_a_constant_like_x():
    def u(x):
        y = torch.zeros_like(x)
        y[:, 1] = x[:, 0].exp()
        return y.index_add_(1, torch.tensor([4]), x[:, :1].sin())

    def definition(x):
        zero = 0 * x[:, :1]
        return torch.cat([zero, x[:, :1].exp(), zero, zero, x[:, :1].sin(), zero], 1)

    same(u, definition)


def test_a_change_through_a_view_is_right_or_refused():
    def u(x):
        y = torch.zeros_like(x)
        y[:, 3].copy_(x[:, 2])
        return y

    with pytest.raises(DomainError, match="through another view"):
        jet(u, X, V, 2)


def test_the_input_of_the_user_stays():
    before = X.clone()

    def u(x):
        x += 1
        x[:, 0] = 0.0
        return x.sin()

    same(u, lambda x: torch.cat([0 * x[:, :1], x[:, 1:] + 1], 1).sin())
    assert torch.equal(X, before)
