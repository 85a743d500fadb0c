"""Kolmogorov n-width and Lagrangian physics-informed neural networks: A causality-conforming manifold for convection-dominated PDEs (arXiv:2205.02902).

For u_t + a(u, x, t) u_x = nu u_xx + R(u) on a periodic interval. Kept: two branches on the labels (xi, t), one for the
characteristics, x_t = a, and one for what they carry, u_t = nu u_xx + R, with (cos, sin) of the label as input; both
residuals in the loss; values on x by interpolation from the moving points.
Changed: x = xi + t N and u = u0(xi) + t M, so that the start is exact and x - xi, not x, is periodic (the authors train
both by penalties of weight 1000 and give x itself a periodic input); two networks of their own (their branches share
layers); u_xx with the metric x_xi of the moving frame, where their program differentiates by the label alone, which is
exact only while x_xi = 1; the state's residual is multiplied by x_xi^2, so that a front, where labels crowd and x_xi is
small, does not outweigh everything else; squared norms; x is inverted by Newton's method instead of linear
interpolation, so that no points are dropped.
"""  # noqa: E501

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError
from surrogates.pinns import moving_frame
from surrogates.pinns.mlp import PINN


class LagrangianPINN(nn.Module):
    """Characteristics and what they carry, as networks of label and time: x = xi + t N, u = u0(xi) + t M.

    Training sees labels: `model(labels)` is (x, u) there. `solution(points)` is u at points (x, t), which predictions
    and scores use. With nu > 0 the paths of a smooth field never cross, x_xi = exp(int a_x dt) > 0, but they crowd
    exponentially where it is compressed, so that a front that has formed (well after the shock time of nu = 0) leaves
    ever fewer labels to describe it; `stretch` says how few.

    Args:
        initial: u0, a module of points (n, 2) -> (n, 1) such as FourierSeries; the same as the problem's.
        period: of the interval. until: the last time, to which times are scaled.
        path, state: N and M, networks of (cos, sin of 2 pi xi / period, 2 t / until - 1) -> 1; None for tanh networks
            of 2 and 3 hidden layers of 32.
        drift: a speed known beforehand, x = xi + t (drift + N); the paper has none.
    """

    def __init__(
        self,
        *,
        initial: nn.Module,
        period: float | int = 2 * math.pi,
        until: float | int = 1.0,
        path: nn.Module | None = None,
        state: nn.Module | None = None,
        drift: float | int = 0.0,
    ) -> None:
        super().__init__()
        if not (period > 0 and until > 0 and math.isfinite(period) and math.isfinite(until)):
            raise DomainError(f"period={period}, until={until}; give positive numbers")
        if not isinstance(initial, nn.Module):
            raise DomainError(f"initial={initial!r} is no module; write FourierSeries(constant=..., sines=[...])")
        self.initial = initial
        self.path = PINN(inputs=3, width=32, depth=2) if path is None else path
        self.state = PINN(inputs=3, width=32, depth=3) if state is None else state
        self.period, self.until, self.drift = float(period), float(until), float(drift)

    @property
    def arguments(self) -> dict[str, Any]:
        """What it was made with, as a file holds it."""
        numbers = {"period": self.period, "until": self.until, "drift": self.drift}
        return {"initial": self.initial, "path": self.path, "state": self.state, **numbers}

    def forward(self, labels: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """(x, u) of the particles that start at xi, at time t."""
        xi, t = labels[:, :1], labels[:, 1:]
        angle = xi * (2 * math.pi / self.period)
        seen = torch.cat([torch.cos(angle), torch.sin(angle), t * (2 / self.until) - 1], dim=1)
        x = xi + t * (self.drift + self.path(seen))
        return torch.cat([x, self.initial(labels) + t * self.state(seen)], dim=1)

    def solution(self, points: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 1"]:
        """u at (x, t). Warns CharacteristicsCross where several labels have come to one x."""
        return moving_frame.eulerian(self, points, self.period)

    def characteristics(
        self, labels: Float[Tensor, "labels 1"], times: Float[Tensor, "times"]
    ) -> Float[Tensor, "times labels"]:
        """Positions x(xi, t) of particles at some times, to draw them."""
        grid = torch.cartesian_prod(times, labels[:, 0]).flip(1)
        x: Tensor = self(grid)[:, 0]
        return x.reshape(len(times), len(labels))

    def stretch(self, until: float | int | None = None) -> moving_frame.Stretch:
        """How far the characteristics have come together up to `until`, the network's own last time unless given."""
        dtype = next(self.parameters()).dtype
        return moving_frame.stretch(self, period=self.period, until=self.until if until is None else until, dtype=dtype)
