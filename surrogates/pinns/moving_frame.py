"""Fields on moving labels: derivatives by x from derivatives by the label, and the way back from x to the label.

A label xi is where a particle starts; `paths` maps (xi, t) to its position x and what it carries, u. Fixed-time
derivatives by x need the metric x_xi: u_x = u_xi / x_xi and u_xx = (1 / x_xi) d_xi (u_xi / x_xi); see transport.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError, SurrogatesWarning

Paths = Callable[[Tensor], Tensor]
"""(xi, t) (points, 2) -> (x, u) (points, 2), row by row; x - xi and u have the period of the problem in xi."""

_ITERATIONS = 60  # bisection alone needs 53 in double precision


class CharacteristicsCross(SurrogatesWarning):
    """x(., t) is not increasing, so that a point belongs to several labels, of which one was taken."""


def invert(paths: Paths, points: Float[Tensor, "points 2"], period: float | int) -> Float[Tensor, "points 2"]:
    """Labels (xi, t) of points (x, t): x(xi, t) = x to rounding, by Newton steps inside a bracket that is halved.

    xi is one of the labels xi + k period whose positions are x + k period, the one whose path ends at this very x.
    x(xi + period, t) = x(xi, t) + period gives the bracket: a whole number of periods around x. The result has no
    gradient; see `attached`. Where x(., t) is not increasing it is one of several labels.
    """
    x, t = points.detach().unbind(1)

    with torch.no_grad():
        turns = torch.ceil((paths(points.detach())[:, 0] - x) / period)
        low = x - turns * period
        high = low + period
        xi = 0.5 * (low + high)
        for _ in range(_ITERATIONS):
            found, slope = _by_label(paths, torch.stack([xi, t], dim=1))
            error = found - x
            low, high = torch.where(error < 0, xi, low), torch.where(error > 0, xi, high)
            newton, middle = xi - error / slope, 0.5 * (low + high)
            # a Newton step must stay inside and must not crawl along one side
            good = (newton >= low) & (newton <= high) & (2 * (newton - xi).abs() < high - low)
            moved = torch.where(error == 0, xi, torch.where(good, newton, middle))
            if not bool(torch.isfinite(error).all()):
                raise DomainError("the positions x(xi, t) are not finite; train with a smaller learning rate")
            eps = torch.finfo(x.dtype).eps
            at_rest = (moved - xi).abs() <= 16 * eps * period
            if bool((at_rest | (error.abs() <= 16 * eps * (x.abs() + xi.abs() + period))).all()):
                break
            xi = moved
    return torch.stack([moved, t], dim=1)


def attached(paths: Paths, labels: Float[Tensor, "points 2"], points: Tensor) -> Float[Tensor, "points 2"]:
    """The same labels as a differentiable function of the points and the weights of `paths`.

    Two Newton steps from the solution leave the value as it is and carry derivatives up to the third.
    """
    x, t = points.unbind(1)
    xi = labels[:, 0].detach()
    for _ in range(2):
        found, slope = _by_label(paths, torch.stack([xi, t], dim=1))
        xi = xi - (found - x) / slope
    return torch.stack([xi, t], dim=1)


def eulerian(paths: Paths, points: Float[Tensor, "points 2"], period: float | int) -> Float[Tensor, "points 1"]:
    """u at points (x, t), differentiable by torch.autograd; x anywhere, not only in the first period.

    Warns CharacteristicsCross where they have crossed by the last time of the points, looked at on a coarse grid.
    """
    last = max(float(points.detach()[:, 1].max()), 0.0) if len(points) else 0.0
    like = points.dtype, points.device
    found = stretch(paths, period=period, until=last, labels=128, times=17, dtype=like[0], device=like[1])
    if found.crossed is not None:
        text = (
            f"{found}; from then on several labels reach the same x, and u there is that of one of them: train longer, "
            "or end before the shock (see shock_time)"
        )
        warnings.warn(text, CharacteristicsCross, stacklevel=2)
    labels = invert(paths, points, period)
    if torch.is_grad_enabled():
        labels = attached(paths, labels, points)
    return paths(labels)[:, 1:]


@dataclass(frozen=True)
class Stretch:
    """How far characteristics have come together.

    Args:
        smallest: least x_xi on the grid, at `label` and `time`: where 1 / x_xi labels share the room of one.
        crossed: the earliest time on the grid with x_xi <= 0 somewhere, None if they never meet.
    """

    smallest: float
    label: float
    time: float
    crossed: float | None

    def __str__(self) -> str:
        told = f"smallest x_xi {self.smallest:.4g} at label {self.label:.4g}, t = {self.time:.4g}"
        return told if self.crossed is None else f"{told}; characteristics cross from t = {self.crossed:.4g} on"


@torch.no_grad()
def stretch(
    paths: Paths,
    *,
    period: float | int,
    until: float | int,
    labels: int = 512,
    times: int = 65,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Stretch:
    """x_xi on a grid of labels and times up to `until`."""
    xi = torch.arange(labels, dtype=dtype, device=device) * (period / labels)
    t = torch.linspace(0, float(until), times, dtype=dtype, device=device)
    grid = torch.cartesian_prod(t, xi).flip(1)
    slope = _by_label(paths, grid)[1]
    worst = int(slope.argmin())
    met = grid[slope <= 0, 1]
    return Stretch(
        smallest=float(slope[worst]),
        label=float(grid[worst, 0]),
        time=float(grid[worst, 1]),
        crossed=float(met.min()) if len(met) else None,
    )


def _by_label(paths: Paths, labels: Tensor) -> tuple[Tensor, Tensor]:
    """x and x_xi at labels (xi, t), each (points,)."""
    along = torch.tensor([1.0, 0.0]).to(labels).expand_as(labels)
    found = torch.func.jvp(paths, (labels,), (along,))
    return found[0][:, 0], found[1][:, 0]
