"""Taylor-Hood elements for incompressible flow: quadratic velocity, linear pressure, and their matrices.

Weak form: nu (grad u, grad v) - (p, div v) = (f, v), (q, div u) = 0; where nothing is prescribed the outflow is free,
nu du/dn = p n. The convection (u . grad) u is applied through values at quadrature points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from skfem import Basis, BilinearForm, ElementTriP1, ElementTriP2, ElementVector, MeshTri2

from surrogates.physics.errors import DomainError

Array = np.ndarray
Velocity = tuple[float | int, float | int] | Callable[[Array], Array]
"""Prescribed velocity on a boundary: two numbers, or a function of points (n, 2) giving (n, 2)."""


class TaylorHood:
    """Spaces on a mesh and the matrices that every flow on it needs.

    A velocity is a vector (2 nodes,) with components interleaved by the mesh's nodes, u.reshape(-1, 2)[node]; a
    pressure is a vector over the vertices. `mass`, `stiffness` act on velocities, `divergence` takes one to (q, div u).
    """

    def __init__(self, mesh: MeshTri2) -> None:
        self.mesh = mesh
        self.velocity = Basis(mesh, ElementVector(ElementTriP2()), intorder=5)
        scalar, pressure = Basis(mesh, ElementTriP2(), intorder=5), Basis(mesh, ElementTriP1(), intorder=5)
        order = np.concatenate([scalar.nodal_dofs[0], scalar.facet_dofs[0]])
        self.nodes, self.vertices = scalar.N, pressure.N
        place = sp.csr_matrix((np.ones(scalar.N), (order, np.arange(scalar.N))), shape=(scalar.N, scalar.N))
        both = sp.identity(2)
        mass = place.T @ BilinearForm(lambda u, v, _: u * v).assemble(scalar) @ place
        grad = (
            place.T
            @ BilinearForm(lambda u, v, _: u.grad[0] * v.grad[0] + u.grad[1] * v.grad[1]).assemble(scalar)
            @ place
        )
        self.mass, self.stiffness = sp.kron(mass, both).tocsr(), sp.kron(grad, both).tocsr()
        parts = [BilinearForm(lambda u, q, _, i=i: u.grad[i] * q).assemble(scalar, pressure) @ place for i in range(2)]
        spread = [sp.csr_matrix(([1.0], ([0], [i])), shape=(1, 2)) for i in range(2)]
        self.divergence = sum(sp.kron(p, s) for p, s in zip(parts, spread, strict=True)).tocsr()
        self.weights = scalar.dx.ravel()
        self.values, self.slopes = _at_points(scalar, place)

    def convection(self, u: Array) -> Array:
        """((u . grad) u, v) for every v, (2 nodes,)."""
        w = u.reshape(-1, 2)
        at, dx, dy = self.values @ w, self.slopes[0] @ w, self.slopes[1] @ w
        change = at[:, :1] * dx + at[:, 1:] * dy
        found: Array = (self.values.T @ (self.weights[:, None] * change)).ravel()
        return found

    def convection_slope(self, u: Array) -> sp.csr_matrix:
        """Derivative of `convection`, for Newton's method: (u . grad) du + (du . grad) u."""
        w = u.reshape(-1, 2)
        at, dx, dy = self.values @ w, self.slopes[0] @ w, self.slopes[1] @ w
        carry = sp.diags(at[:, 0]) @ self.slopes[0] + sp.diags(at[:, 1]) @ self.slopes[1]
        weighted = self.values.T @ sp.diags(self.weights)
        found = sp.kron(weighted @ carry, sp.identity(2))
        for i in range(2):
            for j, slope in enumerate((dx, dy)):
                unit = sp.csr_matrix(([1.0], ([i], [j])), shape=(2, 2))
                found = found + sp.kron(weighted @ sp.diags(slope[:, i]) @ self.values, unit)
        return found.tocsr()

    def prescribed(self, walls: Mapping[str, Velocity]) -> tuple[Array, Array]:
        """A velocity with these values on these boundaries (later ones win), and which of its numbers are fixed."""
        known = dict(self.mesh.boundaries or {})
        u, fixed = np.zeros(2 * self.nodes), np.zeros(self.nodes, dtype=bool)
        for name, given in walls.items():
            if name not in known:
                raise DomainError(f"there is no boundary {name!r}; the mesh has {', '.join(known)}")
            on = self.on(name)
            points = self.mesh.doflocs.T[on]
            u.reshape(-1, 2)[on] = given(points) if callable(given) else np.asarray(given, dtype=float)
            fixed[on] = True
        if not fixed.any():
            raise DomainError("no boundary has a velocity; prescribe walls and inflow")
        out = float((self.divergence @ u).sum())  # through the boundary, whatever the values inside
        if set(known) <= set(walls) and abs(out) > 1e-8 * np.abs(u).max(initial=0.0) * np.ptp(self.mesh.p):
            raise DomainError(f"a net {out:.3g} flows out of a closed domain; leave one boundary free or balance them")
        return u, np.repeat(fixed, 2)

    def on(self, boundary: str) -> Array:
        """Nodes of a named boundary, ends included."""
        facets = dict(self.mesh.boundaries or {})[boundary]
        return np.unique(np.concatenate([self.mesh.facets[:, facets].ravel(), self.vertices + facets]))


def _at_points(scalar: Basis, place: Any) -> tuple[sp.csr_matrix, list[sp.csr_matrix]]:
    """Matrices from nodes to values and to both slopes at quadrature points."""
    cells, points = scalar.dx.shape
    rows = np.arange(cells * points)
    found: list[Any] = [0, 0, 0]
    for i in range(scalar.Nbfun):
        columns = np.repeat(scalar.element_dofs[i], points)
        field = scalar.basis[i][0]
        for k, values in enumerate((np.broadcast_to(field.value, (cells, points)), field.grad[0], field.grad[1])):
            part = sp.csr_matrix((np.asarray(values).ravel(), (rows, columns)), shape=(len(rows), scalar.N))
            found[k] = found[k] + part
    value, dx, dy = (f @ place for f in found)
    return value.tocsr(), [dx.tocsr(), dy.tocsr()]
