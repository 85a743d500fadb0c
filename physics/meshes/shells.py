"""Thin shells and stiffened panels of flat four-node facets: membrane, bending with shear, drilling rotation.

Bending: MITC4 (Bathe and Dvorkin, 10.1002/nme.1620210213): bilinear deflection and rotations, covariant transverse
shears tied at the middles of the sides, shear factor 5/6; it converges to Reissner-Mindlin plates. Membrane: bilinear
with incompatible modes (Taylor, Beresford and Wilson, 10.1002/nme.1620100602), so that webs bend in their plane without
locking. Drilling: a small stiffness between the rotation about the normal and the membrane's own rotation, so that
rigid turns cost nothing. Facets are flat: a warped quadrilateral is projected onto its mean plane and locks; keep
them flat. Any consistent units; degrees of freedom of a node are three displacements and the vector of small
rotations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from surrogates.physics.errors import DomainError

Array = np.ndarray
_DRILLING = 1e-3  # of the shear modulus
_GAUSS = 1 / np.sqrt(3)
_POINTS = _GAUSS * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
_CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])


@dataclass(frozen=True)
class ShellMesh:
    """Nodes (n, 3), quadrilaterals (m, 4) around their facets, thickness (m,). Normals follow the right-hand rule.

    Raises DomainError for facets without area or with a corner above 180 degrees.
    """

    nodes: Array
    quads: Array
    thickness: Array

    def __post_init__(self) -> None:
        _, local = self.frames()
        for corner in range(4):
            a, b = local[:, corner - 3] - local[:, corner], local[:, corner - 1] - local[:, corner]
            bad = np.flatnonzero(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] <= 0)
            if len(bad):
                raise DomainError(f"quadrilateral {bad[0]} is folded or not convex; order its corners around it")

    def frames(self) -> tuple[Array, Array]:
        """Unit vectors (m, 3, 3), rows e1, e2 and the normal, and corners in the facet's plane (m, 4, 2)."""
        corners = self.nodes[self.quads]
        across, up = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
        normal = np.cross(across, up)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        first = corners[:, 1] + corners[:, 2] - corners[:, 0] - corners[:, 3]
        first -= (first * normal).sum(1, keepdims=True) * normal
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        axes = np.stack([first, np.cross(normal, first), normal], axis=1)
        local = np.einsum("mij,mkj->mki", axes, corners - corners.mean(1, keepdims=True))
        return axes, local[..., :2]


@dataclass(frozen=True)
class ShellSolution:
    """Displacements and rotations (n, 6); forces and moments (m, 4, 3), xx, yy, xy per length in the facet's axes at
    its Gauss points; shears (m, 4, 2); forces and moments of the supports (n, 6)."""

    displacement: Array
    forces: Array
    moments: Array
    shears: Array
    energy: float
    residual: float
    reaction: Array

    def stress(self, mesh: ShellMesh, face: float | int = 1.0) -> Array:
        """Stress (m, 4, 3) at a height `face` in units of half the thickness: 1 the outer face, -1 the inner, 0 mid."""
        t = mesh.thickness[:, None, None]
        return self.forces / t + face * 6 * self.moments / t**2

    def von_mises(self, mesh: ShellMesh) -> Array:
        """The larger of both faces' von Mises stress, (m, 4)."""
        found = []
        for face in (1.0, -1.0):
            xx, yy, xy = np.moveaxis(self.stress(mesh, face), -1, 0)
            found.append(np.sqrt(xx**2 - xx * yy + yy**2 + 3 * xy**2))
        return np.maximum(*found)


def solve_shell(
    mesh: ShellMesh,
    *,
    young: float | int,
    poisson: float | int,
    fixed: Array,
    load: Array | None = None,
    pressure: float | int | Array = 0.0,
    per_area: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> ShellSolution:
    """Small displacements under load.

    Args:
        fixed: (n, 6) bool, displacements and rotations held at zero. load: (n, 6) forces and moments at nodes.
        pressure: (m,) or a number, along the facets' normals. per_area: force per area in fixed axes, such as weight.
    Raises DomainError for material numbers without a stable solid and a shell that is free to move.
    """
    if young <= 0 or not -1 < poisson < 0.5:
        raise DomainError(f"young={young}, poisson={poisson}; give young > 0 and -1 < poisson < 0.5")
    axes, local = mesh.frames()
    parts = _strains(local)
    stiffness, matrices = _stiffness(mesh, parts, young, poisson)
    turn = np.zeros((len(axes), 24, 24))
    for block in range(8):
        turn[:, 3 * block : 3 * block + 3, 3 * block : 3 * block + 3] = axes
    whole = np.einsum("mba,mbc,mcd->mad", turn, stiffness, turn, optimize=True)
    dofs = (6 * mesh.quads[:, :, None] + np.arange(6)).reshape(len(axes), 24)
    rows, columns = np.repeat(dofs, 24, axis=1).ravel(), np.tile(dofs, (1, 24)).ravel()
    count = 6 * len(mesh.nodes)
    matrix = sp.csr_matrix((whole.ravel(), (rows, columns)), shape=(count, count))
    right = np.zeros(count) if load is None else np.asarray(load, dtype=float).ravel().copy()
    force = np.broadcast_to(np.asarray(pressure, dtype=float), (len(axes),))[:, None] * axes[:, 2] + np.asarray(
        per_area
    )
    np.add.at(right, dofs.reshape(-1, 4, 6)[..., :3], parts.share[:, :, None] * force[:, None])
    u, free = np.zeros(count), ~np.asarray(fixed, dtype=bool).ravel()
    try:
        u[free] = splu(matrix[free][:, free].tocsc()).solve(right[free])
    except RuntimeError as error:
        raise DomainError("the shell can move without resistance; fix more of it") from error
    left = np.linalg.norm((matrix @ u - right)[free]) / (np.linalg.norm(right[free]) or 1.0)
    if not left < 1e-4:
        raise DomainError("the shell can move without resistance; fix more of it")
    inside = np.einsum("mab,mb->ma", turn, u[dofs])
    forces, moments, shears = (np.einsum("mpij,mj->mpi", m, inside) for m in matrices)
    pull = np.where(free, 0.0, matrix @ u - right).reshape(-1, 6)
    return ShellSolution(u.reshape(-1, 6), forces, moments, shears, float(0.5 * u @ (matrix @ u)), float(left), pull)


def clamped(mesh: ShellMesh, where: Callable[[Array], Array]) -> Array:
    """All six degrees of freedom of the nodes for which where(nodes) is true, (n, 6)."""
    return np.repeat(np.asarray(where(mesh.nodes), dtype=bool)[:, None], 6, axis=1)


@dataclass(frozen=True)
class _Parts:
    """At 2 x 2 Gauss points, strains per degree of freedom of the facet (u, v, w and rotations of four nodes): membrane
    and bending (m, 4, 3, 24), shear (m, 4, 2, 24), drilling (m, 4, 24), incompatible modes (m, 4, 3, 4); weights (m, 4)
    of area, and each node's share of it (m, 4)."""

    membrane: Array
    bending: Array
    shear: Array
    drilling: Array
    modes: Array
    area: Array
    share: Array


def _shapes(points: Array) -> tuple[Array, Array]:
    """N (p, 4) and dN/d(r, s) (p, 2, 4)."""
    r, s = points[:, :1] * _CORNERS[:, 0], points[:, 1:] * _CORNERS[:, 1]
    slopes = np.stack([_CORNERS[:, 0] * (1 + s), _CORNERS[:, 1] * (1 + r)], axis=1) / 4
    return (1 + r) * (1 + s) / 4, slopes


def _strains(local: Array) -> _Parts:
    m = len(local)
    values, slopes = _shapes(_POINTS)
    jacobian = np.einsum("pai,mij->mpaj", slopes, local)  # d(x, y) / d(r, s), rows r and s
    area = np.linalg.det(jacobian)
    inverse = np.linalg.inv(jacobian)
    grad = np.einsum("mpia,pak->mpik", inverse, slopes)  # d/dx, d/dy
    dx, dy = grad[:, :, 0], grad[:, :, 1]
    u, v, a, b, c = (np.arange(k, 24, 6) for k in (0, 1, 3, 4, 5))
    membrane, bending = np.zeros((m, 4, 3, 24)), np.zeros((m, 4, 3, 24))
    membrane[:, :, 0, u], membrane[:, :, 1, v] = dx, dy
    membrane[:, :, 2, u], membrane[:, :, 2, v] = dy, dx
    bending[:, :, 0, b], bending[:, :, 1, a] = dx, -dy  # a line along the normal moves by z (theta_y, -theta_x)
    bending[:, :, 2, b], bending[:, :, 2, a] = dy, -dx
    drilling = np.zeros((m, 4, 24))
    drilling[:, :, c] = values
    drilling[:, :, v], drilling[:, :, u] = -dx / 2, dy / 2
    shear = np.einsum("mpij,mpjk->mpik", inverse, _tied_shear(local))
    modes = _incompatible(local, area)
    return _Parts(membrane, bending, shear, drilling, modes, area, np.einsum("mp,pk->mk", area, values))


def _tied_shear(local: Array) -> Array:
    """Covariant shears g_rz, g_sz at the Gauss points (m, 4, 2, 24), tied at the middles of the sides."""
    ties = np.array([[0, -1], [0, 1], [-1, 0], [1, 0]])
    values, slopes = _shapes(ties)
    tangent = np.einsum("pai,mij->mpaj", slopes, local)
    w, a, b = (np.arange(k, 24, 6) for k in (2, 3, 4))
    found = np.zeros((len(local), 4, 24))
    for tie, along in enumerate((0, 0, 1, 1)):
        x, y = tangent[:, tie, along, 0, None], tangent[:, tie, along, 1, None]
        found[:, tie, w] = slopes[tie, along]
        found[:, tie, b], found[:, tie, a] = x * values[tie], -y * values[tie]
    r, s = _POINTS.T[..., None, None]
    low, high, left, right = (found[None, :, k] for k in range(4))
    both = np.stack([(1 - s) / 2 * low + (1 + s) / 2 * high, (1 - r) / 2 * left + (1 + r) / 2 * right], axis=2)
    return np.moveaxis(both, 0, 1)


def _incompatible(local: Array, area: Array) -> Array:
    """Strains of the modes 1 - r^2 and 1 - s^2 in both displacements, which vanish on average (patch test)."""
    _, slopes = _shapes(np.zeros((1, 2)))
    jacobian = np.einsum("ai,mij->maj", slopes[0], local)
    inverse, middle = np.linalg.inv(jacobian), np.linalg.det(jacobian)
    slope = np.zeros((4, 2, 2))  # of mode r and mode s
    slope[:, 0, 0], slope[:, 1, 1] = -2 * _POINTS[:, 0], -2 * _POINTS[:, 1]
    grad = np.einsum("mia,pak->mpik", inverse, slope) * (middle[:, None] / area)[..., None, None]
    found = np.zeros((len(local), 4, 3, 4))
    found[:, :, 0, :2], found[:, :, 1, 2:] = grad[:, :, 0], grad[:, :, 1]
    found[:, :, 2, :2], found[:, :, 2, 2:] = grad[:, :, 1], grad[:, :, 0]
    return found


def _stiffness(mesh: ShellMesh, p: _Parts, young: float | int, poisson: float | int) -> tuple[Array, list[Array]]:
    """Facet matrices (m, 24, 24) in their own axes, and what gives forces, moments and shears from displacements."""
    t = np.asarray(mesh.thickness, dtype=float)
    plane = young / (1 - poisson**2) * np.array([[1, poisson, 0], [poisson, 1, 0], [0, 0, (1 - poisson) / 2]])
    modulus = young / (2 * (1 + poisson))

    def energy(left: Array, law: Array, right: Array) -> Array:
        return np.einsum("mpia,ij,mpjb,mp->mab", left, law, right, p.area, optimize=True)

    inner, coupling = energy(p.modes, plane, p.modes), energy(p.modes, plane, p.membrane)
    answer = -np.linalg.solve(inner, coupling)  # the modes that the displacements call up
    stretch = p.membrane + p.modes @ answer[:, None]
    whole = t[:, None, None] * (energy(p.membrane, plane, p.membrane) + np.swapaxes(coupling, 1, 2) @ answer)
    whole += (t**3 / 12)[:, None, None] * energy(p.bending, plane, p.bending)
    whole += (5 / 6 * modulus * t)[:, None, None] * energy(p.shear, np.eye(2), p.shear)
    whole += (_DRILLING * modulus * t)[:, None, None] * np.einsum("mpa,mpb,mp->mab", p.drilling, p.drilling, p.area)
    thick = t[:, None, None, None]
    return whole, [
        thick * np.einsum("ij,mpjk->mpik", plane, stretch),
        thick**3 / 12 * np.einsum("ij,mpjk->mpik", plane, p.bending),
        5 / 6 * modulus * thick * p.shear,
    ]
