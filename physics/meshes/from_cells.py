"""Nodes and six-node triangles of any file as a mesh of scikit-fem, and where its nodes went."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from skfem import MeshTri1, MeshTri2

from surrogates.physics.errors import DomainError

Array = np.ndarray


def mesh_of_triangles(points: Array, cells: Array, tags: Mapping[str, Array] | None = None) -> tuple[MeshTri2, Array]:
    """The mesh, and the node (nodes,) of the given ones that each of its nodes is: field[order] is in the mesh's order.

    Args:
        points: (n, 2). cells: (m, 6), corners then middles of sides 01, 12, 20, as in VTK; three corners (m, 3) get
            nodes at the middles of their sides, and the order then has two columns, the nodes whose mean each one is.
        tags: sets of nodes (n,) bool; sides of one cell whose nodes all belong to one are a boundary of its name.
    Raises DomainError for other cells, and nodes that belong to none.
    """
    cells = np.asarray(cells)
    if cells.ndim != 2 or cells.shape[1] not in (3, 6) or points.shape[1] != 2:
        raise DomainError(f"cells {cells.shape} and points {points.shape}; give triangles (m, 3) or (m, 6) in a plane")
    corners = np.unique(cells[:, :3])
    place = np.full(len(points), -1)
    place[corners] = np.arange(len(corners))
    straight = MeshTri1(points[corners].T.copy(), place[cells[:, :3]].T.copy())
    ends = corners[straight.facets].T  # (sides, 2)
    if cells.shape[1] == 6:
        middles = _middles(ends, cells, len(points))
        order = np.concatenate([corners, middles])
        if len(order) != len(points):
            raise DomainError(f"{len(points) - len(order)} nodes belong to no triangle; leave them out")
        nodes, marked = points[order], lambda tag: np.append(tag[ends], tag[middles][:, None], axis=1).all(axis=1)
    else:
        order = np.concatenate([np.stack([corners, corners], axis=1), ends])
        nodes, marked = points[order].mean(axis=1), lambda tag: tag[ends].all(axis=1)
    mesh = MeshTri2(nodes.T.copy(), straight.t, sort_t=False)
    rim = np.zeros(len(ends), dtype=bool)
    rim[straight.boundary_facets()] = True
    found = {name: np.flatnonzero(marked(np.asarray(tag, dtype=bool)) & rim) for name, tag in (tags or {}).items()}
    return mesh.with_boundaries({name: facets for name, facets in found.items() if len(facets)}), order


def _middles(ends: Array, cells: Array, count: int) -> Array:
    """The node in the middle of each side."""
    sides = np.concatenate([np.sort(cells[:, [a, b]], axis=1) for a, b in ((0, 1), (1, 2), (2, 0))])
    middles = cells[:, 3:].T.ravel()
    keys, wanted = sides[:, 0] * count + sides[:, 1], np.sort(ends, axis=1) @ np.array([count, 1])
    by = np.argsort(keys, kind="stable")
    return middles[by[np.searchsorted(keys, wanted, sorter=by)]]
