"""Sensors: where a branch network looks at its input fields."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.operators.deeponet_parts.places import grid, linear
from surrogates.physics.errors import DomainError


class Sensors(nn.Module):
    """Fields on any grid -> their values at fixed points, by multilinear interpolation (exact at grid points).

    Args:
        sensors: a grid of sensors, its number of points along each axis (an int in one dimension); or the points
            themselves, (sensors, dim) in [0, 1]. kinds: where the points of a grid lie, see `places`.
    """

    def __init__(self, sensors: Any, kinds: Sequence[str]) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        self.shape, self.points = _read(sensors, self.kinds)
        self.arguments = {"sensors": list(self.shape) if self.shape else self.points.tolist(), "kinds": list(kinds)}
        self._plans: dict[Any, list[tuple[Tensor, Tensor]]] = {}

    @property
    def count(self) -> int:
        """Number of sensors."""
        return len(self.points)

    def forward(self, values: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels sensors"]:
        flat = values.flatten(2)
        if tuple(values.shape[2:]) == self.shape:
            return flat
        corners = [flat.index_select(2, index) * weight for index, weight in self._plan(values)]
        return torch.stack(corners).sum(0) if len(corners) > 1 else corners[0]

    def _plan(self, values: Tensor) -> list[tuple[Tensor, Tensor]]:
        key = (tuple(values.shape[2:]), values.device, values.dtype)
        if key not in self._plans:
            corners = linear(self.points, key[0], self.kinds)
            self._plans[key] = [(i.to(values.device), w.to(values.device, values.dtype)) for i, w in corners]
        return self._plans[key]


def _read(sensors: Any, kinds: tuple[str, ...]) -> tuple[tuple[int, ...] | None, Tensor]:
    """Shape of a grid of sensors (None for single points), and their coordinates in float64."""
    dim, rows = len(kinds), [int(sensors)] if isinstance(sensors, Integral) else list(sensors)
    if rows and all(isinstance(n, int) and not isinstance(n, bool) for n in rows):
        if len(rows) != dim or min(rows) < 1:
            raise DomainError(f"sensors={sensors!r} for {dim} axes; give a positive number of points for each axis")
        with torch.device("cpu"):
            return tuple(rows), grid(rows, kinds)
    try:
        points = torch.tensor(rows, dtype=torch.float64, device="cpu")
    except (TypeError, ValueError) as error:
        raise DomainError(
            f"sensors are neither a grid shape nor points: {error}; give ints, or rows of floats"
        ) from None
    points = points[:, None] if points.ndim == 1 and dim == 1 else points
    if points.ndim != 2 or points.shape[1] != dim or len(points) == 0:
        raise DomainError(
            f"sensors of shape {tuple(points.shape)}; points in {dim} dimensions are rows of {dim} numbers"
        )
    if not bool(((points >= 0) & (points <= 1)).all()):
        raise DomainError("sensors lie outside [0, 1]; divide coordinates by the lengths of the domain")
    return None, points
