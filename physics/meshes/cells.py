"""Cells of a mesh: their dimension, which way round they are, and whether they are folded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Array = np.ndarray
DIMENSION = {
    "vertex": 0,
    "line": 1,
    "line3": 1,
    "triangle": 2,
    "triangle6": 2,
    "quad": 2,
    "quad8": 2,
    "quad9": 2,
    "tetra": 3,
    "tetra10": 3,
    "hexahedron": 3,
    "hexahedron20": 3,
    "wedge": 3,
    "pyramid": 3,
}
TURNED = {
    "triangle": [0, 2, 1],
    "triangle6": [0, 2, 1, 5, 4, 3],
    "quad": [0, 3, 2, 1],
    "quad8": [0, 3, 2, 1, 7, 6, 5, 4],
    "quad9": [0, 3, 2, 1, 7, 6, 5, 4, 8],
    "tetra": [0, 2, 1, 3],
    "tetra10": [0, 2, 1, 3, 6, 5, 4, 7, 9, 8],
}
"""The nodes of a cell in the order that turns it over."""
_SIMPLICES = ("triangle", "triangle6", "tetra", "tetra10")
_MIDDLES = ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))
# neighbours along a cell's edges at each of its corners, right-handed
_FRAMES = {
    "quad": [(0, 1, 3), (1, 2, 0), (2, 3, 1), (3, 0, 2)],
    "hexahedron": [
        (0, 1, 3, 4),
        (1, 2, 0, 5),
        (2, 3, 1, 6),
        (3, 0, 2, 7),
        (4, 7, 5, 0),
        (5, 4, 6, 1),
        (6, 5, 7, 2),
        (7, 6, 4, 3),
    ],
    "wedge": [(0, 1, 2, 3), (1, 2, 0, 4), (2, 0, 1, 5), (3, 5, 4, 0), (4, 3, 5, 1), (5, 4, 3, 2)],
    "pyramid": [(0, 1, 3, 4), (1, 2, 0, 4), (2, 3, 1, 4), (3, 0, 2, 4)],
}
_FRAMES |= {"quad8": _FRAMES["quad"], "quad9": _FRAMES["quad"], "hexahedron20": _FRAMES["hexahedron"]}
_FLAT = 1e-12  # of the largest, below which a cell has no size


def orientations(points: Array, cells: Array, kind: str) -> Array:
    """det(dx/dxi) of cells (m, k) whose dimension is that of the points: (m, places), at nodes or at corners.

    All of one sign for a cell that is not folded; positive for one that is counter-clockwise or right-handed.
    """
    corners = points[cells]
    if kind in _SIMPLICES:
        return np.linalg.det(np.einsum("mkd,pkj->mpdj", corners, _slopes(kind, points.shape[1])))
    frames = np.array(_FRAMES[kind])
    edges = corners[:, frames[:, 1:]] - corners[:, frames[:, :1]]
    found: Array = np.linalg.det(edges)
    return found


def right_side_out(points: Array, cells: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Cells turned so that they are counter-clockwise or right-handed, and by kind those that are folded or flat.

    Files need not say which way round their cells are. A cell is folded where its sides cross, or where, turned right
    side out, it lies on the same side of a facet as its neighbour. Surfaces and lines in space are returned as given.
    """
    turned, bad = dict(cells), {}
    dim = points.shape[1]
    solid = {k: c for k, c in cells.items() if DIMENSION[k] == dim and len(c)}
    signs = {}
    for kind, nodes in solid.items():
        size = orientations(points, nodes, kind)
        flat = np.abs(size).max(1) <= _FLAT * np.abs(size).max()
        signs[kind] = np.where(size.sum(1) < 0, -1, 1)
        folded = (size * signs[kind][:, None]).min(1) <= 0
        bad[kind] = flat | folded
        if kind in TURNED:
            turned[kind] = np.where((signs[kind] < 0)[:, None], nodes[:, TURNED[kind]], nodes)
        elif len(set(signs[kind])) > 1:  # bricks are all given one way round, or some are inside out
            bad[kind] |= signs[kind] == -np.sign(signs[kind].sum() or 1)
    over = _overlapping({k: turned[k] for k in solid if k in TURNED})
    if any(marked.any() for marked in over.values()):
        meant = not any(marked.any() for marked in _overlapping({k: solid[k] for k in over}).values())
        majority = np.sign(sum(int(signs[k].sum()) for k in over)) or 1
        for kind, marked in over.items():  # of cells given consistently, those the other way round are folded over
            bad[kind] |= (signs[kind] != majority) if meant else marked
    return turned, {k: np.flatnonzero(marked) for k, marked in bad.items() if marked.any()}


def _overlapping(cells: Mapping[str, Array]) -> dict[str, Array]:
    """Cells with a facet that another one has in the same direction."""
    facets, owners, kinds = [], [], []
    for number, (kind, nodes) in enumerate(cells.items()):
        for facet in _facets(kind):
            facets.append(_directed(nodes[:, list(facet)]))
            owners.append(np.arange(len(nodes)))
            kinds.append(np.full(len(nodes), number))
    found = {kind: np.zeros(len(nodes), dtype=bool) for kind, nodes in cells.items()}
    for width in (2, 3):
        these = [k for k, f in enumerate(facets) if f.shape[1] == width]
        if not these:
            continue
        _, inverse, counts = np.unique(
            np.concatenate([facets[k] for k in these]), axis=0, return_inverse=True, return_counts=True
        )
        twice = counts[inverse.ravel()] > 1
        owner, which = np.concatenate([owners[k] for k in these]), np.concatenate([kinds[k] for k in these])
        for k, kind in enumerate(cells):
            found[kind][owner[twice & (which == k)]] = True
    return found


def _facets(kind: str) -> tuple[tuple[int, ...], ...]:
    if kind.startswith("triangle"):
        return (0, 1), (1, 2), (2, 0)
    if kind.startswith("quad"):
        return (0, 1), (1, 2), (2, 3), (3, 0)
    return (0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)


def _directed(facets: Array) -> Array:
    """Triangles rolled so that their lowest node comes first, which keeps their direction; lines as they are."""
    if facets.shape[1] == 2:
        return facets
    first = facets.argmin(axis=1)
    return np.stack([facets[np.arange(len(facets)), (first + k) % facets.shape[1]] for k in range(facets.shape[1])], 1)


def _slopes(kind: str, dim: int) -> Array:
    """Gradients of the shape functions at the nodes (one place for straight simplices), (places, k, dim)."""
    unit = np.vstack([-np.ones(dim), np.eye(dim)])  # of the barycentric coordinates
    if kind in ("triangle", "tetra"):
        return unit[None]
    middles = _MIDDLES[: 3 if dim == 2 else 6]
    places = np.concatenate([np.eye(dim + 1), [(np.eye(dim + 1)[a] + np.eye(dim + 1)[b]) / 2 for a, b in middles]])
    corner = (4 * places[:, :, None] - 1) * unit[None]
    middle = [4 * (places[:, [a]] * unit[b] + places[:, [b]] * unit[a]) for a, b in middles]
    return np.concatenate([corner, np.stack(middle, axis=1)], axis=1)
