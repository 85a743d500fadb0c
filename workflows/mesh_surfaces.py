"""The part of a mesh that one sees: triangles in the plane of the page, and what of the geometry errors may follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.datasets.mesh_sample import Array, MeshSample

_TRI, _TRI6 = ((0, 1, 2),), ((0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5))
_QUAD, _QUAD8 = ((0, 1, 2), (0, 2, 3)), ((0, 4, 7), (4, 1, 5), (5, 2, 6), (6, 3, 7), (4, 5, 6), (4, 6, 7))
_QUAD9 = tuple(t for k in range(4) for t in ((k, 4 + k, 8), (8, 4 + (k - 1) % 4, k)))
_FACES: dict[str, tuple[tuple[int, ...], ...]] = {
    "triangle": ((0, 1, 2),),
    "triangle6": ((0, 1, 2, 3, 4, 5),),
    "quad": ((0, 1, 2, 3),),
    "quad8": (tuple(range(8)),),
    "quad9": (tuple(range(9)),),
    "tetra": ((0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)),
    "tetra10": ((0, 2, 1, 6, 5, 4), (0, 1, 3, 4, 8, 7), (1, 2, 3, 5, 9, 8), (2, 0, 3, 6, 7, 9)),
    "hexahedron": ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)),
    "hexahedron20": (
        (0, 3, 2, 1, 11, 10, 9, 8),
        (4, 5, 6, 7, 12, 13, 14, 15),
        (0, 1, 5, 4, 8, 17, 12, 16),
        (1, 2, 6, 5, 9, 18, 13, 17),
        (2, 3, 7, 6, 10, 19, 14, 18),
        (3, 0, 4, 7, 11, 16, 15, 19),
    ),
    "wedge": ((0, 2, 1), (3, 4, 5), (0, 1, 4, 3), (1, 2, 5, 4), (2, 0, 3, 5)),
    "pyramid": ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)),
}
_SOLID = ("tetra", "tetra10", "hexahedron", "hexahedron20", "wedge", "pyramid")
_CUT = {3: _TRI, 6: _TRI6, 4: _QUAD, 8: _QUAD8, 9: _QUAD9}
_CORNERS = {3: 3, 6: 3, 4: 4, 8: 4, 9: 4}
_VIEW = np.array([[0.866, 0.5, 0.0], [-0.25, 0.433, 0.866], [-0.433, 0.75, -0.5]])
"""Rows: to the right, upwards, away from who looks; from above and aside."""


@dataclass(frozen=True)
class Surface:
    """What one sees of a mesh.

    Args:
        nodes: of the mesh that lie on it. points: where they are on the page (k, 2). triangles: of these nodes (m, 3),
            those further away first.
    """

    nodes: Array
    points: Array
    triangles: Array


def surface(sample: MeshSample) -> Surface:
    """The cells of a plane mesh, or the skin of a solid or a shell seen from above and aside."""
    faces = [face for kind, cells in sample.cells.items() if kind in _FACES for face in _faces(kind, cells)]
    cut = [face[:, list(t)] for face in faces for t in _CUT[face.shape[1]]]
    triangles = np.concatenate(cut) if cut else np.empty((0, 3), dtype=np.int64)
    nodes, flat = np.unique(triangles, return_inverse=True)
    triangles = flat.reshape(-1, 3)
    points = sample.points[nodes]
    if points.shape[1] == 3:
        points = points @ _VIEW.T
        triangles = triangles[np.argsort(-points[triangles, 2].mean(axis=1), kind="stable")]
    return Surface(nodes, np.ascontiguousarray(points[:, :2]), triangles)


def _faces(kind: str, cells: Array) -> list[Array]:
    """Faces of cells by number of nodes; of solids those that belong to one cell only."""
    found: dict[int, list[Array]] = {}
    for face in _FACES[kind]:
        found.setdefault(len(face), []).append(cells[:, list(face)])
    if kind not in _SOLID:
        return [np.concatenate(parts) for parts in found.values()]
    skin = []
    for size, parts in found.items():
        every = np.concatenate(parts)
        corners = np.sort(every[:, : _CORNERS[size]], axis=1)
        _, which, counts = np.unique(corners, axis=0, return_inverse=True, return_counts=True)
        skin.append(every[counts[which.ravel()] == 1])
    return skin


def geometry(sample: MeshSample, mass: Array) -> dict[str, float]:
    """Numbers that errors may follow: parameters, size of the domain, nodes, and how far each named set reaches.

    `mass` (n,) is the share of the domain that each node stands for.
    """
    found = {name: float(value) for name, value in sample.parameters.items()}
    found["size of the domain"] = float(mass.sum())
    found["nodes"] = float(len(sample))
    for name, marked in sample.tags.items():
        if np.asarray(marked).any():
            here = sample.points[np.asarray(marked)]
            found[f"extent of {name}"] = float(np.linalg.norm(here.max(axis=0) - here.min(axis=0)))
    return found
