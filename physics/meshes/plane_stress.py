"""Plane stress of a thin elastic plate: - div sigma = body, sigma = E/(1 - nu^2) [(1 - nu) eps + nu tr(eps) 1].

Six-node triangles; the stress at nodes is the L2 projection of the elements' stress onto continuous P2 functions.
Any consistent units: N, mm and MPa, or N, m and Pa.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from skfem import Basis, BilinearForm, ElementTriP2, ElementVector, FacetBasis, LinearForm, MeshTri2
from skfem.helpers import ddot, sym_grad, trace

from surrogates.physics.meshes.elasticity import at_nodes, check_material, check_names, solve

Array = np.ndarray


@dataclass(frozen=True)
class PlaneStress:
    """Displacement (nodes, 2) and stress (nodes, 3) = xx, yy, xy at the mesh's nodes; `energy` is the strain energy.

    `residual` is |K u - f| / |f| over the free nodes.
    """

    displacement: Array
    stress: Array
    energy: float
    residual: float

    @property
    def von_mises(self) -> Array:
        """sqrt(xx^2 - xx yy + yy^2 + 3 xy^2), (nodes,)."""
        xx, yy, xy = self.stress.T
        return np.sqrt(xx**2 - xx * yy + yy**2 + 3 * xy**2)


def plane_stress(
    mesh: MeshTri2,
    *,
    young: float | int,
    poisson: float | int,
    fixed: Mapping[str, tuple[float | int | None, float | int | None]],
    traction: Mapping[str, tuple[float | int, float | int]] | None = None,
    body: tuple[float | int, float | int] = (0.0, 0.0),
) -> PlaneStress:
    """Solve for prescribed displacements and loads on named boundaries.

    Args:
        young, poisson: modulus (stress) and ratio, -1 < nu < 1/2.
        fixed: (u_x, u_y) by boundary, None for a free component. traction: force per length and thickness by boundary.
        body: force per volume.
    Raises DomainError for an unknown boundary, material numbers without a stable solid, or a plate free to move.
    """
    check_names(mesh, fixed)
    basis, matrix, load = _assembled(mesh, young, poisson, traction or {}, body)
    u, residual = solve(basis, matrix, load, fixed, young)
    stress = _stress(mesh, basis, u, young / (1 - poisson**2), poisson)
    return PlaneStress(u.reshape(-1, 2)[_nodes(basis)], stress, float(0.5 * u @ (matrix @ u)), residual)


def plane_stress_system(
    mesh: MeshTri2,
    *,
    young: float | int,
    poisson: float | int,
    traction: Mapping[str, tuple[float | int, float | int]] | None = None,
    body: tuple[float | int, float | int] = (0.0, 0.0),
) -> tuple[Any, Array]:
    """Stiffness (2 nodes, 2 nodes), sparse, and load (2 nodes,) before anything is fixed: K u = f with u, node by
    node, the displacement (nodes, 2) of `plane_stress`. Raises DomainError as that does."""
    basis, matrix, load = _assembled(mesh, young, poisson, traction or {}, body)
    order = (2 * _nodes(basis)[:, None] + np.arange(2)).ravel()
    return matrix.tocsr()[order][:, order], load[order]


def _assembled(
    mesh: MeshTri2, young: float | int, poisson: float | int, traction: Mapping[str, Any], body: Any
) -> tuple[Basis, Any, Array]:
    """Basis, stiffness and load."""
    check_material(young, poisson)
    check_names(mesh, traction)
    basis = Basis(mesh, ElementVector(ElementTriP2()), intorder=4)
    factor = young / (1 - poisson**2)

    @BilinearForm
    def stiffness(u: Any, v: Any, _: Any) -> Any:
        eu, ev = sym_grad(u), sym_grad(v)
        return factor * ((1 - poisson) * ddot(eu, ev) + poisson * trace(eu) * trace(ev))

    load = LinearForm(lambda v, _: body[0] * v[0] + body[1] * v[1]).assemble(basis)
    for name, force in traction.items():
        side = FacetBasis(mesh, basis.elem, facets=mesh.boundaries[name], intorder=4)
        load = load + LinearForm(lambda v, _, f=force: f[0] * v[0] + f[1] * v[1]).assemble(side)
    return basis, stiffness.assemble(basis), load


def _nodes(basis: Basis) -> Array:
    """Row of u.reshape(-1, 2) of each node of the mesh."""
    first = np.concatenate([basis.nodal_dofs[0], basis.facet_dofs[0]])
    return first // 2


def _stress(mesh: MeshTri2, basis: Basis, u: Array, factor: float, poisson: float | int) -> Array:
    """L2 projection of the elements' stress, (nodes, 3)."""
    scalar = Basis(mesh, ElementTriP2(), intorder=4)
    strain = sym_grad(basis.interpolate(u))
    both = strain[0, 0] + strain[1, 1]
    parts = [
        factor * ((1 - poisson) * strain[0, 0] + poisson * both),
        factor * ((1 - poisson) * strain[1, 1] + poisson * both),
        factor * (1 - poisson) * strain[0, 1],
    ]
    return at_nodes(scalar, parts)[np.concatenate([scalar.nodal_dofs[0], scalar.facet_dofs[0]])]
