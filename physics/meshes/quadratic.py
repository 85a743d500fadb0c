"""Six-node triangles whose sides on holes follow the curve (isoparametric P2), for scikit-fem."""

from __future__ import annotations

import numpy as np
from skfem import MeshTri1, MeshTri2

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.outline import Ellipse, Plate
from surrogates.physics.meshes.triangulate import Integers, Triangulation


def quadratic(mesh: Triangulation, plate: Plate) -> MeshTri2:
    """The mesh with nodes at the middles of its sides, those on holes moved onto the curve.

    `doflocs` (2, nodes) has the vertices first, then a node for each facet; `boundaries` has facets by name.
    Raises DomainError where a moved node folds its triangle.
    """
    straight = MeshTri1(mesh.vertices.T.copy(), mesh.triangles.T.copy())
    facets = {name: _facets(straight, edges) for name, edges in mesh.edges.items()}
    nodes = MeshTri2.from_mesh(straight).doflocs.copy()
    count = len(mesh.vertices)
    for facet, edge, hole in zip(facets.get("hole", []), mesh.edges.get("hole", []), mesh.curves, strict=True):
        nodes[:, count + facet] = _on_curve(plate.holes[hole], mesh.vertices[edge])
    found = MeshTri2(nodes, straight.t, sort_t=False).with_boundaries(facets)
    corners = np.array([[0.0, 1, 0, 0.5, 0.5, 0], [0, 0, 1, 0, 0.5, 0.5]])
    if (found.mapping().detDF(corners) / straight.mapping().detDF(corners) <= 0).any():
        raise DomainError("a curved side folds its triangle; make `near` smaller")
    return found


def _facets(mesh: MeshTri1, edges: Integers) -> Integers:
    """Indices of the mesh's facets between these pairs of vertices."""
    size = mesh.p.shape[1]
    known = np.sort(mesh.facets, axis=0)
    keys, wanted = known[0] * size + known[1], np.sort(edges, axis=1) @ np.array([size, 1])
    order = np.argsort(keys)
    return order[np.searchsorted(keys, wanted, sorter=order)]


def _on_curve(hole: Ellipse, ends: np.ndarray) -> np.ndarray:
    """The point of the ellipse half way between two others in the parameter."""
    a, b = hole.parameter(ends)
    step = (b - a + np.pi) % (2 * np.pi) - np.pi
    return hole.point(np.array([a + step / 2]))[0]
