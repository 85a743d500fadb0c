"""The rectangular plates that a mesh of shells is made of, found from the mesh and its number of plate by cell alone.

A plate lies in a frame of its own: e1 along the mesh's longest plate (or nearest to that, or its own longer side where
it is square to it), e2 across, n its normal, each towards the larger coordinate, whatever the order of nodes in its
cells. So a panel and its mirror image have frames that are mirror images up to signs, and what a mirror does to a plate
is to turn around some of e1, e2 and n. Its sides are 0 (e1 low), 1 (e1 high), 2 (e2 low), 3 (e2 high); where another
plate meets it inside, that line is 4 (along e1) or 5 (along e2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.datasets import MeshSample
from surrogates.physics.errors import DomainError

Array = np.ndarray
SIDES = 6
_SAME = 1e-6  # of the longest side: places that are one


@dataclass(frozen=True, eq=False)
class MeshPlate:
    """One rectangle of a mesh.

    Args:
        number: of the plate in the mesh's cell field. axes: rows e1, e2, n. along, across: of the lines of nodes, from
            0, (rows,) and (columns,). nodes: (rows, columns). cells: (rows - 1, columns - 1).
        corner: (rows - 1, columns - 1, 2, 2) which corner of the cell is at its low or high end of e1 and e2.
        turned: (rows - 1, columns - 1) whether the cell's own normal is -n. lines: places on e2 of lines of kind 4.
    """

    number: int
    axes: Array
    along: Array
    across: Array
    nodes: Array
    cells: Array
    corner: Array
    turned: Array
    lines: tuple[float, ...] = ()

    @property
    def size(self) -> tuple[float, float]:
        """Length along e1 and width along e2."""
        return float(self.along[-1]), float(self.across[-1])

    def nodal(self, values: Array) -> Array:
        """Values (cells of the mesh, 4, 2) at corners on the outer and inner face -> (2, rows, columns), the face on
        the side of n first; cells that meet at a node have their mean."""
        own = values[self.cells]  # rows, columns, 4, 2
        own = np.where(self.turned[..., None, None], own[..., ::-1], own)
        total, count = np.zeros((2, *self.nodes.shape)), np.zeros(self.nodes.shape)
        rows, columns = self.cells.shape
        for a in (0, 1):
            for b in (0, 1):
                here = (slice(a, a + rows), slice(b, b + columns))
                picked = np.take_along_axis(own, self.corner[..., a, b][..., None, None], axis=2)[:, :, 0]
                total[(slice(None), *here)] += np.moveaxis(picked, -1, 0)
                count[here] += 1
        return total / count

    def side(self, side: int) -> Array:
        """Nodes of a side, ends included."""
        found: Array = (self.nodes[0], self.nodes[-1], self.nodes[:, 0], self.nodes[:, -1])[side]
        return found


@dataclass(frozen=True, eq=False)
class Contacts:
    """Which plates share a line, both ways: senders and receivers (e,), the line on each (e, 2), its place between 0
    and 1 on a line inside (e, 2), and on which side of the other's plane each lies, along its n (e, 2)."""

    senders: Array
    receivers: Array
    lines: Array
    places: Array
    above: Array


def find_plates(sample: MeshSample, field: str = "plate") -> tuple[MeshPlate, ...]:
    """The plates of a mesh of quadrilaterals in space, in the order of their numbers.

    Raises DomainError for other cells, a missing cell field, plates that are not rectangles of rows and columns.
    """
    if set(sample.cells) != {"quad"} or sample.dim != 3:
        raise DomainError(
            f"the mesh has {', '.join(sample.cells)} cells in {sample.dim} dimensions; give quads in space"
        )
    if field not in sample.cell_fields:
        raise DomainError(
            f"the mesh has no cell field {field!r}, the number of the plate of each cell; it has "
            f"{', '.join(sample.cell_fields) or 'none'}"
        )
    quads = sample.cells["quad"]
    numbers = np.asarray(sample.cell_fields[field]["quad"]).ravel()
    points = np.asarray(sample.points)
    cells = {int(n): np.flatnonzero(numbers == n) for n in np.unique(numbers)}
    frames = _frames([(points[quads[own[0]]], points[np.unique(quads[own])]) for own in cells.values()])
    plates = [_plate(points, quads, own, n, axes) for (n, own), axes in zip(cells.items(), frames, strict=True)]
    return tuple(_with_lines(plates))


def contacts(plates: Sequence[MeshPlate], points: Array) -> Contacts:
    """Lines on which plates meet, a whole line of nodes of either."""
    sets = [np.unique(p.nodes) for p in plates]
    middles = [points[s].mean(axis=0) for s in sets]
    owners: dict[int, list[int]] = {}
    for k, nodes in enumerate(sets):
        for node in nodes.tolist():
            owners.setdefault(node, []).append(k)
    pairs = {(a, b) for them in owners.values() if len(them) > 1 for a in them for b in them if a != b}
    found = []
    for a, b in sorted(pairs, key=lambda p: (p[1], p[0])):
        shared = np.intersect1d(sets[a], sets[b], assume_unique=True)
        if len(shared) < 2:
            continue
        (mine, here), (other, there) = _line(plates[a], shared), _line(plates[b], shared)
        apart = middles[a] - middles[b]
        unit = np.linalg.norm(apart)
        above = [
            np.sign(np.rint(8 * (axis @ d) / unit))
            for axis, d in ((plates[a].axes[2], -apart), (plates[b].axes[2], apart))
        ]
        found.append((a, b, mine, other, here, there, *above))
    table = np.array(found, dtype=float).reshape(-1, 8)
    whole = table[:, :4].astype(np.int64)
    return Contacts(whole[:, 0], whole[:, 1], whole[:, 2:4], table[:, 4:6], table[:, 6:8])


def _frames(parts: Sequence[tuple[Array, Array]]) -> list[Array]:
    """e1, e2, n of plates, each told by the corners of a cell (4, 3) and all its nodes."""
    found, sizes = [], []
    for corners, nodes in parts:
        normal = _towards(np.cross(corners[2] - corners[0], corners[3] - corners[1]))
        first = _towards(corners[1] + corners[2] - corners[0] - corners[3])
        axes = np.stack([first, _towards(np.cross(normal, first)), normal])
        found.append(axes)
        sizes.append(np.ptp(nodes @ axes[:2].T, axis=0))
    plate, side = np.unravel_index(np.argmax(np.round(sizes, 9)), (len(sizes), 2))
    longest = found[plate][side]
    for k, (axes, size) in enumerate(zip(found, sizes, strict=True)):
        one, two = np.abs(axes[:2] @ longest)
        if two > one + _SAME or (abs(two - one) <= _SAME and size[1] > size[0]):
            found[k] = axes[[1, 0, 2]]
    return found


def _plate(points: Array, quads: Array, cells: Array, number: int, axes: Array) -> MeshPlate:
    corners = points[quads[cells]]
    nodes = np.unique(quads[cells])
    place = (points[nodes] - points[nodes].mean(axis=0)) @ axes.T
    size = np.ptp(place, axis=0)[:2].max()
    (along, i), (across, j) = _lines(place[:, 0], size), _lines(place[:, 1], size)
    grid = np.full((len(along), len(across)), -1)
    grid[i, j] = nodes
    whole = len(nodes) == grid.size and len(cells) == (len(along) - 1) * (len(across) - 1) and (grid >= 0).all()
    if not whole or np.abs(place[:, 2]).max() > _SAME * size:
        raise DomainError(
            f"plate {number} has {len(nodes)} nodes in {len(along)} rows and {len(across)} columns; a plate is a flat "
            "rectangle meshed by whole rows and columns, so give others numbers of their own"
        )
    where = np.zeros((nodes.max() + 1, 2), dtype=np.int64)
    where[nodes] = np.stack([i, j], axis=1)
    at = where[quads[cells]]  # (cells, 4, 2)
    low = at.min(axis=1)
    number_of, corner = np.zeros((len(along) - 1, len(across) - 1), dtype=np.int64), np.zeros((2, 2), dtype=np.int64)
    corner = np.zeros((*number_of.shape, 2, 2), dtype=np.int64)
    number_of[low[:, 0], low[:, 1]] = cells
    for c in range(4):
        end = at[:, c] - low
        corner[low[:, 0], low[:, 1], end[:, 0], end[:, 1]] = c
    turned = np.zeros(number_of.shape, dtype=bool)
    turned[low[:, 0], low[:, 1]] = (
        np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]) @ axes[2]
    ) < 0
    return MeshPlate(number, axes, along - along[0], across - across[0], grid, number_of, corner, turned)


def _with_lines(plates: Sequence[MeshPlate]) -> list[MeshPlate]:
    """The same plates, told where others meet them inside."""
    owners: dict[int, set[int]] = {}
    for k, plate in enumerate(plates):
        for node in np.unique(plate.nodes).tolist():
            owners.setdefault(node, set()).add(k)
    found = []
    for k, plate in enumerate(plates):
        inside = plate.nodes[:, 1:-1]
        others = np.array([[len(owners[node] - {k}) > 0 for node in row] for row in inside.tolist()], dtype=bool)
        lines = np.flatnonzero(others.reshape(inside.shape).all(axis=0)) + 1
        made = MeshPlate(**{**plate.__dict__, "lines": tuple(float(plate.across[c]) for c in lines)})
        found.append(made)
    return found


def _line(plate: MeshPlate, shared: Array) -> tuple[int, float]:
    """Which line of the plate the shared nodes are, and its place from 0 to 1 across."""
    i, j = np.nonzero(np.isin(plate.nodes, shared))
    rows, columns = plate.nodes.shape
    if len(set(j.tolist())) == 1:
        inside = 0 < j[0] < columns - 1
        return (4, float(plate.across[j[0]] / plate.across[-1])) if inside else (2 if j[0] == 0 else 3, 0.0)
    if len(set(i.tolist())) == 1:
        inside = 0 < i[0] < rows - 1
        return (5, float(plate.along[i[0]] / plate.along[-1])) if inside else (0 if i[0] == 0 else 1, 0.0)
    raise DomainError(
        f"plate {plate.number} shares nodes with another that are no single line; cut it at the other's ends"
    )


def _towards(vector: Array) -> Array:
    """Unit vector with a positive largest component."""
    unit = vector / np.linalg.norm(vector)
    found: Array = unit * np.sign(unit[np.argmax(np.abs(unit))])
    return found


def _lines(place: Array, size: float) -> tuple[Array, Array]:
    """Distinct coordinates in rising order, and which of them each place is."""
    order = np.argsort(place, kind="stable")
    new = np.diff(place[order], prepend=-np.inf) > _SAME * size
    which = np.empty(len(place), dtype=np.int64)
    which[order] = np.cumsum(new) - 1
    return place[order][new], which
