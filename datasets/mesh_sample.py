"""One mesh with its fields, loads and tags, as numpy arrays: what a data set of meshes hands out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from surrogates.physics.errors import DomainError

Array = np.ndarray
NODES = {
    "vertex": 1,
    "line": 2,
    "line3": 3,
    "triangle": 3,
    "triangle6": 6,
    "quad": 4,
    "quad8": 8,
    "quad9": 9,
    "tetra": 4,
    "tetra10": 10,
    "hexahedron": 8,
    "hexahedron20": 20,
    "wedge": 6,
    "pyramid": 5,
}
"""Nodes of a cell by its kind; kinds are named, and nodes ordered, as in meshio and VTK: corners, then mid-sides."""


@dataclass(frozen=True, eq=False)
class MeshSample:
    """A mesh and what is known on it.

    Args:
        points: coordinates, float64. cells: nodes of each cell (m, k), int64, by kind.
        fields: at nodes by name, (n, *components), or (times, n, *components) where `times` is given.
        cell_fields: by name, then by kind of cell, (m, *components). Loads, material and prescribed values are fields
            or parameters.
        tags: named sets of nodes, (n,) bool: a boundary, a support. cell_tags: of cells, by name, then by kind.
        parameters: numbers that belong to the whole mesh. times: of the frames, None for a steady problem.
        units: by name of a field or parameter, "points" for coordinates.
        group: samples of one non-empty group stay in one part of a split. row: place in the collection it came from.
    Raises DomainError for sizes that do not fit, cells of unknown kinds, and cells with nodes that there are not.
    """

    points: Float[np.ndarray, "n d"]
    cells: Mapping[str, Array]
    fields: Mapping[str, Array] = field(default_factory=dict)
    cell_fields: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    tags: Mapping[str, Array] = field(default_factory=dict)
    cell_tags: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    times: Array | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    row: int = -1

    def __post_init__(self) -> None:
        n = len(self.points)
        for kind, cells in self.cells.items():
            if kind not in NODES:
                raise DomainError(f"cells of kind {kind!r} are unknown; there are {', '.join(NODES)}")
            if cells.ndim != 2 or cells.shape[1] != NODES[kind] or not np.issubdtype(cells.dtype, np.integer):
                raise DomainError(f"cells {kind} have shape {cells.shape}; give whole numbers (m, {NODES[kind]})")
            if cells.size and not 0 <= cells.min() <= cells.max() < n:
                raise DomainError(f"cells {kind} name node {cells.max()}; the mesh has nodes 0 to {n - 1}")
        for name, values in (*self.fields.items(), *self.tags.items()):
            lead = values.shape[:2] if self.times is not None and name in self.fields else values.shape[:1]
            expected = (len(self.times), n) if self.times is not None and name in self.fields else (n,)
            if lead != expected:
                raise DomainError(f"{name} has shape {values.shape}; give {expected} and components")
        for name, kinds in (*self.cell_fields.items(), *self.cell_tags.items()):
            for kind, values in kinds.items():
                if kind not in self.cells or len(values) != len(self.cells[kind]):
                    there = len(self.cells.get(kind, ()))
                    raise DomainError(f"{name} has {len(values)} values on {kind} cells; the mesh has {there}")

    def __len__(self) -> int:
        return len(self.points)

    @property
    def dim(self) -> int:
        """Coordinates of a point."""
        return int(self.points.shape[1])

    @property
    def unused(self) -> Array:
        """Nodes that belong to no cell."""
        used = np.zeros(len(self.points), dtype=bool)
        for cells in self.cells.values():
            used[cells.ravel()] = True
        return np.flatnonzero(~used)

    def edges(self) -> tuple[Array, Array]:
        """Neighbours as compressed rows: senders (e,), and where each receiver's begin (n + 1,), int64.

        Two nodes are neighbours that share a side of a cell; both ways, without repetitions, sorted by receiver.
        """
        pairs = [cells[:, list(side)] for kind, cells in self.cells.items() for side in _SIDES[kind]]
        both = np.concatenate([p for pair in pairs for p in (pair, pair[:, ::-1])]) if pairs else np.empty((0, 2), int)
        n = max(1, len(self.points))
        keys = np.unique(both[:, 0].astype(np.int64) * n + both[:, 1])
        receivers = keys // n
        return keys % n, np.searchsorted(receivers, np.arange(len(self.points) + 1)).astype(np.int64)


def _ring(corners: int, *, middles: bool = False) -> tuple[tuple[int, int], ...]:
    """Sides of a polygon, each cut in two by its middle where there is one."""
    sides = [(k, (k + 1) % corners) for k in range(corners)]
    if not middles:
        return tuple(sides)
    return tuple(p for k, (a, b) in enumerate(sides) for p in ((a, corners + k), (corners + k, b)))


_TETRA = ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))
_HEXAHEDRON = (*_ring(4), *((a + 4, b + 4) for a, b in _ring(4)), *((k, k + 4) for k in range(4)))
_SIDES: dict[str, tuple[tuple[int, int], ...]] = {
    "vertex": (),
    "line": ((0, 1),),
    "line3": ((0, 2), (2, 1)),
    "triangle": _ring(3),
    "triangle6": _ring(3, middles=True),
    "quad": _ring(4),
    "quad8": _ring(4, middles=True),
    "quad9": (*_ring(4, middles=True), *((k, 8) for k in range(4, 8))),
    "tetra": _TETRA,
    "tetra10": tuple(p for k, (a, b) in enumerate(_TETRA) for p in ((a, 4 + k), (4 + k, b))),
    "hexahedron": _HEXAHEDRON,
    "hexahedron20": tuple(p for k, (a, b) in enumerate(_HEXAHEDRON) for p in ((a, 8 + k), (8 + k, b))),
    "wedge": (*_ring(3), *((a + 3, b + 3) for a, b in _ring(3)), *((k, k + 3) for k in range(3))),
    "pyramid": (*_ring(4), *((k, 4) for k in range(4))),
}
