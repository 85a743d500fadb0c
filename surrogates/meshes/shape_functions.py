"""Lagrange and serendipity shape functions of finite elements, by the kind of cell as meshio and VTK name and order it.

N_a(xi) = sum_j monomial_j(xi) C_ja with C the inverse of the monomials at the cell's nodes, so that N_a(xi_b) = delta_ab.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
from skfem.quadrature import get_quadrature
from skfem.refdom import RefHex, RefQuad, RefTet, RefTri

from surrogates.physics.errors import DomainError

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Element:
    """A reference cell: nodes (k, d), exponents of its monomials (k, d), `corners` of them first.

    A simplex is 0 <= xi, sum xi <= 1; a cube 0 <= xi <= 1.
    """

    nodes: Array
    powers: Array
    corners: int
    simplex: bool

    @property
    def dim(self) -> int:
        """Coordinates of a point of the cell."""
        return int(self.nodes.shape[1])

    @cached_property
    def inverse(self) -> Array:
        """C above."""
        return np.linalg.inv(_monomials(self.nodes, self.powers))

    def values(self, at: Array) -> Array:
        """(..., k) at reference coordinates (..., d)."""
        return _monomials(at, self.powers) @ self.inverse

    def gradients(self, at: Array) -> Array:
        """(..., k, d), with respect to the reference coordinates."""
        parts = []
        for axis in range(self.dim):
            lower = self.powers.copy()
            lower[:, axis] = np.maximum(lower[:, axis] - 1, 0)
            parts.append((self.powers[:, axis] * _monomials(at, lower)) @ self.inverse)
        return np.stack(parts, axis=-1)

    def outside(self, at: Array) -> Array:
        """How far coordinates (..., d) leave the cell, (...); zero or less inside."""
        low: Array = -at.min(-1)
        return np.maximum(low, at.sum(-1) - 1 if self.simplex else at.max(-1) - 1)

    def clamped(self, at: Array) -> Array:
        """The nearest reference coordinates (..., d) in the cell."""
        inside = np.clip(at, 0.0, 1.0)
        return _on_simplex(at) if self.simplex else inside

    def quadrature(self, order: int) -> tuple[Array, Array]:
        """Points (q, d) and weights (q,), exact for polynomials of this order."""
        domain = {(2, True): RefTri, (3, True): RefTet, (2, False): RefQuad, (3, False): RefHex}
        points, weights = get_quadrature(domain[self.dim, self.simplex], order)
        return points.T.copy(), weights


@lru_cache
def element(kind: str) -> Element:
    """The reference cell of a kind. Raises DomainError for one that has no shape functions here."""
    if kind not in _MADE:
        raise DomainError(f"cells {kind} cannot be interpolated on; give {', '.join(_MADE)}")
    corners, middles, simplex, powers = _MADE[kind]
    points = np.array(corners, dtype=float)
    nodes = np.concatenate([points, *([np.array([points[list(m)].mean(0) for m in middles])] if middles else [])])
    return Element(nodes, np.array(powers), len(points), simplex)


def sides(kind: str) -> tuple[tuple[int, ...], ...]:
    """Nodes of each side of a plane cell (ends, then middle), or corners of each face of a solid one, outward."""
    if kind not in _SIDES:
        raise DomainError(f"the boundary of {kind} cells is not known here; give cells of {', '.join(_SIDES)}")
    return _SIDES[kind]


def jacobians(points: Array, cells: Array, kind: str) -> Array:
    """det dx/dxi (m, points) at each cell's nodes and centre; negative somewhere: the cell is folded or inverted."""
    made = element(kind)
    at = np.concatenate([made.nodes, made.nodes[: made.corners].mean(0)[None]])
    return np.linalg.det(np.einsum("mki,qkj->mqij", points[cells], made.gradients(at)))


def oriented(points: Array, cells: Mapping[str, Array]) -> dict[str, Array]:
    """Cells that fill the space, all of positive orientation: those numbered the other way round are renumbered.

    Raises DomainError for cells whose det dx/dxi has both signs (folded) or vanishes.
    """
    found = {}
    for kind, nodes in cells.items():
        if kind in ("vertex", "line", "line3") or not len(nodes):
            continue
        if element(kind).dim != points.shape[1]:
            raise DomainError(
                f"{kind} cells in {points.shape[1]} dimensions are a surface; give a mesh whose cells fill the space"
            )
        sign = np.sign(jacobians(points, nodes, kind))
        bad = np.flatnonzero(np.abs(sign.sum(1)) < sign.shape[1])
        if len(bad):
            raise DomainError(
                f"{len(bad)} {kind} cells are folded or have no volume, the first is cell {bad[0]} near "
                f"{points[nodes[bad[0]]].mean(0).round(4)}; mend the mesh"
            )
        made = element(kind).nodes
        swapped = made[:, [1, 0, *range(2, made.shape[1])]]
        mirror = np.square(swapped[:, None] - made).sum(-1).argmin(1)
        found[kind] = np.where(sign[:, :1] > 0, nodes, nodes[:, mirror])
    if not found:
        raise DomainError(
            "the mesh has no cells that fill the space; give triangles, quadrilaterals, tetrahedra or such"
        )
    return found


def _monomials(at: Array, powers: Array) -> Array:
    return np.prod([np.power(at[..., None, i], powers[:, i]) for i in range(powers.shape[1])], axis=0)


def _on_simplex(at: Array) -> Array:
    """Euclidean projection onto 0 <= xi, sum xi <= 1."""
    inside = np.clip(at, 0.0, None)
    falling = -np.sort(-at, axis=-1)
    excess = (np.cumsum(falling, axis=-1) - 1) / np.arange(1, at.shape[-1] + 1)
    shift = np.take_along_axis(excess, (falling > excess).sum(-1, keepdims=True) - 1, axis=-1)
    return np.where(inside.sum(-1, keepdims=True) > 1, np.clip(at - shift, 0.0, None), inside)


def _total(dim: int, degree: int) -> list[tuple[int, ...]]:
    return [p for p in product(range(degree + 1), repeat=dim) if sum(p) <= degree]


def _serendipity(dim: int) -> list[tuple[int, ...]]:
    """Monomials of degree two at most beside linear factors."""
    return [p for p in product(range(3), repeat=dim) if sum(k for k in p if k > 1) <= 2]


_TRIANGLE = ((0, 0), (1, 0), (0, 1))
_QUAD = ((0, 0), (1, 0), (1, 1), (0, 1))
_TETRA = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
_HEXAHEDRON = tuple((x, y, z) for z in (0, 1) for x, y in _QUAD)
_RING3, _RING4 = ((0, 1), (1, 2), (2, 0)), ((0, 1), (1, 2), (2, 3), (3, 0))
_EDGES4 = (*_RING3, (0, 3), (1, 3), (2, 3))
_EDGES8 = (*_RING4, *((a + 4, b + 4) for a, b in _RING4), *((k, k + 4) for k in range(4)))
_MADE: dict[str, tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...], bool, list[tuple[int, ...]]]] = {
    "triangle": (_TRIANGLE, (), True, _total(2, 1)),
    "triangle6": (_TRIANGLE, _RING3, True, _total(2, 2)),
    "quad": (_QUAD, (), False, list(product(range(2), repeat=2))),
    "quad8": (_QUAD, _RING4, False, _serendipity(2)),
    "quad9": (_QUAD, (*_RING4, (0, 1, 2, 3)), False, list(product(range(3), repeat=2))),
    "tetra": (_TETRA, (), True, _total(3, 1)),
    "tetra10": (_TETRA, _EDGES4, True, _total(3, 2)),
    "hexahedron": (_HEXAHEDRON, (), False, list(product(range(2), repeat=3))),
    "hexahedron20": (_HEXAHEDRON, _EDGES8, False, _serendipity(3)),
}
_FACES4 = ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2))
_FACES8 = ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
_SIDES: dict[str, tuple[tuple[int, ...], ...]] = {
    "triangle": _RING3,
    "triangle6": tuple((a, b, 3 + k) for k, (a, b) in enumerate(_RING3)),
    "quad": _RING4,
    "quad8": tuple((a, b, 4 + k) for k, (a, b) in enumerate(_RING4)),
    "quad9": tuple((a, b, 4 + k) for k, (a, b) in enumerate(_RING4)),
    "tetra": _FACES4,
    "tetra10": _FACES4,
    "hexahedron": _FACES8,
    "hexahedron20": _FACES8,
}
