"""Steady and unsteady incompressible flow: Stokes, Navier-Stokes by Newton, and in time by BDF2.

u_t + (u . grad) u = nu laplace u - grad p, div u = 0, density 1. Reynolds number U D / nu. In time: BDF2 with the
convection extrapolated from two steps, so that one factorisation serves all of them (stable for a moderate CFL number).
Forces on a boundary are the reactions of the weak form, which converge twice as fast as the stress integrated there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu
from skfem import MeshTri2

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.taylor_hood import Array, TaylorHood, Velocity


@dataclass(frozen=True)
class Flow:
    """Velocity (nodes, 2) and pressure (vertices,); `forces` on the fluid's named boundaries, (2,) each.

    `residual` is the largest momentum residual that is left, `iterations` Newton's.
    """

    velocity: Array
    pressure: Array
    forces: dict[str, Array]
    residual: float
    iterations: int = 1


@dataclass(frozen=True)
class FlowHistory:
    """Frames of an unsteady flow: times (n,), velocity (n, nodes, 2), pressure (n, vertices), and at every step `steps`
    (m,) the forces (m, 2) by boundary."""

    times: Array
    velocity: Array
    pressure: Array
    steps: Array
    forces: dict[str, Array] = field(default_factory=dict)


def stokes(mesh: MeshTri2, *, nu: float | int, walls: Mapping[str, Velocity], forces: Sequence[str] = ()) -> Flow:
    """Creeping flow. `walls`: velocities by boundary; boundaries that are not named let the fluid out freely."""
    return steady_flow(mesh, nu=nu, walls=walls, forces=forces, convection=False)


def steady_flow(
    mesh: MeshTri2,
    *,
    nu: float | int,
    walls: Mapping[str, Velocity],
    forces: Sequence[str] = (),
    convection: bool = True,
    tol: float = 1e-10,
) -> Flow:
    """Steady Navier-Stokes flow by Newton's method from the Stokes flow.

    Args:
        nu: kinematic viscosity. walls: as in `stokes`. forces: boundaries whose force is wanted (at a corner
            shared with another prescribed boundary the two cannot be told apart). tol: of the largest momentum
            residual, relative to the largest of the Stokes flow.
    Raises DomainError for an unknown boundary, nu <= 0, and where Newton's method does not converge (Reynolds number
    too high for a steady flow).
    """
    if nu <= 0:
        raise DomainError(f"nu={nu}; give a positive viscosity")
    space = TaylorHood(mesh)
    u, fixed = space.prescribed(walls)
    p, free, scale = np.zeros(space.vertices), ~fixed, 1.0
    enclosed = set(dict(mesh.boundaries or {})) <= set(walls)
    for iteration in range(30):
        momentum = nu * (space.stiffness @ u) - space.divergence.T @ p
        matrix = nu * space.stiffness
        if convection and iteration > 0:
            momentum, matrix = momentum + space.convection(u), matrix + space.convection_slope(u)
        left = np.abs(momentum[free]).max(initial=0.0)
        if iteration == 0:
            scale = max(np.abs(momentum).max(), 1e-300)
        elif iteration > 1 and left < tol * scale:
            return _flow(space, u, p, momentum, forces, left, iteration)
        du, dp = _saddle(matrix, space.divergence, momentum, space.divergence @ u, free, enclosed)
        u[free] += du
        p = p + dp
        if not np.isfinite(u).all():
            break
        if not convection:
            momentum = nu * (space.stiffness @ u) - space.divergence.T @ p
            return _flow(space, u, p, momentum, forces, np.abs(momentum[free]).max(initial=0.0), 1)
    raise DomainError("no steady flow was found in 30 Newton steps; lower the Reynolds number or solve it in time")


def _flow(
    space: TaylorHood, u: Array, p: Array, momentum: Array, forces: Sequence[str], residual: float, steps: int
) -> Flow:
    return Flow(u.reshape(-1, 2), p, {name: _force(space, momentum, name) for name in forces}, float(residual), steps)


def _force(space: TaylorHood, momentum: Array, name: str) -> Array:
    """Force of the fluid on the boundary: minus what the boundary must add to the weak form."""
    found: Array = -momentum.reshape(-1, 2)[space.on(name)].sum(0)
    return found


def _saddle(
    matrix: Any, divergence: Any, momentum: Array, mass: Array, free: Array, enclosed: bool
) -> tuple[Array, Array]:
    a, b = matrix[free][:, free], divergence[:, free]
    right = np.concatenate([-momentum[free], -mass])
    keep = slice(1 if enclosed else 0, None)  # an enclosed flow has its pressure up to a constant
    whole = sp.bmat([[a, -b[keep].T], [b[keep], None]], format="csc")
    found = splu(whole).solve(np.delete(right, a.shape[0]) if enclosed else right)
    dp = np.zeros(len(mass))
    dp[keep] = found[a.shape[0] :]
    return found[: a.shape[0]], dp


def unsteady_flow(
    mesh: MeshTri2,
    *,
    nu: float | int,
    walls: Mapping[str, Velocity],
    times: Sequence[float | int] | Array,
    dt: float | int,
    start: Array | None = None,
    forces: Sequence[str] = (),
) -> FlowHistory:
    """Flow in time by BDF2 from `start` (nodes, 2), rest unless given; the walls move from the first step on.

    Args:
        times: ascending, multiples of dt, at which frames are kept; 0 is the start. Others as in `steady_flow`.
    Raises DomainError for times that are no multiples of dt, and for a flow that blows up (a smaller dt is needed).
    """
    steps = np.rint(np.asarray(times) / dt).astype(int)
    if nu <= 0 or dt <= 0 or np.abs(steps * dt - np.asarray(times)).max() > 1e-6 * dt or (np.diff(steps) <= 0).any():
        raise DomainError(f"nu={nu}, dt={dt}; give positive ones, and ascending times that are multiples of dt")
    space = TaylorHood(mesh)
    wall, fixed = space.prescribed(walls)
    enclosed = set(dict(mesh.boundaries or {})) <= set(walls)
    u = wall.copy() if start is None else np.where(fixed, wall, np.asarray(start, dtype=float).ravel())
    solvers = [_Step(space, nu, dt, lead, fixed, enclosed) for lead in (1.0, 1.5)]
    before, carried, p = u.copy(), space.convection(u), np.zeros(space.vertices)
    kept, pressures, marks, history = [u.copy()], [p], [], []
    for n in range(1, int(steps[-1]) + 1):
        convection = space.convection(u)
        if n == 1:
            past, pushed, solver = u, convection, solvers[0]
        else:
            past, pushed, solver = 2 * u - 0.5 * before, 2 * convection - carried, solvers[1]
        new, p, momentum = solver(wall, space.mass @ past / dt - pushed)
        before, u, carried = u, new, convection
        if not np.abs(u).max() < 1e6:
            raise DomainError(f"the flow blew up at time {n * dt:.4g}; make dt smaller than {dt}")
        if forces:
            marks.append(n * dt)
            history.append([_force(space, momentum, name) for name in forces])
        if n in steps:
            kept.append(u.copy())
            pressures.append(p)
    first = 0 if steps[0] == 0 else 1
    return FlowHistory(
        np.asarray(times, dtype=float),
        np.stack(kept[first:]).reshape(-1, space.nodes, 2),
        np.stack(pressures[first:]),
        np.asarray(marks),
        {name: np.array([row[k] for row in history]) for k, name in enumerate(forces)},
    )


class _Step:
    """(lead/dt M + nu K) u - B^T p = right, B u = 0, factorised once."""

    def __init__(
        self, space: TaylorHood, nu: float | int, dt: float | int, lead: float, fixed: Array, enclosed: bool
    ) -> None:
        self.space, self.free, self.enclosed = space, ~fixed, enclosed
        self.matrix = lead / dt * space.mass + nu * space.stiffness
        a, b = self.matrix[self.free][:, self.free], space.divergence[:, self.free]
        self.keep = slice(1 if enclosed else 0, None)
        whole = sp.bmat([[a, -b[self.keep].T], [b[self.keep], None]], format="csc")
        # its pattern is symmetric: this order of elimination leaves half the entries of the usual one
        symmetric: dict[str, Any] = {"permc_spec": "MMD_AT_PLUS_A", "options": {"SymmetricMode": True}}
        self.solve = splu(whole, diag_pivot_thresh=0.01, **symmetric).solve

    def __call__(self, wall: Array, right: Array) -> tuple[Array, Array, Array]:
        """Velocity, pressure, and what the momentum equation lacks on prescribed nodes."""
        u, p = np.where(self.free, 0.0, wall), np.zeros(self.space.vertices)
        momentum, mass = (right - self.matrix @ u)[self.free], -(self.space.divergence @ u)[self.keep]
        found = self.solve(np.concatenate([momentum, mass]))
        u[self.free], p[self.keep] = found[: len(momentum)], found[len(momentum) :]
        return u, p, self.matrix @ u - self.space.divergence.T @ p - right
