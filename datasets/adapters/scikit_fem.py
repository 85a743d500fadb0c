"""Meshes of scikit-fem as samples: nodes of cells in VTK's order, counter-clockwise, boundaries as sets of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from skfem import MeshTet1, MeshTet2, MeshTri1, MeshTri2

from surrogates.datasets.mesh_sample import MeshSample
from surrogates.physics.errors import DomainError

_KINDS = {MeshTri1: "triangle", MeshTri2: "triangle6", MeshTet1: "tetra", MeshTet2: "tetra10"}
# scikit-fem sorts the corners of a cell; this exchange of two turns it over, middles (01 12 20, 03 13 23) included
_TURNED = {
    "triangle": [0, 2, 1],
    "triangle6": [0, 2, 1, 5, 4, 3],
    "tetra": [0, 2, 1, 3],
    "tetra10": [0, 2, 1, 3, 6, 5, 4, 7, 9, 8],
}


def from_skfem(mesh: Any, **known: Any) -> MeshSample:
    """A triangle or tetrahedron mesh of scikit-fem, of first or second order.

    Nodes are in the order of `doflocs`, so fields at the mesh's nodes stay as they are; named boundaries become
    tags.

    Args:
        known: what else the sample has, such as fields=, parameters=, units=.
    Raises DomainError for other kinds of meshes.
    """
    kind = _KINDS.get(type(mesh))
    if kind is None:
        raise DomainError(
            f"a {type(mesh).__name__} cannot be taken; give one of {', '.join(k.__name__ for k in _KINDS)}"
        )
    points = np.ascontiguousarray(mesh.doflocs.T, dtype=np.float64)
    cells = np.asarray(mesh.t, dtype=np.int64).T
    vertices = mesh.p.shape[1] if kind in ("triangle", "tetra") else int(cells.max()) + 1
    if kind in ("triangle6", "tetra10"):
        sides = np.asarray(mesh.t2f if kind == "triangle6" else mesh.t2e, dtype=np.int64).T
        cells = np.concatenate([cells, vertices + sides], axis=1)
    edges = points[cells[:, 1 : points.shape[1] + 1]] - points[cells[:, :1]]
    cells = np.where((np.linalg.det(edges) < 0)[:, None], cells[:, _TURNED[kind]], cells)
    tags = {str(name): _nodes(mesh, kind, facets, vertices, len(points)) for name, facets in _boundaries(mesh).items()}
    return MeshSample(points, {kind: np.ascontiguousarray(cells)}, tags=tags, **known)


def _boundaries(mesh: Any) -> Mapping[str, np.ndarray]:
    return dict(mesh.boundaries or {})


def _nodes(mesh: Any, kind: str, facets: np.ndarray, vertices: int, count: int) -> np.ndarray:
    """Nodes on these facets, mid-sides too."""
    facets = np.asarray(facets, dtype=np.int64)
    found = np.zeros(count, dtype=bool)
    found[np.asarray(mesh.facets)[:, facets].ravel()] = True
    if kind == "triangle6":
        found[vertices + facets] = True
    if kind == "tetra10":
        corners = np.sort(np.asarray(mesh.facets)[:, facets], axis=0)
        ends = np.concatenate([corners[[0, 1]], corners[[1, 2]], corners[[0, 2]]], axis=1)
        known = np.sort(np.asarray(mesh.edges, dtype=np.int64), axis=0)
        keys = known[0] * vertices + known[1]
        found[vertices + np.flatnonzero(np.isin(keys, ends[0].astype(np.int64) * vertices + ends[1]))] = True
    return found
