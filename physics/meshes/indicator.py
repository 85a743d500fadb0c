"""What physics says of a field that somebody predicts: residual-type error indicators, no solution needed.

Verfürth, A Posteriori Error Estimation Techniques for Finite Element Methods, chapter 1
(doi:10.1093/acprof:oso/9780199679423.001.0001): with the strong residual r in a cell K, the jump J of the flux over a
side E between two cells and what is left of the load on a side E of the border,

    eta_K^2 = h_K^2 |r|_K^2 + 1/2 sum h_E |J|_E^2 + sum h_E |load - flux|_E^2,      over the stiffness,

is an upper and lower bound for the error in energy, up to constants, for the finite element solution. Of any other
field the Galerkin residual K u - f, zero for that solution, says how far it is from it; both are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from skfem import (
    Basis,
    BilinearForm,
    ElementTriP1DG,
    ElementTriP2,
    ElementVector,
    FacetBasis,
    Functional,
    InteriorFacetBasis,
    LinearForm,
    MeshTri2,
)
from skfem.helpers import ddot, dot, sym_grad

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.elasticity import check_material, check_names

Array = np.ndarray


@dataclass(frozen=True)
class Indicator:
    """What physics says of a predicted field.

    Args:
        cells: eta_K (cells,), square root of an energy. total: root of the sum of their squares. relative: over the
            root of the field's energy, sqrt(u K u).
        galerkin: |K u - f| over free unknowns in the norm of K's diagonal, over the same; 0 for the finite element
            solution, a lower bound for the relative distance from it in energy up to a constant of the elements.
        nodes: the Galerkin residual at each node in that norm (nodes,), for maps.
        prescribed: largest difference from prescribed values, over the field's largest value.
    """

    cells: Array
    total: float
    relative: float
    galerkin: float
    nodes: Array
    prescribed: float


def plane_stress_indicator(
    mesh: MeshTri2,
    displacement: Array,
    *,
    young: float | int,
    poisson: float | int,
    fixed: Mapping[str, tuple[float | int | None, float | int | None]],
    traction: Mapping[str, tuple[float | int, float | int]] | None = None,
    body: tuple[float | int, float | int] = (0.0, 0.0),
) -> Indicator:
    """Of a displacement (nodes, 2) in plane stress; the problem as in `plane_stress`.

    Raises DomainError for a field that does not fit the mesh, an unknown boundary, material without a stable solid.
    """
    check_material(young, poisson)
    check_names(mesh, {**fixed, **(traction or {})})
    u = np.asarray(displacement, dtype=np.float64)
    _check_field(u, (mesh.doflocs.shape[1], 2), "displacement")
    factor = young / (1 - poisson**2)

    def stress(grad: Array) -> Array:
        """Of a gradient [i, j] = d u_i / d x_j."""
        strain = 0.5 * (grad + np.swapaxes(grad, 0, 1))
        both = poisson * (strain[0, 0] + strain[1, 1])
        found = factor * (1 - poisson) * strain
        found[0, 0] += factor * both
        found[1, 1] += factor * both
        return found

    loads = {name: np.asarray(force, dtype=float) for name, force in (traction or {}).items()}
    known = {name: [None if v is None else float(v) for v in values] for name, values in fixed.items()}
    problem = _Problem(
        basis=Basis(mesh, ElementVector(ElementTriP2()), intorder=4),
        order=4,  # as in plane_stress
        flux=stress,
        stiffness=young / (1 + poisson),  # 2 mu
        source=lambda x: np.broadcast_to(np.asarray(body, float).reshape(2, *[1] * (x.ndim - 1)), (2, *x.shape[1:])),
        loads=loads,
        fixed=known,
    )
    form = BilinearForm(lambda a, b, _: ddot(stress(np.asarray(a.grad)), sym_grad(b)))
    return problem.indicator(u, form)


def heat_indicator(
    mesh: MeshTri2,
    temperature: Array,
    *,
    conductivity: float | int,
    fixed: Mapping[str, float | int | Callable[[Array], Array]],
    flux: Mapping[str, float | int] | None = None,
    source: float | int | Callable[[Array], Array] = 0.0,
) -> Indicator:
    """Of a temperature (nodes,) in steady conduction; the problem as in `steady_heat`.

    Raises DomainError for a field that does not fit the mesh, an unknown boundary, or a conductivity not above 0.
    """
    if not conductivity > 0:
        raise DomainError(f"conductivity={conductivity}; give a positive one")
    check_names(mesh, {**fixed, **(flux or {})})
    u = np.asarray(temperature, dtype=np.float64)
    _check_field(u, (mesh.doflocs.shape[1],), "temperature")

    def supplied(x: Array) -> Array:
        """(1, ...) at points (2, ...)."""
        if not callable(source):
            return np.full((1, *x.shape[1:]), float(source))
        return np.asarray(source(x.reshape(2, -1).T), dtype=float).reshape(1, *x.shape[1:])

    problem = _Problem(
        basis=Basis(mesh, ElementTriP2(), intorder=5),
        order=5,  # as in steady_heat
        flux=lambda grad: conductivity * grad,
        stiffness=float(conductivity),
        source=supplied,
        loads={name: np.array([float(g)]) for name, g in (flux or {}).items()},
        fixed={name: [value if callable(value) else float(value)] for name, value in fixed.items()},
    )
    form = BilinearForm(lambda a, b, _: conductivity * dot(a.grad, b.grad))
    return problem.indicator(u[:, None], form)


@dataclass(frozen=True)
class _Problem:
    """- div flux(grad u) = source, flux n = load on the border where u is not fixed.

    `order` is that of quadrature. `flux` maps gradients (parts, 2, ...), or (2, ...) of a scalar, to the like; `loads`
    (parts,) by boundary; `fixed` by boundary for each part: None for free, a number, or a function of points (n, 2).
    """

    basis: Basis
    order: int
    flux: Callable[[Array], Array]
    stiffness: float
    source: Callable[[Array], Array]
    loads: Mapping[str, Array]
    fixed: Mapping[str, Any]

    @property
    def parts(self) -> int:
        """Components of the field."""
        return len(self.basis.nodal_dofs)

    @property
    def rows(self) -> Array:
        """Unknowns of each part at each node, (parts, nodes)."""
        return np.concatenate([self.basis.nodal_dofs, self.basis.facet_dofs], axis=1)

    def indicator(self, nodal: Array, form: BilinearForm) -> Indicator:
        """Of a field (nodes, parts)."""
        u = np.zeros(self.basis.N)
        u[self.rows.ravel()] = nodal.T.ravel()
        matrix = form.assemble(self.basis)
        energy = float(u @ (matrix @ u))
        squares = self._inside(u) + self._between(u) + self._border(u)
        squares = squares / self.stiffness
        galerkin, nodes, off = self._galerkin(u, matrix, nodal)
        size = np.sqrt(energy) or 1.0
        total = float(np.sqrt(squares.sum()))
        return Indicator(np.sqrt(squares), total, total / size, galerkin / size, nodes, off)

    def _inside(self, u: Array) -> Array:
        """h^2 |div flux + source|^2 of each cell."""
        found = self.basis.interpolate(u)
        flux = self._parts(self.flux(np.asarray(found.grad)))
        linear = self.basis.with_element(ElementTriP1DG())
        at = np.asarray(self.basis.global_coordinates())
        left = self.source(at).astype(float).copy()
        for i in range(self.parts):
            for j in range(2):
                left[i] += np.asarray(linear.interpolate(linear.project(flux[i, j])).grad)[j]
        return np.asarray(Functional(lambda w: w.h**2 * np.sum(w["r"] ** 2, axis=0)).elemental(self.basis, r=left))

    def _between(self, u: Array) -> Array:
        """1/2 sum h |jump|^2 over the sides between cells."""
        sides = [InteriorFacetBasis(self.basis.mesh, self.basis.elem, side=k, intorder=self.order) for k in (0, 1)]
        one, two = (self._parts(self.flux(np.asarray(s.interpolate(u).grad))) for s in sides)
        normal = np.asarray(sides[0].normals)
        jump = np.einsum("ijfq,jfq->ifq", one - two, normal)
        each = Functional(lambda w: w.h * np.sum(w["jump"] ** 2, axis=0)).elemental(sides[0], jump=jump)
        return self._shared(sides[0].find, 0.5 * np.asarray(each))

    def _border(self, u: Array) -> Array:
        """sum h |load - flux n|^2 over the border's sides, of the parts that are free."""
        mesh = self.basis.mesh
        side = FacetBasis(mesh, self.basis.elem, facets=mesh.boundary_facets(), intorder=self.order)
        flux = self._parts(self.flux(np.asarray(side.interpolate(u).grad)))
        left = -np.einsum("ijfq,jfq->ifq", flux, np.asarray(side.normals))
        place = np.full(mesh.facets.shape[1], -1)
        place[side.find] = np.arange(len(side.find))
        for name, load in self.loads.items():
            left[:, place[mesh.boundaries[name]]] += load[:, None, None]
        for name, values in self.fixed.items():
            for part, value in enumerate(values):
                if value is not None:
                    left[part, place[mesh.boundaries[name]]] = 0.0
        each = Functional(lambda w: w.h * np.sum(w["left"] ** 2, axis=0)).elemental(side, left=left)
        return self._shared(side.find, np.asarray(each))

    def _shared(self, facets: Array, each: Array) -> Array:
        """Values of sides as sums over the cells that they bound."""
        found = np.zeros(self.basis.mesh.facets.shape[1])
        found[facets] = each
        return np.asarray(found[self.basis.mesh.t2f].sum(axis=0))

    def _galerkin(self, u: Array, matrix: Any, nodal: Array) -> tuple[float, Array, float]:
        """Norm of K u - f over the free unknowns, at nodes too, and how far u is from what is prescribed."""
        load = LinearForm(lambda v, w: self._times(w["f"], v)).assemble(
            self.basis, f=self._as_field(self.source(np.asarray(self.basis.global_coordinates())))
        )
        mesh = self.basis.mesh
        for name, force in self.loads.items():
            side = FacetBasis(mesh, self.basis.elem, facets=mesh.boundaries[name], intorder=self.order)
            shape = np.asarray(side.normals).shape[1:]
            even = np.broadcast_to(force.reshape(-1, 1, 1), (len(force), *shape))
            load = load + LinearForm(lambda v, w: self._times(w["f"], v)).assemble(side, f=self._as_field(even))
        free, off = np.ones(nodal.shape, dtype=bool), 0.0
        vertices = self.basis.nodal_dofs.shape[1]
        for name, values in self.fixed.items():
            facets = mesh.boundaries[name]
            on = np.unique(np.concatenate([mesh.facets[:, facets].ravel(), vertices + facets]))
            for part, value in enumerate(values):
                if value is not None:
                    given = value(mesh.doflocs.T[on]) if callable(value) else value
                    off = max(off, float(np.abs(nodal[on, part] - given).max()))
                    free[on, part] = False
        left = (matrix @ u - load) / np.sqrt(matrix.diagonal())
        by_node = np.where(free, left[self.rows.T], 0.0)
        nodes = np.sqrt(np.square(by_node).sum(axis=1))
        size = float(np.abs(nodal).max()) or 1.0
        return float(np.sqrt(np.square(nodes).sum())), nodes, off / size

    def _parts(self, flux: Array) -> Array:
        """(parts, 2, ...)."""
        return flux if self.parts > 1 else flux.reshape(1, *flux.shape)

    def _as_field(self, values: Array) -> Array:
        return values if self.parts > 1 else values[0]

    def _times(self, f: Any, v: Any) -> Any:
        return dot(f, v) if self.parts > 1 else f * v


def _check_field(values: Array, shape: tuple[int, ...], name: str) -> None:
    if values.shape != shape or not np.isfinite(values).all():
        raise DomainError(f"{name} has shape {values.shape}; give finite values {shape}, those of the mesh's nodes")
