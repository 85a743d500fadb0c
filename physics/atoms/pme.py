"""A smooth particle mesh Ewald method (doi:10.1063/1.470117): Ewald's waves on a mesh, in N log N operations.

Kept: cardinal B-splines spread the charges (eq. 3.2, 4.1, 4.6) and interpolate the potential, Euler's exponential
splines correct for it (eq. 4.7, 4.8). Changed: forces are derivatives of the energy by autograd, so they are
conservative; their sum is zero up to the tolerance only.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.atoms.ewald import (
    Splitting,
    near_potential,
    own_potential,
    real_error,
    smallest,
    square_of,
    volume_of,
)
from surrogates.physics.errors import DomainError
from surrogates.physics.units import COULOMB

ORDERS = (4, 6, 8, 10)
_NEIGHBORS = 120  # pairs per atom; measured: from 60 to 250 makes little difference
_COARSEST = 0.5  # alpha times spacing, beyond which the law of errors below does not hold
_ERROR = {4: 0.6, 6: 0.1, 8: 0.06, 10: 0.06}


def pme(
    positions: Float[Tensor, "atoms 3"],
    charges: Float[Tensor, "atoms"],
    cell: Float[Tensor, "3 3"],
    *,
    tolerance: float = 1e-4,
    order: int = 8,
) -> Float[Tensor, "atoms"]:
    """Energy of each charge (e) of one cell that repeats in all directions, half of each pair's on either; eV.

    Computed in float64 whatever is given. `tolerance` is the root-mean-square error of the forces, eV/Å; `order` is
    that of the B-splines, one of 4, 6, 8, 10 (odd ones have no exponential spline at the edge of the waves).
    """
    if order not in ORDERS:
        raise DomainError(f"order={order}: B-splines of the order {', '.join(map(str, ORDERS))} are there")
    x, q, box = positions.double(), charges.double(), cell.double()
    splitting, mesh = plan(q, box, tolerance, order)
    waves = _mesh_potential(x, q, box, splitting.alpha, mesh, order)
    return (q * (near_potential(x, q, box, splitting) + waves + own_potential(q, box, splitting.alpha)) / 2).to(
        positions.dtype
    )


def plan(
    charges: Float[Tensor, "atoms"], cell: Float[Tensor, "3 3"], tolerance: float, order: int
) -> tuple[Splitting, tuple[int, int, int]]:
    """Splitting (its k_cut is the mesh's finest wave) and mesh points along each lattice vector."""
    n, square, volume, tolerance = len(charges), square_of(charges), volume_of(cell), tolerance / math.sqrt(2)
    r_cut = (3 * _NEIGHBORS * volume / (4 * math.pi * n)) ** (1 / 3)
    alpha = smallest(lambda s: real_error(square, n, volume, s / r_cut, r_cut), tolerance) / r_cut
    scale = mesh_error(square, n, volume, alpha, 1.0, order)
    spacing = min((tolerance / scale) ** (1 / order), _COARSEST / alpha)
    mesh = tuple(_smooth(max(order, math.ceil(length / spacing))) for length in cell.norm(dim=1).tolist())
    return Splitting(alpha, r_cut, math.pi / spacing), mesh  # type: ignore[return-value]


def mesh_error(square: float, n: int, volume: float, alpha: float, spacing: float, order: int) -> float:
    """Root-mean-square error of the forces of a mesh of this spacing (Å), in the unit of `square`/Å^2.

    The law (alpha h)^order sqrt(alpha L) Q^2/(L^2 sqrt N) of particle meshes (doi:10.1063/1.477415, eq. 38, leading
    term); its constants for these splines and derivatives were measured on disordered charges.
    """
    side = volume ** (1 / 3)
    return _ERROR[order] * square * (alpha * spacing) ** order * math.sqrt(alpha * side / n) / side**2


def _mesh_potential(x: Tensor, q: Tensor, cell: Tensor, alpha: float, mesh: tuple[int, int, int], order: int) -> Tensor:
    """The potential of all waves at the charges, V."""
    points, weights = _stencil(x, cell, mesh, order)
    density = q.new_zeros(math.prod(mesh)).index_add(0, points.flatten(), (q[:, None] * weights).flatten())
    waves = torch.fft.rfftn(density.reshape(mesh))
    potential = torch.fft.irfftn(waves * _influence(cell, alpha, mesh, order), s=mesh, norm="forward")
    return COULOMB * (potential.flatten()[points] * weights).sum(1)


def _stencil(x: Tensor, cell: Tensor, mesh: tuple[int, int, int], order: int) -> tuple[Tensor, Tensor]:
    """Mesh points (atoms, order^3) that each charge is spread over, and with which weights."""
    size = torch.tensor(mesh, device=x.device)
    u = x @ torch.linalg.inv(cell) * size
    below = u.detach().floor()
    values = _b_splines(u - below, order)  # (atoms, 3, order)
    steps = torch.arange(order, device=x.device)
    place = (below.long()[:, :, None] - steps) % size[:, None]
    a, b, c = place.unbind(1)
    points = (a[:, :, None, None] * mesh[1] + b[:, None, :, None]) * mesh[2] + c[:, None, None, :]
    wa, wb, wc = values.unbind(1)
    weights = wa[:, :, None, None] * wb[:, None, :, None] * wc[:, None, None, :]
    return points.flatten(1), weights.flatten(1)


def _b_splines(w: Tensor, order: int) -> Tensor:
    """M_order(w + t) for t = 0 ... order - 1 and w in [0, 1), in a new last dimension (eq. 4.1)."""
    values = torch.ones_like(w)[..., None]
    w = w[..., None]
    for n in range(2, order + 1):
        t = torch.arange(n, dtype=w.dtype, device=w.device)
        left, right = torch.nn.functional.pad(values, (0, 1)), torch.nn.functional.pad(values, (1, 0))
        values = ((w + t) * left + (n - w - t) * right) / (n - 1)
    return values


def _influence(cell: Tensor, alpha: float, mesh: tuple[int, int, int], order: int) -> Tensor:
    """4 pi/V exp(-k^2/(4 alpha^2))/k^2 |b|^2 of every wave of the mesh's half spectrum, 0 at k = 0."""
    like = {"dtype": cell.dtype, "device": cell.device}
    n = [torch.fft.fftfreq(m, 1 / m, **like) for m in mesh[:2]] + [torch.fft.rfftfreq(mesh[2], 1 / mesh[2], **like)]
    k = torch.cartesian_prod(*n) @ (2 * math.pi * torch.linalg.inv(cell).mT)
    square = k.square().sum(1).reshape([len(axis) for axis in n])
    zero = torch.zeros_like(square, dtype=torch.bool)
    zero[0, 0, 0] = True
    square = square.where(~zero, 1.0)
    spread = [_euler(axis, m, order) for axis, m in zip(n, mesh, strict=True)]
    correction = spread[0][:, None, None] * spread[1][None, :, None] * spread[2][None, None, :]
    green = 4 * math.pi / torch.linalg.det(cell).abs() * torch.exp(-square / (4 * alpha**2)) / square
    return (green * correction).where(~zero, 0.0)


def _euler(n: Tensor, points: int, order: int) -> Tensor:
    """|b(n)|^2 of the exponential spline, 1 / |sum_t M(t + 1) exp(2 pi i n t / points)|^2 (eq. 4.4)."""
    values = _b_splines(n.new_zeros(1), order)[0, 1:]  # M at 1 ... order - 1
    angle = 2 * math.pi / points * n[:, None] * torch.arange(order - 1, dtype=n.dtype, device=n.device)
    return 1 / ((values * angle.cos()).sum(1).square() + (values * angle.sin()).sum(1).square())


def _smooth(least: int) -> int:
    """The next number whose only prime factors are 2, 3 and 5, for which the transform is fastest."""
    while True:
        rest = least
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return least
        least += 1
