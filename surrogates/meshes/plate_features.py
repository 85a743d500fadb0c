"""What a vertex of a plate graph is told of its plate, and an edge of the line where two plates meet; all numbers.

Lengths are taken in units of the panel's longest plate and pressures in units of its largest: stresses of a linear
panel do not change when both scale. A mirror across a coordinate plane swaps what is told of low and high ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.datasets import MeshSample
from surrogates.meshes.plates import SIDES, Contacts, MeshPlate
from surrogates.physics.errors import DomainError

Array = np.ndarray
KINDS = ("plating", "web", "flange")


@dataclass(frozen=True, eq=False)
class PlateFeatures:
    """Numbers of the plates of one panel.

    Args:
        fixed: (plates, k) what no mirror changes: logarithms of sizes, material, kind, directions of e1 and n.
        ends: (plates, 3, 2) distance d of the plate's middle from the panel's ends along x, y, z, as d / (d + 1).
        load: (plates, rows, columns) mean pressure along n on blocks of the plate.
        sides: (plates, 4, 6) how much of each side is held: displacements, then rotations, along e1, e2, n.
        axes: (plates, 3, 3) e1, e2, n. pressure: the unit of pressure. length: that of lengths.
    """

    fixed: Array
    ends: Array
    load: Array
    sides: Array
    axes: Array
    pressure: float
    length: float

    def told(self, mirrors: Sequence[int] = ()) -> Array:
        """(plates, features), as they are in a panel mirrored across the given axes of space."""
        turned = turned_axes(self.axes, mirrors)
        ends, load, sides = self.ends.copy(), self.load, self.sides
        ends[:, list(mirrors)] = ends[:, list(mirrors), ::-1]
        one, two, three = (turned[:, k, None, None] for k in range(3))
        load = np.where(one, load[:, ::-1], load)
        load = np.where(two, load[:, :, ::-1], load)
        load = np.where(three, -load, load)
        sides = np.where(one, sides[:, [1, 0, 2, 3]], sides)
        sides = np.where(two, sides[:, [0, 1, 3, 2]], sides)
        parts = [self.fixed, *(a.reshape(len(a), -1) for a in (ends, load, sides))]
        return np.concatenate(parts, axis=1)


def plate_features(
    sample: MeshSample, plates: Sequence[MeshPlate], blocks: tuple[int, int], fixed: str = "fixed"
) -> PlateFeatures:
    """Of a mesh with cell fields "thickness" and "pressure" (along the cell's own normal), node field `fixed`
    (nodes, 6), cell tags of KINDS and parameters young and poisson.

    Raises DomainError for what is missing, and for a panel without any pressure.
    """
    _present(sample, fixed)
    thickness, pressure = (np.asarray(sample.cell_fields[name]["quad"]).ravel() for name in ("thickness", "pressure"))
    unit = float(np.abs(pressure).max())
    if not unit > 0:
        raise DomainError("there is no pressure on this panel, so no stress; load it")
    length = max(max(p.size) for p in plates)
    low, high = sample.points.min(axis=0), sample.points.max(axis=0)
    tags = [np.asarray(sample.cell_tags.get(kind, {}).get("quad", np.zeros(len(thickness), bool))) for kind in KINDS]
    numbers, ends, load, sides = [], [], [], []
    held = np.asarray(sample.fields[fixed], dtype=float)
    for p in plates:
        own = p.cells.ravel()
        a, b, t = p.size[0] / length, p.size[1] / length, float(thickness[own].mean()) / length
        kind = [float(tag[own].mean()) for tag in tags]
        directions = np.abs(p.axes[[0, 2]]).ravel()
        numbers.append(
            [np.log(a), np.log(b), np.log(t), np.log(t / b), sample.parameters["poisson"], *kind, *directions]
        )
        middle = sample.points[p.nodes].reshape(-1, 3)
        middle = (middle.min(axis=0) + middle.max(axis=0)) / 2
        apart = np.stack([middle - low, high - middle], axis=1) / length
        ends.append(apart / (apart + 1))
        along = np.where(p.turned, -1.0, 1.0) * pressure[p.cells] / unit
        load.append(_blocks(p.along, blocks[0]) @ along @ _blocks(p.across, blocks[1]).T)
        turn = p.axes**2
        rows = [held[_inner(p.side(side))].mean(axis=0).reshape(2, 3) @ turn.T for side in range(4)]
        sides.append(np.stack(rows).reshape(4, 6))
    return PlateFeatures(
        np.array(numbers),
        np.stack(ends),
        np.stack(load),
        np.stack(sides),
        np.stack([p.axes for p in plates]),
        unit,
        length,
    )


def contact_features(found: Contacts, axes: Array, mirrors: Sequence[int] = ()) -> Array:
    """(edges, features) of the lines where plates meet: which line of the sender and of the receiver, its place, and
    on which side of the other's plane each plate lies."""
    turned = turned_axes(axes, mirrors)
    parts = []
    for end, who in enumerate((found.senders, found.receivers)):
        line, place, above = found.lines[:, end], found.places[:, end], found.above[:, end]
        one, two, three = turned[who].T
        line = np.where(one & (line < 2), 1 - line, line)
        line = np.where(two & ((line == 2) | (line == 3)), 5 - line, line)
        place = np.where((two & (line == 4)) | (one & (line == 5)), 1 - place, place)
        above = np.where(three, -above, above)
        parts += [np.eye(SIDES)[line], place[:, None], above[:, None]]
    return np.concatenate(parts, axis=1)


def turned_axes(axes: Array, mirrors: Sequence[int]) -> Array:
    """(plates, 3) which of e1, e2, n are turned around by mirrors across axes of space, DomainError if slanted."""
    along = np.abs(axes)
    if len(mirrors) and not np.all((along < 1e-6) | (along > 1 - 1e-6)):
        raise DomainError(
            "a plate is not along the axes of space, so no mirror across them keeps its frame; mirrors=()"
        )
    found: Array = (along > 0.5)[:, :, list(mirrors)].sum(axis=2) % 2 == 1
    return found


def _present(sample: MeshSample, fixed: str) -> None:
    for name in ("thickness", "pressure"):
        if name not in sample.cell_fields:
            known = ", ".join(sample.cell_fields) or "none"
            raise DomainError(f"the mesh has no cell field {name!r}, which a plate graph needs; it has {known}")
    if fixed not in sample.fields or np.shape(sample.fields[fixed])[1:] != (6,):
        raise DomainError(
            f"the mesh has no field {fixed!r} of six numbers a node, 1 where displacements and rotations are held; it "
            f"has {', '.join(sample.fields) or 'none'}"
        )
    if "poisson" not in sample.parameters:
        raise DomainError("the mesh has no parameter 'poisson'; name the material's ratio")


def _inner(nodes: Array) -> Array:
    """Of a side without its ends, which belong to other sides too."""
    return nodes[1:-1] if len(nodes) > 2 else nodes


def _blocks(ends: Array, count: int) -> Array:
    """(count, cells) share of each of `count` equal blocks that the cells between `ends` fill."""
    edges = np.linspace(0, ends[-1], count + 1)
    low, high = np.maximum(edges[:-1, None], ends[:-1]), np.minimum(edges[1:, None], ends[1:])
    found: Array = np.clip(high - low, 0, None) * count / ends[-1]
    return found
