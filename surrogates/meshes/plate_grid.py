"""Fields of a plate on a fixed grid in its own coordinates, and back onto its nodes: cubic splines along both axes.

Between lines where another plate meets it the field may have a kink, so splines end there. The points of the grid are
drawn towards the ends of the plate, where stresses are steep; both ends are among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.interpolate import make_interp_spline

from surrogates.meshes.plates import MeshPlate

Array = np.ndarray
_GRADING = 0.5
_NEAR = 1e-9


def grid_points(count: int) -> Array:
    """(count,) from 0 to 1."""
    even = np.arange(count) / (count - 1)
    return (1 - _GRADING) * even + _GRADING * (1 - np.cos(np.pi * even)) / 2


def to_grid(plate: MeshPlate, values: Array, grid: tuple[int, int]) -> Array:
    """Values (..., rows, columns) at a plate's nodes -> (..., *grid)."""
    a, b = _both(plate, grid, back=False)
    return a @ values @ b.T


def from_grid(plate: MeshPlate, values: Array) -> Array:
    """Values (..., m, n) on the grid -> (..., rows, columns) at the plate's nodes."""
    a, b = _both(plate, (values.shape[-2], values.shape[-1]), back=True)
    return a @ values @ b.T


def _both(plate: MeshPlate, grid: tuple[int, int], *, back: bool) -> tuple[Array, Array]:
    length, width = plate.size
    lines = tuple(round(line / width, 9) for line in plate.lines)
    nodes = tuple(np.round(plate.along / length, 12)), tuple(np.round(plate.across / width, 12))
    points = tuple(grid_points(grid[0])), tuple(grid_points(grid[1]))
    start, end = (points, nodes) if back else (nodes, points)
    return _matrix(start[0], end[0], ()), _matrix(start[1], end[1], lines)


@lru_cache(maxsize=512)
def _matrix(start: tuple[float, ...], end: tuple[float, ...], lines: tuple[float, ...]) -> Array:
    """(len(end), len(start)) of the spline through values at `start`, evaluated at `end`, between 0, lines and 1."""
    x, y = np.array(start), np.array(end)
    found, hits = np.zeros((len(y), len(x))), np.zeros(len(y))
    for low, high in pairwise((0.0, *lines, 1.0)):
        here = np.flatnonzero((x >= low - _NEAR) & (x <= high + _NEAR))
        there = np.flatnonzero((y >= low - _NEAR) & (y <= high + _NEAR))
        degree = min(3, len(here) - 1)
        spline = make_interp_spline(x[here], np.eye(len(here)), k=degree)
        found[np.ix_(there, here)] += spline(y[there])
        hits[there] += 1
    return found / hits[:, None]  # on a line itself the mean of both sides


def joined(plates: Sequence[MeshPlate], values: Sequence[Array], count: int) -> Array:
    """Largest of values (..., rows, columns) of all plates that meet at a node, leading axes too, (count,) nodes."""
    found = np.full(count, -np.inf)
    for plate, own in zip(plates, values, strict=True):
        np.maximum.at(found, plate.nodes, own.reshape(-1, *plate.nodes.shape).max(axis=0))
    return np.where(np.isfinite(found), found, 0.0)
