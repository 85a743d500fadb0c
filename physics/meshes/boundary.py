"""The border of a mesh: facets that belong to one cell only, and the shape that follows from counting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray
Facets = tuple[tuple[int, ...], ...]


def boundary_nodes(cells: Mapping[str, Array], nodes: int) -> Array:
    """Which nodes (nodes,) lie on the border of cells (m, k) by kind: of surfaces their rim, of solids their skin.

    Cells of the highest dimension that there are count. Nodes at the middles of sides are among them.
    """
    corners, members = _facets(cells)
    found = np.zeros(nodes, dtype=bool)
    if not members:
        return found
    _, which, counts = np.unique(corners, axis=0, return_inverse=True, return_counts=True)
    once = counts[which.ravel()] == 1
    begin = 0
    for block in members:
        found[block[once[begin : begin + len(block)]]] = True
        begin += len(block)
    return found


def euler_characteristic(cells: Mapping[str, Array]) -> int:
    """Vertices - edges + faces of a mesh of surfaces: 1 for a disk, one less for each hole; of others of its edges."""
    dimension = max((_DIMENSION[kind] for kind, c in cells.items() if len(c)), default=0)
    if dimension == 0:
        return 0
    bodies = {kind: np.asarray(c) for kind, c in cells.items() if len(c) and _DIMENSION[kind] == dimension}
    used = np.unique(np.concatenate([c[:, : _CORNERS[kind]].ravel() for kind, c in bodies.items()]))
    edges = np.concatenate([np.sort(c[:, list(pair)], axis=1) for k, c in bodies.items() for pair in _edges(k)])
    count = len(used) - len(np.unique(edges, axis=0))
    if dimension == 1:
        return int(count)
    if dimension == 2:
        return int(count + sum(len(c) for c in bodies.values()))
    faces = _facets(bodies)[0]
    return int(count + len(np.unique(faces, axis=0)) - sum(len(c) for c in bodies.values()))


def _facets(cells: Mapping[str, Array]) -> tuple[Array, list[Array]]:
    """Sorted corners of the facets of all cells, filled up with -1, and all nodes of each, kind by kind."""
    dimension = max((_DIMENSION[kind] for kind, c in cells.items() if len(c)), default=0)
    corners, members = [], []
    for kind, found in cells.items():
        if not len(found) or _DIMENSION[kind] != dimension or dimension == 0:
            continue
        for facet, count in _FACETS[kind]:
            nodes = np.asarray(found)[:, list(facet)]
            sharp = np.sort(nodes[:, :count], axis=1)
            corners.append(np.pad(sharp, ((0, 0), (0, 4 - count)), constant_values=-1))
            members.append(nodes)
    return (np.concatenate(corners) if corners else np.empty((0, 4), int)), members


def _edges(kind: str) -> list[tuple[int, int]]:
    """Pairs of corners that a side joins."""
    if _DIMENSION[kind] == 1:
        return [(0, 1)]
    rings = [facet[:count] for facet, count in _FACETS[kind]]
    if _DIMENSION[kind] == 2:
        return [(r[0], r[1]) for r in rings]
    pairs = {tuple(sorted((r[k], r[(k + 1) % len(r)]))) for r in rings for k in range(len(r))}
    return sorted(pairs)  # type: ignore[arg-type]


def _ring(n: int, *, middles: bool) -> list[tuple[tuple[int, ...], int]]:
    return [((k, (k + 1) % n, n + k) if middles else (k, (k + 1) % n), 2) for k in range(n)]


_TETRA = ((0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3))
_TETRA_MIDDLES = {(0, 1): 4, (1, 2): 5, (0, 2): 6, (0, 3): 7, (1, 3): 8, (2, 3): 9}
_BRICK = ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
_BRICK_SIDES = (
    *((k, (k + 1) % 4) for k in range(4)),
    *((k + 4, (k + 1) % 4 + 4) for k in range(4)),
    *((k, k + 4) for k in range(4)),
)
_BRICK_MIDDLES = {tuple(sorted(side)): 8 + k for k, side in enumerate(_BRICK_SIDES)}


def _with_middles(faces: Facets, middles: Mapping[Any, int]) -> list[tuple[tuple[int, ...], int]]:
    found = []
    for face in faces:
        sides = [tuple(sorted((face[k], face[(k + 1) % len(face)]))) for k in range(len(face))]
        found.append(((*face, *(middles[side] for side in sides)), len(face)))
    return found


_FACETS: dict[str, list[tuple[tuple[int, ...], int]]] = {
    "line": [((0,), 1), ((1,), 1)],
    "line3": [((0,), 1), ((1,), 1)],
    "triangle": _ring(3, middles=False),
    "triangle6": _ring(3, middles=True),
    "quad": _ring(4, middles=False),
    "quad8": _ring(4, middles=True),
    "quad9": _ring(4, middles=True),
    "tetra": [(face, 3) for face in _TETRA],
    "tetra10": _with_middles(_TETRA, _TETRA_MIDDLES),
    "hexahedron": [(face, 4) for face in _BRICK],
    "hexahedron20": _with_middles(_BRICK, _BRICK_MIDDLES),
    "wedge": [((0, 2, 1), 3), ((3, 4, 5), 3), ((0, 1, 4, 3), 4), ((1, 2, 5, 4), 4), ((2, 0, 3, 5), 4)],
    "pyramid": [((0, 3, 2, 1), 4), *(((k, (k + 1) % 4, 4), 3) for k in range(4))],
}
_CORNERS = {
    "line": 2,
    "line3": 2,
    "triangle": 3,
    "triangle6": 3,
    "quad": 4,
    "quad8": 4,
    "quad9": 4,
    "tetra": 4,
    "tetra10": 4,
    "hexahedron": 8,
    "hexahedron20": 8,
    "wedge": 6,
    "pyramid": 5,
}
_DIMENSION = {
    kind: 0 if kind == "vertex" else 1 if kind.startswith("line") else 2 if kind.startswith(("tri", "quad")) else 3
    for kind in ("vertex", *_CORNERS)
}
