"""Values on the boundary or at the start that hold exactly, whatever the weights: modules around a network.

Papers: Artificial neural networks for solving ordinary and partial differential equations (doi:10.1109/72.712178),
u = g + l net with l = 0 where u is given; A method for representing periodic functions and enforcing exactly periodic
boundary conditions with deep neural networks (arXiv:2007.07442), periodic inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError


class OnBall(nn.Module):
    """(1 - |x|^2 / R^2) net(x): zero on the sphere of radius R around the origin.

    Args:
        net: points (n, dim) -> (n, outputs). radius: R.
    """

    def __init__(self, net: nn.Module, *, radius: float | int = 1.0) -> None:
        super().__init__()
        if not radius > 0:
            raise DomainError(f"radius={radius}; give a positive length")
        self.arguments = {"net": net, "radius": radius}
        self.net, self.radius = net, float(radius)

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch outputs"]:
        return (1.0 - (x * x).sum(dim=-1, keepdim=True) / self.radius**2) * self.net(x)


class OnBox(nn.Module):
    """value + net(x) prod_a l_a(x_a): the constant `value` on the pinned sides of a box.

    l_a is (x_a - low_a)(high_a - x_a) times 4 / (high_a - low_a)^2, so that it is 1 in the middle, or the one factor
    over the width where a single side is pinned.

    Args:
        net: points (n, dim) -> (n, outputs). low, high: corners of the box, a number for each coordinate.
        pinned: sides by coordinate, "both", "low", "high" or "none"; None pins both of all.
        value: on the pinned sides.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        low: Sequence[float | int],
        high: Sequence[float | int],
        pinned: Sequence[str] | None = None,
        value: float | int = 0.0,
    ) -> None:
        super().__init__()
        sides = ["both"] * len(low) if pinned is None else list(pinned)
        if not len(low) == len(high) == len(sides) or not all(a < b for a, b in zip(low, high, strict=False)):
            raise DomainError(f"low={list(low)}, high={list(high)}, pinned={sides}; give one of each by coordinate")
        if unknown := [s for s in sides if s not in ("both", "low", "high", "none")]:
            raise DomainError(f"pinned={unknown[0]!r} is no side; write both, low, high or none")
        self.arguments = {"net": net, "low": list(low), "high": list(high), "pinned": sides, "value": value}
        self.net, self.value = net, float(value)
        self.low, self.high, self.sides = [float(a) for a in low], [float(b) for b in high], sides

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch outputs"]:
        out: Tensor = self.net(x)
        for a, side in enumerate(self.sides):
            if side == "none":
                continue
            width, t = self.high[a] - self.low[a], x[:, a : a + 1]
            if side != "high":
                out = out * ((t - self.low[a]) * ((2.0 if side == "both" else 1.0) / width))
            if side != "low":
                out = out * ((self.high[a] - t) * ((2.0 if side == "both" else 1.0) / width))
        return out + self.value if self.value else out


class FromInitial(nn.Module):
    """u0(x) + (t - start) net(x, t): the field begins at u0 exactly.

    Args:
        net: points (n, dim), time included -> (n, outputs). initial: u0 of the whole point (n, dim) -> (n, outputs), a
            module (see initial_values), or a function of the user's own, with which it cannot be written to a file.
        time: which coordinate is the time. start: where it begins. scale: length of time over which the factor of
            `net` grows to 1.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        initial: Any,
        time: int = -1,
        start: float | int = 0.0,
        scale: float | int = 1.0,
    ) -> None:
        super().__init__()
        if not callable(initial):
            raise DomainError(f"initial={initial!r} is no function; give u0(points), or a module")
        if not scale > 0:
            raise DomainError(f"scale={scale}; give a positive length of time")
        self.arguments = {"net": net, "initial": initial, "time": time, "start": start, "scale": scale}
        self.net, self.initial = net, initial
        self.time, self.start, self.scale = time, float(start), float(scale)

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch outputs"]:
        after = (x[:, self.time].unsqueeze(-1) - self.start) / self.scale
        out: Tensor = self.initial(x) + after * self.net(x)
        return out


class Periodic(nn.Module):
    """net of cos and sin(2 pi k x_a / P_a), k = 1..harmonics, in place of the periodic coordinates a.

    u and all its derivatives are periodic. The net takes the other coordinates first, in order, then for each periodic
    one its cosines and its sines: dim - len(axes) + 2 harmonics len(axes) inputs.

    Args:
        net: features -> (n, outputs). axes: the periodic coordinates. periods: P of each, or one for all.
    """

    def __init__(
        self, net: nn.Module, *, axes: Sequence[int], periods: float | int | Sequence[float | int], harmonics: int = 1
    ) -> None:
        super().__init__()
        lengths = [periods] * len(axes) if isinstance(periods, int | float) else list(periods)
        if not axes or len(lengths) != len(axes) or min(lengths) <= 0 or harmonics < 1 or min(axes) < 0:
            raise DomainError(
                f"axes={list(axes)}, periods={lengths}, harmonics={harmonics}; give coordinates numbered from 0, a "
                "positive period for each, and at least one harmonic"
            )
        self.arguments = {"net": net, "axes": list(axes), "periods": lengths, "harmonics": harmonics}
        self.net, self.axes, self.periods, self.harmonics = net, list(axes), [float(p) for p in lengths], harmonics

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch outputs"]:
        parts = [x[:, a : a + 1] for a in range(x.shape[1]) if a not in self.axes]
        for a, period in zip(self.axes, self.periods, strict=True):
            for trig in (torch.cos, torch.sin):
                waves = (2 * math.pi * k / period for k in range(1, self.harmonics + 1))
                parts += [trig(x[:, a : a + 1] * wave) for wave in waves]
        out: Tensor = self.net(torch.cat(parts, dim=1))
        return out
