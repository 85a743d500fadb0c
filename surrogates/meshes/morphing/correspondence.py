"""Which boundary point of a sample belongs to which boundary node of the common mesh.

Curves between two changes of tags (the left side of a plate) correspond by arc length, closed ones (a hole) by the
angle about their centre once the ellipse of equal moments is made round: for elliptic holes the points are then linear
in the centre and in the symmetric matrix of the half axes, whatever the direction they point in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment

from surrogates.meshes.morphing.boundary import Curve, Loop, boundary, corners, moments, split_at
from surrogates.physics.errors import DomainError

Array = np.ndarray
WAYS = ("angle", "arc_length")
_CORNER = np.radians(40)
_BISECTIONS = 48


class Correspondence:
    """Boundary nodes `nodes` (b,) of a common mesh, and their images on the boundary of any sample of its topology.

    Args:
        points, cells, tags: the common mesh. closed: "angle" or "arc_length" (from the direction of x on) along closed
            curves; "angle" needs curves that are seen whole from their centre.
    Raises DomainError for a mesh without a proper boundary.
    """

    def __init__(
        self, points: Array, cells: Mapping[str, Array], tags: Mapping[str, Array], *, closed: str = "angle"
    ) -> None:
        if closed not in WAYS:
            raise DomainError(f"closed={closed!r}; give one of {', '.join(WAYS)}")
        self.closed = closed
        self.loops = [_cornered(loop, closed) for loop in boundary(points, cells, tags)]
        self.parts: list[list[tuple[Array, Array]]] = []  # by loop, by curve: nodes and their parameters
        for loop in self.loops:
            self.parts.append([self._parameters(loop, curve) for curve in loop.curves])
        stacked = np.concatenate([nodes for part in self.parts for nodes, _ in part])
        self.nodes, self._first = np.unique(stacked, return_index=True)
        curves = [
            (c, nodes)
            for loop, part in zip(self.loops, self.parts, strict=True)
            for c, (nodes, _) in zip(loop.curves, part, strict=True)
        ]
        held = np.concatenate([np.full(len(nodes), not c.closed) for c, nodes in curves])
        self.steady = held[self._first]  # those whose images turn with the mesh: arc length between changes of tags

    def __call__(self, points: Array, cells: Mapping[str, Array], tags: Mapping[str, Array]) -> Array:
        """Images (b, 2) of `nodes` on the boundary of another mesh.

        Raises DomainError where its loops or their tags are not those of the common mesh.
        """
        loops = self.matched(points, cells, tags)
        found = [
            self._images(loop, curve, parameters)
            for loop, part in zip(loops, self.parts, strict=True)
            for curve, (_, parameters) in zip(loop.curves, part, strict=True)
        ]
        return np.concatenate(found)[self._first]

    def matched(self, points: Array, cells: Mapping[str, Array], tags: Mapping[str, Array]) -> list[Loop]:
        """Loops of another mesh in the order of the common mesh's, each from the corresponding curve on."""
        return self._matched([_cornered(loop, self.closed) for loop in boundary(points, cells, tags)])

    def origin(self, loop: Loop) -> float:
        """Fraction of the length of a loop of one closed curve where arc length is counted from; 0 of open curves."""
        return _Angles(loop, loop.curves[0]).origin() if loop.curves[0].closed else 0.0

    def _parameters(self, loop: Loop, curve: Curve) -> tuple[Array, Array]:
        nodes, edge, t = curve.nodes()
        if not curve.closed:
            return nodes, curve.fraction(edge, t)
        seen = _Angles(loop, curve)
        if self.closed == "angle":
            return nodes, seen.of(edge, t)
        return nodes, (curve.fraction(edge, t) - seen.origin()) % 1.0

    def _images(self, loop: Loop, curve: Curve, parameters: Array) -> Array:
        if not curve.closed:
            return curve.at_length(parameters)
        seen = _Angles(loop, curve)
        if self.closed == "angle":
            return seen.at(parameters)
        return curve.at_length((parameters + seen.origin()) % 1.0)

    def _matched(self, loops: list[Loop]) -> list[Loop]:
        if len(loops) != len(self.loops):
            raise DomainError(
                f"the holes do not fit the morph: this mesh has {len(loops) - 1}, the common mesh "
                f"{len(self.loops) - 1}; give meshes with as many holes, or train on such ones alone"
            )
        frames = [_frame(mine[0].polygon) for mine in (self.loops, loops)]
        kinds = [[sorted(loop.names) for loop in mine] for mine in (self.loops, loops)]
        found = [loops[0]]
        if len(loops) > 1:
            ours = np.array([frames[0](loop.center) for loop in self.loops[1:]])
            theirs = np.array([frames[1](loop.center) for loop in loops[1:]])
            cost = np.linalg.norm(ours[:, None] - theirs, axis=-1)
            other = np.array([[a != b for b in kinds[1][1:]] for a in kinds[0][1:]])
            found += [loops[1 + k] for k in linear_sum_assignment(cost + 1e6 * other)[1]]
        return [_aligned(mine, loop, *frames) for mine, loop in zip(self.loops, found, strict=True)]


@dataclass(frozen=True)
class _Angles:
    """Angles of a closed curve about the centre of its loop, in the frame that makes its ellipse round."""

    loop: Loop
    curve: Curve

    @cached_property
    def frame(self) -> tuple[Array, Array]:
        center, axes = moments(self.loop.polygon)
        return center, np.linalg.inv(axes)

    @cached_property
    def starts(self) -> Array:
        """At the starts of the sides and the end of the last, growing along the curve, (e + 1,)."""
        count = len(self.curve.edges)
        edge, t = np.repeat(np.arange(count), 4), np.tile(np.arange(4) / 4, count)
        turn = np.angle(np.exp(1j * np.diff(self._raw(edge, t), append=self._raw(edge[:1], t[:1])))) * self.sense
        if (turn <= 0).any():
            raise DomainError(
                f"the closed curve {self.curve.name!r} is not seen whole from its centre {self.loop.center.round(4)}, "
                'so angles do not tell its points apart; give closed="arc_length"'
            )
        first = float(self._raw(edge[:1], t[:1])[0]) * self.sense
        return first + np.concatenate([[0.0], np.cumsum(turn.reshape(-1, 4).sum(1))])

    @property
    def sense(self) -> float:
        """-1 for holes, which are walked clockwise."""
        return 1.0 if self.loop.area > 0 else -1.0

    def of(self, edge: Array, t: Array) -> Array:
        """Of points on sides."""
        return self._raw(edge, t)

    def at(self, angles: Array) -> Array:
        """The points (n, 2) at angles."""
        wanted = self.starts[0] + (angles * self.sense - self.starts[0]) % (2 * np.pi)
        edge = np.clip(np.searchsorted(self.starts, wanted, side="right") - 1, 0, len(self.curve.edges) - 1)
        low, high = np.zeros(len(edge)), np.ones(len(edge))
        for _ in range(_BISECTIONS):
            t = (low + high) / 2
            ahead = np.angle(np.exp(1j * (self._raw(edge, t) * self.sense - wanted))) > 0
            low, high = np.where(ahead, low, t), np.where(ahead, t, high)
        return self.curve.position(edge, (low + high) / 2)

    def origin(self) -> float:
        """Fraction of the length at the outermost crossing of the ray along x from the centre."""
        count = len(self.curve.edges)
        edge, t = np.repeat(np.arange(count), 4), np.tile(np.arange(4) / 4, count)
        center, turn = self.frame
        local = (self.curve.position(edge, t) - center) @ turn.T
        after = np.roll(local, -1, axis=0)
        crossing = (local[:, 1] * after[:, 1] <= 0) & (local[:, 1] != after[:, 1])
        share = np.where(crossing, local[:, 1] / np.where(crossing, local[:, 1] - after[:, 1], 1.0), 0.0)
        x = np.where(crossing, local[:, 0] + share * (after[:, 0] - local[:, 0]), -np.inf)
        best = int(x.argmax())
        return float(self.curve.fraction(edge[[best]], t[[best]] + share[[best]] / 4)[0])

    def _raw(self, edge: Array, t: Array) -> Array:
        center, turn = self.frame
        local = (self.curve.position(edge, t) - center) @ turn.T
        return np.arctan2(local[:, 1], local[:, 0])


def _cornered(loop: Loop, closed: str) -> Loop:
    """A closed curve without tags cut at its corners, so that corners of plates meet corners."""
    (first, *others) = loop.curves
    if others or first.tags or closed != "angle":
        return loop
    return Loop(split_at(first, corners(first, _CORNER)))


def _frame(polygon: Array) -> Callable[[Array], Array]:
    low, size = polygon.min(0), np.ptp(polygon, axis=0)
    return lambda x: (x - low) / size


def _aligned(mine: Loop, other: Loop, frame: Callable[[Array], Array], other_frame: Callable[[Array], Array]) -> Loop:
    """The other loop from the curve on that corresponds to our first one."""
    count = len(mine.curves)
    turns = [k for k in range(count) if other.turned(k).names == mine.names] if len(other.curves) == count else []
    if not turns:
        raise DomainError(
            f"the boundary does not fit the morph: its curves are {_list(other)}, those of the common mesh "
            f"{_list(mine)}; give the same tags in the same order, and as many corners where there are none"
        )
    ends = np.array([frame(c.points[0, 0]) for c in mine.curves])
    far = [
        np.square(np.array([other_frame(c.points[0, 0]) for c in other.turned(k).curves]) - ends).sum() for k in turns
    ]
    return other.turned(turns[int(np.argmin(far))])


def _list(loop: Loop) -> str:
    return ", ".join(c.name for c in loop.curves)
