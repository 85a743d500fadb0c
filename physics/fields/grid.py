"""Regular grids in one to three dimensions; each axis is periodic or ends at walls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class Grid:
    """Points of a box [0, L_1] x ... x [0, L_d], the same spacing along an axis.

    A periodic axis has its n points at i L/n (the right end is the left end); an axis with walls has n cells
    with their centres at (i + 1/2) L/n.

    Args:
        shape: points (periodic) or cells (walls) along each axis.
        lengths: of the box along each axis, or one length for all.
        periodic: for each axis, or one answer for all.
    Raises:
        DomainError: not 1 to 3 axes, lists of unequal length, a length that is not positive, or no point.
    """

    shape: tuple[int, ...]
    lengths: tuple[float, ...]
    periodic: tuple[bool, ...]

    def __init__(
        self,
        shape: Sequence[int] | int,
        lengths: Sequence[float | int] | float | int = 1.0,
        periodic: Sequence[bool] | bool = True,
    ) -> None:
        sizes = tuple(int(n) for n in ([shape] if isinstance(shape, int) else shape))
        sides = tuple(float(x) for x in ([lengths] * len(sizes) if isinstance(lengths, int | float) else lengths))
        closed = tuple(bool(p) for p in ([periodic] * len(sizes) if isinstance(periodic, bool) else periodic))
        if not 1 <= len(sizes) <= 3 or len(sides) != len(sizes) or len(closed) != len(sizes):
            raise DomainError(
                f"a grid of shape {sizes} with lengths {sides} and periodic {closed}; a grid has 1 to 3 axes, "
                "each with its number of points, its length and whether it is periodic"
            )
        if min(sizes) < 1 or not all(math.isfinite(x) and x > 0 for x in sides):
            raise DomainError(f"a grid of shape {sizes} with lengths {sides}; both must be positive along every axis")
        object.__setattr__(self, "shape", sizes)
        object.__setattr__(self, "lengths", sides)
        object.__setattr__(self, "periodic", closed)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbours along each axis."""
        return tuple(length / n for length, n in zip(self.lengths, self.shape, strict=True))

    @property
    def volume(self) -> float:
        """Length, area or volume of the box."""
        return math.prod(self.lengths)

    def axes(self, dtype: torch.dtype = torch.float64, device: torch.device | None = None) -> tuple[Tensor, ...]:
        """Coordinates along each axis."""
        return tuple(
            (torch.arange(n, dtype=dtype, device=device) + (0.0 if closed else 0.5)) * h
            for n, h, closed in zip(self.shape, self.spacing, self.periodic, strict=True)
        )

    def points(self, dtype: torch.dtype = torch.float64, device: torch.device | None = None) -> tuple[Tensor, ...]:
        """Coordinates of every point, one tensor of the grid's shape for each axis."""
        return tuple(torch.meshgrid(*self.axes(dtype, device), indexing="ij"))

    def coarser(self, n: int) -> Grid:
        """The grid with n times fewer points along each axis, on the same box.

        Along periodic axes these are every n-th of this grid's points; along walled axes n cells become one.
        """
        if n < 1 or any(size % n for size in self.shape):
            raise DomainError(f"a grid of shape {self.shape} made {n} times coarser; n must divide every side")
        return Grid(tuple(size // n for size in self.shape), self.lengths, self.periodic)

    def finer(self, n: int) -> Grid:
        """The grid with n times more points along each axis, on the same box."""
        if n < 1:
            raise DomainError(f"a grid made {n} times finer; n must be at least 1")
        return Grid(tuple(size * n for size in self.shape), self.lengths, self.periodic)
