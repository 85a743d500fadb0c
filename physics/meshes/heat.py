"""Heat conduction: rho c T_t = div(k grad T) + q, steady or in time with a source that may move.

P2 triangles; in time the trapezoidal rule after two steps of backward Euler at half the length (Rannacher), so that a
jump between start and boundary values does not ring. Any consistent units: W, m, K, s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import splu
from skfem import Basis, BilinearForm, ElementTriP2, FacetBasis, LinearForm, MeshTri2

from surrogates.physics.errors import DomainError

Array = np.ndarray
Value = float | int | Callable[[Array], Array]
"""A number, or a function of points (n, 2) giving (n,)."""


@dataclass(frozen=True)
class Heat:
    """Temperature (nodes,) at the mesh's nodes, and the `residual` left over the free nodes, relative to the load."""

    temperature: Array
    residual: float


@dataclass(frozen=True)
class MovingSource:
    """A Gaussian spot: power / (2 pi radius^2) exp(-|x - path(t)|^2 / (2 radius^2)), power per thickness.

    Args:
        power: integral of the source over the plane. radius: standard deviation. path: from time to the centre (2,).
    """

    power: float | int
    radius: float | int
    path: Callable[[float], Sequence[float]]

    def __post_init__(self) -> None:
        """Raises DomainError for a radius that is not positive."""
        if not self.radius > 0:
            raise DomainError(f"radius={self.radius}; give a positive length")

    def __call__(self, points: Array, time: float) -> Array:
        """Power per area at points (..., 2)."""
        away = np.square(points - np.asarray(self.path(time), dtype=float)).sum(-1)
        found: Array = self.power / (2 * np.pi * self.radius**2) * np.exp(-away / (2 * self.radius**2))
        return found


class _Conduction:
    """Matrices of the mesh; rows and columns are its nodes."""

    def __init__(self, mesh: MeshTri2) -> None:
        self.mesh, self.basis = mesh, Basis(mesh, ElementTriP2(), intorder=5)
        self.order = np.concatenate([self.basis.nodal_dofs[0], self.basis.facet_dofs[0]])
        self.mass = self._sorted(BilinearForm(lambda u, v, _: u * v).assemble(self.basis))
        grad = BilinearForm(lambda u, v, _: u.grad[0] * v.grad[0] + u.grad[1] * v.grad[1])
        self.stiffness = self._sorted(grad.assemble(self.basis))
        self.points = np.moveaxis(self.basis.mapping.F(self.basis.X), 0, -1)

    def _sorted(self, matrix: Any) -> Any:
        return matrix[self.order][:, self.order].tocsr()

    def load(self, values: Array) -> Array:
        """(q, v) of a source given at the quadrature points."""
        return LinearForm(lambda v, w: w["q"] * v).assemble(self.basis, q=values)[self.order]

    def flux(self, name: str, value: float | int) -> Array:
        """(g, v) over a boundary."""
        side = FacetBasis(self.mesh, self.basis.elem, facets=_boundary(self.mesh, name), intorder=5)
        return LinearForm(lambda v, _: value * v).assemble(side)[self.order]

    def prescribed(self, fixed: Mapping[str, Value]) -> tuple[Array, Array]:
        """Temperatures given on boundaries, and which nodes they are of."""
        count = self.mesh.doflocs.shape[1]
        values, known, vertices = np.zeros(count), np.zeros(count, dtype=bool), len(self.basis.nodal_dofs[0])
        for name, given in fixed.items():
            facets = _boundary(self.mesh, name)
            on = np.unique(np.concatenate([self.mesh.facets[:, facets].ravel(), vertices + facets]))
            values[on] = given(self.mesh.doflocs.T[on]) if callable(given) else given
            known[on] = True
        return values, known


def steady_heat(
    mesh: MeshTri2,
    *,
    conductivity: float | int,
    fixed: Mapping[str, Value],
    flux: Mapping[str, float | int] | None = None,
    source: Value = 0.0,
) -> Heat:
    """Temperature with these values on boundaries `fixed`, heat `flux` into others, insulation elsewhere.

    Raises DomainError for an unknown boundary, a conductivity that is not positive, and where nothing is fixed.
    """
    if conductivity <= 0 or not fixed:
        raise DomainError(f"conductivity={conductivity}, fixed={list(fixed)}; give a positive one, and a temperature")
    field = _Conduction(mesh)
    heat, known = field.prescribed(fixed)
    q = source(field.points.reshape(-1, 2)).reshape(field.points.shape[:-1]) if callable(source) else source
    load = field.load(np.broadcast_to(np.asarray(q, dtype=float), field.points.shape[:-1]))
    load = load + sum(field.flux(name, value) for name, value in (flux or {}).items())
    matrix, free = conductivity * field.stiffness, ~known
    right = (load - matrix @ heat)[free]
    heat[free] = splu(matrix[free][:, free].tocsc()).solve(right)
    left = np.linalg.norm((load - matrix @ heat)[free]) / (np.linalg.norm(right) or 1.0)
    return Heat(heat, float(left))


def transient_heat(
    mesh: MeshTri2,
    *,
    conductivity: float | int,
    capacity: float | int,
    fixed: Mapping[str, Value],
    times: Sequence[float | int] | Array,
    steps: int = 1,
    start: Value = 0.0,
    source: Callable[[Array, float], Array] | None = None,
) -> Array:
    """Temperature (times, nodes) from `start` at times[0], evenly spaced; `steps` between two of them.

    Args:
        capacity: rho c. source: power per volume at points (n, 2) and a time, such as a MovingSource.
    Raises DomainError for times that are not even, numbers that are not positive, or an unknown boundary.
    """
    times = np.asarray(times, dtype=float)
    gaps = np.diff(times)
    if min(conductivity, capacity) <= 0 or steps < 1 or not len(gaps) or np.ptp(gaps) > 1e-9 * gaps[0] or gaps[0] <= 0:
        raise DomainError(
            f"conductivity={conductivity}, capacity={capacity}, steps={steps}, times={times}; give positive numbers "
            "and at least two evenly spaced ascending times"
        )
    field, dt = _Conduction(mesh), gaps[0] / steps
    wall, known = field.prescribed(fixed)
    points = mesh.doflocs.T
    heat = np.where(known, wall, start(points) if callable(start) else start)
    free, k, m = ~known, conductivity * field.stiffness, capacity * field.mass
    # the trapezoidal rule's matrix, and half of backward Euler's at dt / 2
    solve = splu((m / dt + k / 2)[free][:, free].tocsc()).solve

    def load(time: float) -> Array:
        if source is None:
            return np.zeros(len(heat))
        return field.load(source(field.points, time))

    frames, done = [heat], 0
    for _ in times[1:]:
        for _ in range(steps):
            time = times[0] + done * dt
            if done == 0:
                for half in (0.5, 1.0):
                    right = (load(time + half * dt) + m @ heat * (2 / dt) - (2 * m / dt + k) @ wall)[free]
                    heat = wall + _spread(solve(right / 2), free)
            else:
                right = load(time + dt / 2) + (m / dt - k / 2) @ heat - (m / dt + k / 2) @ wall
                heat = wall + _spread(solve(right[free]), free)
            done += 1
        frames.append(heat)
    return np.stack(frames)


def _spread(values: Array, free: Array) -> Array:
    found = np.zeros(len(free))
    found[free] = values
    return found


def _boundary(mesh: MeshTri2, name: str) -> Array:
    known = dict(mesh.boundaries or {})
    if name not in known:
        raise DomainError(f"there is no boundary {name!r}; the mesh has {', '.join(known)}")
    return known[name]
