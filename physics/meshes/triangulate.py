"""Triangles for a plate with holes: graded points, Delaunay, smoothing. No mesh generator is needed for this.

Points lie on the boundary at the wanted spacing, then inside on hexagonal lattices whose spacing follows the wanted
size, each kept where no other is nearer than two thirds of that; smoothing moves each inner one to the mean of its
triangles' centroids weighted by area over wanted area (10.1145/1073204.1073238, circumcentres replaced by centroids).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.outline import SIDES, Array, Ellipse, Plate

Integers = np.ndarray
_NEAREST = 0.68  # of the wanted size, between two points
_ROUNDS = 6
_LEAST_ANGLE = 15.0  # degrees


@dataclass(frozen=True)
class Triangulation:
    """Vertices (n, 2), triangles (m, 3) counter-clockwise, and boundary edges (k, 2) by name of the boundary.

    `curves` says for each edge of the boundary `hole` which hole it lies on.
    """

    vertices: Array
    triangles: Integers
    edges: dict[str, Integers]
    curves: Integers

    def angles(self) -> Array:
        """Inner angles (m, 3), degrees."""
        corners = self.vertices[self.triangles]
        sides = np.roll(corners, -1, axis=1) - corners
        back = -np.roll(sides, 1, axis=1)
        cross = sides[..., 0] * back[..., 1] - sides[..., 1] * back[..., 0]
        return np.degrees(np.arctan2(cross, (sides * back).sum(-1)))


def triangulate(
    plate: Plate, size: float | int, *, near: float | int | None = None, growth: float | int = 0.3
) -> Triangulation:
    """A mesh of the plate, the same for the same arguments.

    Args:
        size: edge length far from holes. near: edge length on holes, size / 2 unless given; finer where a hole is bent
            more sharply. growth: of the edge length with the distance to a hole.
    Raises DomainError where holes are too near to each other or to a side for these sizes.
    """
    near = size / 2 if near is None else near
    if not 0 < near <= size or size > min(plate.length, plate.height) / 2:
        raise DomainError(
            f"size={size}, near={near} for a plate of {plate.length} x {plate.height}; give 0 < near <= size, at least "
            "two edges across"
        )
    loops, curves = _boundary(plate, size, near, growth)
    rim = np.concatenate(loops)
    wanted = _Size(plate, size, near, growth)
    inner = _inner(plate, rim, wanted)
    segments, names, holes = _segments(loops, curves)
    for _ in range(_ROUNDS):
        inner = _smoothed(plate, rim, inner, wanted)
    points = np.concatenate([rim, inner])
    triangles = _triangles(plate, points, len(rim))
    found = Triangulation(points, triangles, {n: segments[names == n] for n in dict.fromkeys(names)}, holes)
    _check(found, segments)
    return found


class _Size:
    """Wanted edge length: `near` on the holes (less where they are sharply bent), growing to `size`."""

    def __init__(self, plate: Plate, size: float | int, near: float | int, growth: float | int) -> None:
        self.size, self.growth = size, growth
        rims = [_spaced_ellipse(hole, near) for hole in plate.holes]
        gaps = [np.linalg.norm(np.roll(r, -1, axis=0) - r, axis=1) for r in rims]
        self.tree = cKDTree(np.concatenate(rims)) if rims else None
        self.spacing = np.concatenate([(g + np.roll(g, 1)) / 2 for g in gaps]) if rims else np.empty(0)

    def __call__(self, points: Array) -> Array:
        if self.tree is None:
            return np.full(len(points), float(self.size))
        distance, nearest = self.tree.query(points)
        return np.minimum(self.size, self.spacing[nearest] + self.growth * distance)


def _spaced_ellipse(hole: Ellipse, near: float | int) -> Array:
    """Points on the curve, at most `near` and 0.4 radii of curvature apart."""
    t = np.linspace(0, 2 * np.pi, 721)
    speed = np.linalg.norm(np.diff(hole.point(t), axis=0), axis=1)
    middle = (t[1:] + t[:-1]) / 2
    count = np.concatenate([[0], np.cumsum(speed / np.minimum(near, 0.4 * hole.curvature_radius(middle)))])
    number = max(12, int(np.ceil(count[-1])))
    return hole.point(np.interp(np.arange(number) * count[-1] / number, count, t))


def _boundary(plate: Plate, size: float | int, near: float | int, growth: float | int) -> tuple[list[Array], list[int]]:
    """Points along the outer sides, one loop, then along each hole; the curve of each loop, -1 for the sides."""
    wanted = _Size(plate, size, near, growth)
    corners = np.array([[0, 0], [plate.length, 0], [plate.length, plate.height], [0, plate.height]], dtype=float)
    sides = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        fine = a + np.linspace(0, 1, 401)[:, None] * (b - a)
        rate = np.linalg.norm(b - a) / 400 / wanted((fine[1:] + fine[:-1]) / 2)
        count = np.concatenate([[0], np.cumsum(rate)])
        number = max(2, round(count[-1]))
        at = np.interp(np.arange(number) * count[-1] / number, count, np.linspace(0, 1, 401))
        sides.append(a + at[:, None] * (b - a))
    loops = [np.concatenate(sides), *(_spaced_ellipse(hole, near) for hole in plate.holes)]
    return loops, [-1, *range(len(plate.holes))]


def _segments(loops: list[Array], curves: list[int]) -> tuple[Integers, Array, Integers]:
    """Edges of the boundary, their names, and the holes of those named `hole`."""
    segments, names, holes, first = [], [], [], 0
    for loop, curve in zip(loops, curves, strict=True):
        index = np.arange(len(loop))
        segments.append(first + np.stack([index, np.roll(index, -1)], axis=1))
        first += len(loop)
        if curve >= 0:
            names += ["hole"] * len(loop)
            holes += [curve] * len(loop)
            continue
        middle, low, high = (loop + np.roll(loop, -1, axis=0)) / 2, loop.min(0), loop.max(0)
        away = np.stack([middle[:, 0] - low[0], high[0] - middle[:, 0], middle[:, 1] - low[1], high[1] - middle[:, 1]])
        names += [SIDES[i] for i in away.argmin(0)]
    return np.concatenate(segments), np.array(names), np.array(holes, dtype=np.int64)


def _inner(plate: Plate, rim: Array, wanted: _Size) -> Array:
    """Lattice points of the wanted sizes, thinned to the wanted distance from each other and from the boundary."""
    least = wanted.spacing.min(initial=wanted.size)
    levels = int(np.ceil(2 * np.log2(wanted.size / least))) + 1
    parts = []
    for level in range(levels):
        step = wanted.size * 2 ** (-level / 2)
        lattice = _hexagonal(plate, step)
        h = wanted(lattice)
        band = (h <= step * 2**0.25) | (level == 0)
        band &= (h > step * 2**-0.25) | (level == levels - 1)
        parts.append(lattice[band])
    points = np.concatenate(parts)
    points = points[plate.inside(points)]
    h = wanted(points)
    clear = cKDTree(rim).query(points)[0] > _NEAREST * h
    points, h = points[clear], h[clear]
    order = np.argsort(h, kind="stable")
    return points[order][_apart(points[order], _NEAREST * h[order])]


def _hexagonal(plate: Plate, step: float) -> Array:
    columns, rows = int(plate.length / step) + 2, int(plate.height / (step * 3**0.5 / 2)) + 2
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    points = np.stack([(x + 0.5 * (y % 2)) * step, y * step * 3**0.5 / 2], axis=-1).reshape(-1, 2)
    spare = np.array([plate.length, plate.height]) - points.max(0)
    return points + spare / 2


def _apart(points: Array, radius: Array) -> Array:
    """Greedy choice of points, none nearer than its radius to an earlier one."""
    keep = np.ones(len(points), dtype=bool)
    pairs = cKDTree(points).query_pairs(radius.max(initial=0.0), output_type="ndarray")
    pairs = pairs[np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1) < radius[pairs.max(1)]]
    for a, b in np.sort(pairs, axis=1)[np.lexsort(np.sort(pairs, axis=1).T[::-1])]:
        if keep[a] and keep[b]:
            keep[b] = False
    return keep


def _triangles(plate: Plate, points: Array, rim: int) -> Integers:
    """Delaunay triangles in the material, counter-clockwise."""
    simplices = Delaunay(points).simplices.astype(np.int64)
    corners = points[simplices]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    kept = plate.inside(corners.mean(1)) & (np.abs(area) > 1e-10 * np.abs(area).max())
    for hole in plate.holes:  # a triangle with all corners on one hole lies in it, however finely that is cut
        kept &= ~((simplices < rim).all(1) & (np.abs(hole.level(corners) - 1) < 1e-9).all(1))
    simplices = np.where((area < 0)[:, None], simplices[:, ::-1], simplices)
    return simplices[kept]


def _smoothed(plate: Plate, rim: Array, inner: Array, wanted: _Size) -> Array:
    points = np.concatenate([rim, inner])
    triangles = _triangles(plate, points, len(rim))
    corners = points[triangles]
    middle = corners.mean(1)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    weight = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / wanted(middle) ** 2
    where, total = triangles.ravel(), np.zeros(len(points))
    np.add.at(total, where, np.repeat(weight, 3))
    moved = (
        np.stack(
            [np.bincount(where, np.repeat(weight * middle[:, k], 3), minlength=len(points)) for k in range(2)], axis=1
        )
        / np.maximum(total, 1e-300)[:, None]
    )
    moved = np.where(total[:, None] > 0, moved, points)[len(rim) :]
    return np.where(plate.inside(moved)[:, None], moved, inner)


def _check(mesh: Triangulation, segments: Integers) -> None:
    pairs = np.sort(
        np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]]), 1
    )
    edges, counts = np.unique(pairs, axis=0, return_counts=True)
    outer = {tuple(e) for e in edges[counts == 1]}
    missing = [tuple(s) for s in np.sort(segments, axis=1) if tuple(s) not in outer]
    if missing or len(outer) != len(segments) or len(np.unique(mesh.triangles)) != len(mesh.vertices):
        raise DomainError(
            f"{len(missing)} boundary edges of {len(segments)} are not in the mesh: holes are too near to each other "
            "or to a side for this edge length; make `size` and `near` smaller"
        )
    angle = mesh.angles().min()
    if angle < _LEAST_ANGLE:
        raise DomainError(
            f"the sharpest angle is {angle:.1f} degrees, below {_LEAST_ANGLE}; make `size` and `near` smaller"
        )
