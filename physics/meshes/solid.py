"""Linear elasticity of solids: - div sigma = body, sigma = 2 mu eps + lambda tr(eps) 1, on ten-node tetrahedra.

Straight-sided P2 elements on any tetrahedral mesh of scikit-fem (gmsh's through meshio); the stress at nodes is the L2
projection of the elements' stress onto continuous P2 functions. Any consistent units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from skfem import Basis, BilinearForm, ElementTetP2, ElementVector, FacetBasis, LinearForm, MeshTet1, MeshTet2
from skfem.helpers import ddot, sym_grad, trace

from surrogates.physics.meshes.elasticity import at_nodes, check_material, check_names, solve

Array = np.ndarray
_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Voigt order xx, yy, zz, yz, xz, xy."""


@dataclass(frozen=True)
class Solid:
    """Displacement (nodes, 3) and stress (nodes, 6), xx yy zz yz xz xy, at `points` (nodes, 3), vertices first."""

    points: Array
    displacement: Array
    stress: Array
    energy: float
    residual: float

    @property
    def von_mises(self) -> Array:
        """sqrt(((xx - yy)^2 + (yy - zz)^2 + (zz - xx)^2) / 2 + 3 (yz^2 + xz^2 + xy^2)), (nodes,)."""
        xx, yy, zz, yz, xz, xy = self.stress.T
        direct = ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) / 2
        return np.sqrt(direct + 3 * (yz**2 + xz**2 + xy**2))


def solid(
    mesh: MeshTet1,
    *,
    young: float | int,
    poisson: float | int,
    fixed: Mapping[str, tuple[float | int | None, ...]],
    traction: Mapping[str, tuple[float | int, ...]] | None = None,
    body: tuple[float | int, ...] = (0.0, 0.0, 0.0),
) -> Solid:
    """Solve for prescribed displacements and loads on the mesh's named boundaries.

    Args:
        young, poisson: modulus (stress) and ratio, -1 < nu < 1/2. fixed: (u_x, u_y, u_z) by boundary, None for a free
            component. traction: force per area by boundary. body: force per volume.
    Raises DomainError for an unknown boundary, material numbers without a stable solid, or a solid free to move.
    """
    check_material(young, poisson)
    check_names(mesh, {**fixed, **(traction or {})})
    mu, lam = young / (2 * (1 + poisson)), young * poisson / ((1 + poisson) * (1 - 2 * poisson))
    basis = Basis(mesh, ElementVector(ElementTetP2()), intorder=3)

    @BilinearForm
    def stiffness(u: Any, v: Any, _: Any) -> Any:
        eu, ev = sym_grad(u), sym_grad(v)
        return 2 * mu * ddot(eu, ev) + lam * trace(eu) * trace(ev)

    load = LinearForm(lambda v, _: sum(b * v[i] for i, b in enumerate(body))).assemble(basis)
    for name, force in (traction or {}).items():
        side = FacetBasis(mesh, basis.elem, facets=mesh.boundaries[name], intorder=3)
        load = load + LinearForm(lambda v, _, f=force: sum(c * v[i] for i, c in enumerate(f))).assemble(side)
    matrix = stiffness.assemble(basis)
    u, left = solve(basis, matrix, load, fixed, young)
    rows = np.concatenate([basis.nodal_dofs.T, basis.edge_dofs.T])
    points = MeshTet2.from_mesh(mesh).doflocs.T
    return Solid(points, u[rows], _stress(mesh, basis, u, mu, lam), float(0.5 * u @ (matrix @ u)), left)


def _stress(mesh: MeshTet1, basis: Basis, u: Array, mu: float, lam: float) -> Array:
    scalar = Basis(mesh, ElementTetP2(), intorder=4)
    strain = sym_grad(Basis(mesh, basis.elem, intorder=4).interpolate(u))
    volume = lam * (strain[0, 0] + strain[1, 1] + strain[2, 2])
    parts = [2 * mu * strain[i, j] + (volume if i == j else 0.0) for i, j in _PAIRS]
    return at_nodes(scalar, parts)[np.concatenate([scalar.nodal_dofs[0], scalar.edge_dofs[0]])]
