"""Plane regions to be meshed: a rectangle with elliptic holes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from surrogates.physics.errors import DomainError

Array = np.ndarray
SIDES = ("left", "right", "bottom", "top")


@dataclass(frozen=True)
class Ellipse:
    """A hole with half axes (a, b), the first one turned by `angle` (radians) from the x axis."""

    center: tuple[float | int, float | int]
    axes: tuple[float | int, float | int]
    angle: float | int = 0.0

    def __post_init__(self) -> None:
        """Raises DomainError for half axes that are not positive, and numbers that are not finite."""
        if not (min(self.axes) > 0 and np.isfinite([*self.axes, *self.center, self.angle]).all()):
            raise DomainError(f"an ellipse at {self.center} with half axes {self.axes}; give finite, positive lengths")

    def point(self, parameter: Array) -> Array:
        """Points (n, 2) at parameters in 0..2 pi, counter-clockwise."""
        local = np.stack([self.axes[0] * np.cos(parameter), self.axes[1] * np.sin(parameter)], axis=-1)
        return local @ self._turn().T + np.asarray(self.center)

    def parameter(self, points: Array) -> Array:
        """Parameters in 0..2 pi of points on the curve, or of their radial images."""
        local = (points - np.asarray(self.center)) @ self._turn()
        return np.arctan2(local[..., 1] / self.axes[1], local[..., 0] / self.axes[0]) % (2 * np.pi)

    def level(self, points: Array) -> Array:
        """(x/a)^2 + (y/b)^2 in the ellipse's own frame: 1 on the curve, below 1 inside."""
        local = (points - np.asarray(self.center)) @ self._turn()
        return np.square(local / np.asarray(self.axes)).sum(-1)

    def curvature_radius(self, parameter: Array) -> Array:
        """(a^2 sin^2 + b^2 cos^2)^(3/2) / (a b)."""
        a, b = self.axes
        return (a**2 * np.sin(parameter) ** 2 + b**2 * np.cos(parameter) ** 2) ** 1.5 / (a * b)

    def extent(self) -> Array:
        """Half width and half height of the bounding box."""
        turn = self._turn()
        return np.sqrt((turn**2) @ (np.asarray(self.axes) ** 2))

    def _turn(self) -> Array:
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]])


@dataclass(frozen=True)
class Plate:
    """The rectangle 0..length, 0..height without its holes; boundaries are named left, right, bottom, top, hole.

    Raises DomainError for a hole that leaves the rectangle or touches another one.
    """

    length: float | int
    height: float | int
    holes: tuple[Ellipse, ...] = field(default=())

    def __post_init__(self) -> None:
        if min(self.length, self.height) <= 0:
            raise DomainError(f"a plate of {self.length} x {self.height}; give positive lengths")
        turn = np.linspace(0, 2 * np.pi, 181)
        for i, hole in enumerate(self.holes):
            low, high = np.asarray(hole.center) - hole.extent(), np.asarray(hole.center) + hole.extent()
            if min(low) <= 0 or high[0] >= self.length or high[1] >= self.height:
                raise DomainError(
                    f"hole {i} reaches from {low.round(4)} to {high.round(4)}, outside the plate of "
                    f"{self.length} x {self.height}; make it smaller or move it"
                )
            for j, other in enumerate(self.holes[:i]):
                if (other.level(hole.point(turn)) <= 1).any() or (hole.level(other.point(turn)) <= 1).any():
                    raise DomainError(f"holes {j} and {i} touch; keep them apart")

    def inside(self, points: Array) -> Array:
        """Whether points (n, 2) lie in the material."""
        x, y = points[:, 0], points[:, 1]
        found = (x > 0) & (x < self.length) & (y > 0) & (y < self.height)
        for hole in self.holes:
            found &= hole.level(points) > 1
        return found
