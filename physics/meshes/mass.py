"""The mass matrix of a mesh, int phi_i phi_j, so that integrals of nodal fields do not depend on refinement.

Isoparametric elements, nodes ordered as in meshio and VTK. Lumped masses are the diagonal scaled to the cell's total
(Hinton, Rock and Zienkiewicz, A note on mass lumping and related processes in the finite element method,
doi:10.1002/eqe.4290040305): positive for every element, where sums of rows vanish at the corners of a six-node triangle
and are negative at those of a ten-node tetrahedron.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix

from surrogates.physics.errors import DomainError

Array = np.ndarray
_GAUSS = 4  # points along an axis: exact for P2 elements with straight sides, six-node triangles also with curved ones


def consistent_mass(points: Array, cells: Mapping[str, Array]) -> Any:
    """The mass matrix (nodes, nodes), sparse, of points (nodes, d) and cells (m, k) by kind.

    Cells of the highest dimension that there are count: lines at the border of triangles do not. Surfaces in space have
    their area. Raises DomainError for cells without extent, and for kinds that are unknown.
    """
    rows, columns, values = [], [], []
    for kind, nodes in _bodies(cells).items():
        nodes, found = _element_masses(points, kind, nodes)
        k = nodes.shape[1]
        rows.append(np.repeat(nodes, k, axis=1).ravel())
        columns.append(np.tile(nodes, (1, k)).ravel())
        values.append(found.ravel())
    n = len(points)
    if not rows:
        return coo_matrix((n, n)).tocsr()
    whole = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return coo_matrix(whole, shape=(n, n)).tocsr()


def lumped_mass(points: Array, cells: Mapping[str, Array]) -> Array:
    """The share of the domain that each node stands for, (nodes,): at least 0, with the domain's size as their sum.

    Raises DomainError as `consistent_mass` does.
    """
    found = np.zeros(len(points))
    for kind, nodes in _bodies(cells).items():
        nodes, masses = _element_masses(points, kind, nodes)
        diagonal = np.einsum("mii->mi", masses)
        scaled = diagonal * (masses.sum(axis=(1, 2)) / diagonal.sum(axis=1))[:, None]
        np.add.at(found, nodes, scaled)
    return found


def measure(points: Array, cells: Mapping[str, Array]) -> float:
    """Length, area or volume of the mesh."""
    return float(sum(_weights(points, kind, nodes)[1].sum() for kind, nodes in _bodies(cells).items()))


def _bodies(cells: Mapping[str, Array]) -> dict[str, Array]:
    """The cells of the highest dimension."""
    unknown = [kind for kind in cells if kind not in _DIMENSION]
    if unknown:
        raise DomainError(f"cells of kind {unknown[0]!r} have no mass matrix; there are {', '.join(_DIMENSION)}")
    there = {kind: np.asarray(nodes) for kind, nodes in cells.items() if len(nodes)}
    highest = max((_DIMENSION[kind] for kind in there), default=0)
    return {kind: nodes for kind, nodes in there.items() if _DIMENSION[kind] == highest}


def _element_masses(points: Array, kind: str, nodes: Array) -> tuple[Array, Array]:
    """Nodes (m, k), and matrices (m, k, k)."""
    if kind == "vertex":
        return nodes, np.ones((len(nodes), 1, 1))
    shapes, weights = _weights(points, kind, nodes)
    if kind == "pyramid":
        nodes = nodes[:, [0, 1, 2, 3, 4, 4, 4, 4]]  # repetitions add up
    return nodes, np.einsum("mq,qi,qj->mij", weights, shapes, shapes, optimize=True)


def _weights(points: Array, kind: str, nodes: Array) -> tuple[Array, Array]:
    """Shape functions (q, k) at the quadrature points, and the size (m, q) of the domain that each stands for."""
    if kind == "vertex":
        return np.ones((1, 1)), np.ones((len(nodes), 1))
    if kind == "pyramid":
        kind, nodes = "hexahedron", nodes[:, [0, 1, 2, 3, 4, 4, 4, 4]]  # a brick whose top is one point
    shapes, slopes, weights = _element(kind)
    jacobian = np.einsum("qks,mkd->mqsd", slopes, np.asarray(points, dtype=np.float64)[nodes], optimize=True)
    if jacobian.shape[-1] < jacobian.shape[-2]:
        raise DomainError(f"cells {kind} have no room in {jacobian.shape[-1]} dimensions; give their points all axes")
    if jacobian.shape[-1] == jacobian.shape[-2]:
        size = np.abs(np.linalg.det(jacobian))
    else:  # a surface or line in space
        size = np.sqrt(np.maximum(np.linalg.det(jacobian @ jacobian.swapaxes(-1, -2)), 0.0))
    found = size * weights
    empty = np.flatnonzero(~(found.sum(axis=1) > 0))
    if len(empty):
        raise DomainError(f"cell {empty[0]} of the {kind} cells has no extent; repair the mesh or leave the cell out")
    return shapes, found


@lru_cache
def _element(kind: str) -> tuple[Array, Array, Array]:
    """Of the reference element at its quadrature points: shapes (q, k), their gradients (q, k, dim), weights (q,)."""
    shape, powers = _FAMILY[kind]
    nodes, exponents = np.array(_NODES[kind], dtype=float), np.array(powers)
    at, weights = _quadrature(shape)
    inverse = np.linalg.inv(_monomials(nodes, exponents))
    slopes = np.stack([_slopes(at, exponents, axis) @ inverse for axis in range(nodes.shape[1])], axis=-1)
    return _monomials(at, exponents) @ inverse, slopes, weights


def _monomials(x: Array, exponents: Array) -> Array:
    return np.asarray(np.prod(x[:, None, :] ** exponents[None], axis=-1))


def _slopes(x: Array, exponents: Array, axis: int) -> Array:
    lower = exponents.copy()
    lower[:, axis] = np.maximum(lower[:, axis] - 1, 0)
    return exponents[:, axis] * _monomials(x, lower)


def _quadrature(shape: str) -> tuple[Array, Array]:
    """Points and weights; simplices are squares and cubes with collapsed sides."""
    x, w = np.polynomial.legendre.leggauss(_GAUSS)
    x, w = (x + 1) / 2, w / 2
    dim = _SHAPES[shape]
    at = np.array(list(product(x, repeat=dim)))
    weights = np.prod(list(product(w, repeat=dim)), axis=1)
    if shape in ("triangle", "wedge"):
        weights = weights * (1 - at[:, 0])
        at = np.column_stack([at[:, 0], at[:, 1] * (1 - at[:, 0]), *at.T[2:]])
    if shape == "tetra":
        u, v, t = at.T
        weights = weights * (1 - u) ** 2 * (1 - v)
        at = np.column_stack([u, v * (1 - u), t * (1 - u) * (1 - v)])
    return at, weights


def _middles(
    corners: list[tuple[float | int, ...]], sides: tuple[tuple[int, int], ...]
) -> list[tuple[float | int, ...]]:
    return [tuple((a + b) / 2 for a, b in zip(corners[i], corners[j], strict=True)) for i, j in sides]


_TRIANGLE: list[tuple[float | int, ...]] = [(0, 0), (1, 0), (0, 1)]
_SQUARE: list[tuple[float | int, ...]] = [(0, 0), (1, 0), (1, 1), (0, 1)]
_TETRA: list[tuple[float | int, ...]] = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
_CUBE: list[tuple[float | int, ...]] = [(*p, z) for z in (0, 1) for p in _SQUARE]
_RING = ((0, 1), (1, 2), (2, 3), (3, 0))
_TETRA_SIDES = ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))
_CUBE_SIDES = (*_RING, *((a + 4, b + 4) for a, b in _RING), *((k, k + 4) for k in range(4)))
_NODES: dict[str, list[tuple[float | int, ...]]] = {
    "line": [(0,), (1,)],
    "line3": [(0,), (1,), (0.5,)],
    "triangle": _TRIANGLE,
    "triangle6": _TRIANGLE + _middles(_TRIANGLE, ((0, 1), (1, 2), (2, 0))),
    "quad": _SQUARE,
    "quad8": _SQUARE + _middles(_SQUARE, _RING),
    "quad9": [*_SQUARE, *_middles(_SQUARE, _RING), (0.5, 0.5)],
    "tetra": _TETRA,
    "tetra10": _TETRA + _middles(_TETRA, _TETRA_SIDES),
    "hexahedron": _CUBE,
    "hexahedron20": _CUBE + _middles(_CUBE, _CUBE_SIDES),
    "wedge": [(*p, z) for z in (0, 1) for p in _TRIANGLE],
}


def _whole(dim: int, degree: int) -> list[tuple[int, ...]]:
    """Exponents of total degree up to `degree`."""
    return [e for e in product(range(degree + 1), repeat=dim) if sum(e) <= degree]


def _serendipity(dim: int) -> list[tuple[int, ...]]:
    """Exponents of superlinear degree up to 2."""
    return [e for e in product(range(3), repeat=dim) if sum(k for k in e if k > 1) <= 2]


_FAMILY: dict[str, tuple[str, list[tuple[int, ...]]]] = {
    "line": ("line", _whole(1, 1)),
    "line3": ("line", _whole(1, 2)),
    "triangle": ("triangle", _whole(2, 1)),
    "triangle6": ("triangle", _whole(2, 2)),
    "quad": ("square", list(product(range(2), repeat=2))),
    "quad8": ("square", _serendipity(2)),
    "quad9": ("square", list(product(range(3), repeat=2))),
    "tetra": ("tetra", _whole(3, 1)),
    "tetra10": ("tetra", _whole(3, 2)),
    "hexahedron": ("cube", list(product(range(2), repeat=3))),
    "hexahedron20": ("cube", _serendipity(3)),
    "wedge": ("wedge", [(*e, z) for z in range(2) for e in _whole(2, 1)]),
}
_SHAPES = {"line": 1, "triangle": 2, "square": 2, "tetra": 3, "cube": 3, "wedge": 3}
_DIMENSION = {"vertex": 0, "pyramid": 3} | {kind: _SHAPES[shape] for kind, (shape, _) in _FAMILY.items()}
