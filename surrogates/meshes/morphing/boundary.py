"""The boundary of a plane mesh: closed loops of sides, cut into curves where their tags change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from surrogates.meshes.shape_functions import oriented, sides
from surrogates.physics.errors import DomainError

Array = np.ndarray
_GAUSS = (np.polynomial.legendre.leggauss(6)[0] + 1) / 2, np.polynomial.legendre.leggauss(6)[1] / 2
_BISECTIONS = 48


@dataclass(frozen=True, eq=False)
class Curve:
    """Sides one after another, the material to their left.

    Args:
        tags: names that all nodes of each side carry. edges: nodes (e, 3) start, end, middle; -1 for no middle.
        points: their positions (e, 3, 2). closed: whether the last side ends where the first begins.
    """

    tags: tuple[str, ...]
    edges: Array
    points: Array
    closed: bool

    @property
    def name(self) -> str:
        """The tags, for messages."""
        return "+".join(self.tags) or "without a tag"

    @cached_property
    def lengths(self) -> Array:
        """Of each side, (e,)."""
        return self._length(np.arange(len(self.edges)), np.ones(len(self.edges)))

    @cached_property
    def starts(self) -> Array:
        """Arc length at the start of each side and at the end of the last, (e + 1,)."""
        return np.concatenate([[0.0], np.cumsum(self.lengths)])

    def position(self, edge: Array, t: Array) -> Array:
        """Points (..., 2) at t in 0..1 along sides."""
        a, b, m = np.moveaxis(self.points[edge], -2, 0)
        t = t[..., None]
        found: Array = a * (1 - t) * (1 - 2 * t) + b * t * (2 * t - 1) + 4 * m * t * (1 - t)
        return found

    def at_length(self, fraction: Array) -> Array:
        """Points (n, 2) at fractions of the whole length."""
        wanted = np.clip(fraction, 0.0, 1.0) * self.starts[-1]
        edge = np.clip(np.searchsorted(self.starts, wanted, side="right") - 1, 0, len(self.edges) - 1)
        rest = wanted - self.starts[edge]
        return self.position(edge, _increasing(lambda t: self._length(edge, t) - rest, len(edge)))

    def nodes(self) -> tuple[Array, Array, Array]:
        """Nodes of the curve, each once, with their side and t there; the last node of an open curve too."""
        count = np.arange(len(self.edges))
        found = [(self.edges[:, 0], count, np.zeros(len(count)))]
        if (self.edges[:, 2] >= 0).all():
            found.append((self.edges[:, 2], count, np.full(len(count), 0.5)))
        if not self.closed:
            found.append((self.edges[-1:, 1], count[-1:], np.ones(1)))
        node, edge, t = (np.concatenate(part) for part in zip(*found, strict=True))
        return node, edge, t

    def fraction(self, edge: Array, t: Array) -> Array:
        """Of the whole length."""
        found: Array = (self.starts[edge] + self._length(edge, t)) / self.starts[-1]
        return found

    def _length(self, edge: Array, t: Array) -> Array:
        s = t[:, None] * _GAUSS[0]
        a, b, m = (self.points[edge][:, None, k] for k in range(3))
        slope = a * (4 * s - 3)[..., None] + b * (4 * s - 1)[..., None] + 4 * m * (1 - 2 * s)[..., None]
        found: Array = t * (np.linalg.norm(slope, axis=-1) @ _GAUSS[1])
        return found


@dataclass(frozen=True, eq=False)
class Loop:
    """Curves that close: one closed curve, or open ones of alternating tags. `outer`: the material is inside."""

    curves: tuple[Curve, ...]

    @cached_property
    def polygon(self) -> Array:
        """Points on it, eight a side, (n, 2)."""
        t = np.arange(8) / 8
        parts = [c.position(np.arange(len(c.edges))[:, None], np.tile(t, (len(c.edges), 1))) for c in self.curves]
        return np.concatenate([p.reshape(-1, 2) for p in parts])

    @property
    def area(self) -> float:
        """Enclosed, positive for the outer loop, negative for a hole."""
        x, y = self.polygon.T
        return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))

    @property
    def center(self) -> Array:
        """Of the enclosed area."""
        return moments(self.polygon)[0]

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Tags of its curves."""
        return tuple(c.tags for c in self.curves)

    def turned(self, first: int) -> Loop:
        """The same loop from another curve on."""
        return Loop(self.curves[first:] + self.curves[:first])


def boundary(points: Array, cells: Mapping[str, Array], tags: Mapping[str, Array]) -> list[Loop]:
    """Loops of a plane mesh, the outer one first.

    Raises DomainError for inverted cells, a mesh that touches itself in a node, and one in several pieces.
    """
    edges = _boundary_edges(points, cells)
    start = {int(a): k for k, a in enumerate(edges[:, 0])}
    if len(start) < len(edges):
        seen, counts = np.unique(edges[:, 0], return_counts=True)
        node = int(seen[counts.argmax()])
        raise DomainError(f"the boundary touches itself in node {node} at {points[node]}; part the mesh there")
    left, loops = np.ones(len(edges), dtype=bool), []
    while left.any():
        k, order = int(left.argmax()), []
        while left[k]:
            left[k] = False
            order.append(k)
            k = start[int(edges[k, 1])]
        loops.append(_cut(edges[order], points, tags))
    loops.sort(key=lambda loop: -loop.area)
    if sum(loop.area > 0 for loop in loops) != 1:
        raise DomainError(
            f"the mesh has {sum(loop.area > 0 for loop in loops)} outer boundaries; give a mesh of one connected piece"
        )
    return loops


def moments(polygon: Array) -> tuple[Array, Array]:
    """Centre (2,) of the enclosed area, and the symmetric matrix S of the ellipse x = c + S (cos, sin) like it."""
    x, y = polygon, np.roll(polygon, -1, axis=0)
    cross = x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]
    center = (cross[:, None] * (x + y)).sum(0) / (3 * cross.sum())
    x, y = x - center, y - center
    cross = x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]
    both = np.einsum("n,ni,nj->ij", cross, x, y)
    second = (
        np.einsum("n,ni,nj->ij", cross, x, x) + np.einsum("n,ni,nj->ij", cross, y, y) + 0.5 * (both + both.T)
    ) / 12
    values, vectors = np.linalg.eigh(second / (cross.sum() / 2))
    return center, 2 * (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _boundary_edges(points: Array, cells: Mapping[str, Array]) -> Array:
    """Sides (e, 3) of one cell only, counter-clockwise about it: start, end, middle or -1."""
    found = []
    for kind, nodes in oriented(points, cells).items():
        for side in sides(kind):
            middle = nodes[:, side[2]] if len(side) > 2 else np.full(len(nodes), -1)
            found.append(np.stack([nodes[:, side[0]], nodes[:, side[1]], middle], axis=1))
    edges = np.concatenate(found)
    directed, counts = np.unique(edges[:, 0] * len(points) + edges[:, 1], return_counts=True)
    if (counts > 1).any():
        a, b = divmod(int(directed[counts.argmax()]), len(points))
        raise DomainError(
            f"cells lie on top of each other at the side between nodes {a} and {b}; one is inverted: mend it"
        )
    key = np.sort(edges[:, :2], axis=1) @ np.array([len(points), 1])
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    return edges[np.sort(first[counts == 1])]


def _cut(edges: Array, points: Array, tags: Mapping[str, Array]) -> Loop:
    """A loop of sides as curves of equal tags."""
    present = edges >= 0
    names = sorted(tags)
    carries = np.stack(
        [(np.asarray(tags[n], dtype=bool)[edges] | ~present).all(1) for n in names] or [[False] * len(edges)]
    )
    changes = np.flatnonzero((carries != np.roll(carries, 1, axis=1)).any(0))
    place = points[edges]
    place[:, 2] = np.where(present[:, 2:], place[:, 2], place[:, :2].mean(1))

    def curve(index: Array, closed: bool) -> Curve:
        own = tuple(n for n, has in zip(names, carries[:, index[0]], strict=False) if has)
        return Curve(own, edges[index], place[index], closed)

    every = np.arange(len(edges))
    if not len(changes):
        return Loop((curve(every, True),))
    parts = np.split(np.roll(every, -changes[0]), changes[1:] - changes[0])
    return Loop(tuple(curve(part, False) for part in parts))


def split_at(curve: Curve, places: Sequence[int]) -> tuple[Curve, ...]:
    """A closed curve as open ones from the starts of these sides on; itself for none."""
    if not len(places):
        return (curve,)
    every = np.roll(np.arange(len(curve.edges)), -places[0])
    parts = np.split(every, np.asarray(places[1:]) - places[0])
    return tuple(Curve(curve.tags, curve.edges[p], curve.points[p], False) for p in parts)


def corners(curve: Curve, least: float) -> list[int]:
    """Sides of a closed curve at whose start it turns by more than `least` (radians)."""
    a, b, m = (curve.points[:, k] for k in range(3))
    begin, end = 4 * m - 3 * a - b, 3 * b + a - 4 * m
    before = np.roll(end, 1, axis=0)
    turn = np.arctan2(before[:, 0] * begin[:, 1] - before[:, 1] * begin[:, 0], (before * begin).sum(1))
    return [int(k) for k in np.flatnonzero(np.abs(turn) > least)]


def _increasing(function: Callable[[Array], Array], count: int) -> Array:
    """Zeros in 0..1 of functions that increase, by bisection."""
    low, high = np.zeros(count), np.ones(count)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = function(middle) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
