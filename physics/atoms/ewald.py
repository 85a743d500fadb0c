"""Electrostatic energy of point charges: Ewald's sum for crystals, the direct sum for molecules.

Papers: Die Berechnung optischer und elektrostatischer Gitterpotentiale (doi:10.1002/andp.19213690304), the sum;
Cutoff Errors in the Ewald Summation Formulae for Point Charge Systems (doi:10.1080/08927029208049126), eq. 18 and 32,
the errors of its two parts, from which all parameters follow here.

    E = 1/2 sum' q_i q_j erfc(alpha r)/r + 1/(2 V) sum_k 4 pi/k^2 exp(-k^2/(4 alpha^2)) |S(k)|^2
        - alpha/sqrt(pi) sum q_i^2 - pi Q^2/(2 V alpha^2),    times e^2/(4 pi epsilon_0)

The boundary at infinity is a conductor (tin foil: the term k = 0 is left out), and a cell of total charge Q is filled
with a uniform background of charge -Q, the last term. Everything is made of differentiable operations: forces, stress,
derivatives by charges and second derivatives come from autograd. Which pairs and waves are summed is decided without
derivatives, from the cell as it is; so the energy of a changing cell is smooth up to the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.atoms.neighbors import neighbor_list
from surrogates.physics.units import COULOMB

_PAIR_PER_WAVE = 4.0  # cost of a pair over that of a wave at an atom, measured on one core


@dataclass(frozen=True)
class Splitting:
    """Where Ewald's sum is split, and where its halves are cut.

    Args:
        alpha: inverse width of the screening Gaussians, 1/Å. r_cut: longest pair, Å. k_cut: longest wave vector, 1/Å.
    """

    alpha: float
    r_cut: float
    k_cut: float


def split(charges: Float[Tensor, "atoms"], volume: float, tolerance: float, *, alpha: float | None = None) -> Splitting:
    """The cheapest splitting with `tolerance` (eV/Å) as root-mean-square error of the forces, alike in both sums.

    With `alpha` (1/Å) given, only the two cutoffs are chosen.
    """
    n, square, tolerance = len(charges), square_of(charges), tolerance / math.sqrt(2)
    if alpha is None:
        alpha = (2 * math.pi**3 * _PAIR_PER_WAVE * n / volume**2) ** (1 / 6)
    return Splitting(
        alpha,
        r_cut=smallest(lambda s: real_error(square, n, volume, alpha, s / alpha), tolerance) / alpha,
        k_cut=smallest(lambda s: wave_error(square, n, volume, alpha, 2 * s * alpha), tolerance) * 2 * alpha,
    )


def real_error(square: float, n: int, volume: float, alpha: float, r_cut: float) -> float:
    """Root-mean-square error of the forces from leaving out pairs beyond r_cut, in the unit of `square`/Å^2 (eq. 18).

    `square` is the sum of the squared charges, times e^2/(4 pi epsilon_0).
    """
    return 2 * square * math.exp(-((alpha * r_cut) ** 2)) / math.sqrt(n * r_cut * volume)


def wave_error(square: float, n: int, volume: float, alpha: float, k_cut: float) -> float:
    """The same from leaving out waves beyond k_cut (eq. 32 with K = k_cut L/(2 pi), L the cube root of the volume)."""
    waves = k_cut * volume ** (1 / 3) / (2 * math.pi)
    return (
        2 * square * alpha / volume ** (1 / 3) / math.sqrt(math.pi * waves * n) * math.exp(-((k_cut / 2 / alpha) ** 2))
    )


def ewald(
    positions: Float[Tensor, "atoms 3"],
    charges: Float[Tensor, "atoms"],
    cell: Float[Tensor, "3 3"],
    *,
    tolerance: float = 1e-6,
    alpha: float | None = None,
) -> Float[Tensor, "atoms"]:
    """Energy of each charge (e) of one cell that repeats in all directions, half of each pair's on either; eV.

    Computed in float64 whatever is given. `tolerance` is the error of the forces, eV/Å; `alpha` (1/Å) changes where the
    sum is split and nothing else. Memory grows with atoms times waves, as N^1.5: beyond some 3000 atoms take `pme`.
    """
    x, q, box = positions.double(), charges.double(), cell.double()
    splitting = split(q, volume_of(box), tolerance, alpha=alpha)
    waves = _wave_potential(x, q, box, splitting)
    return (q * (near_potential(x, q, box, splitting) + waves + own_potential(q, box, splitting.alpha)) / 2).to(
        positions.dtype
    )


def direct(positions: Float[Tensor, "atoms 3"], charges: Float[Tensor, "atoms"]) -> Float[Tensor, "atoms"]:
    """Energy of each charge (e) of a molecule, 1/2 q_i sum_j q_j / r_ij; eV."""
    x, q = positions.double(), charges.double()
    i, j = torch.triu_indices(len(q), len(q), offset=1, device=x.device)
    half = COULOMB / 2 * q[i] * q[j] / (x[i] - x[j]).norm(dim=1)
    return q.new_zeros(len(q)).index_add(0, i, half).index_add(0, j, half).to(positions.dtype)


def smallest(error: Callable[[float], float], tolerance: float) -> float:
    """The smallest s in [0.5, 20] whose error is within tolerance; errors fall as exp(-s^2)."""
    low, high = 0.5, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if error(middle) <= tolerance else (middle, high)
    return high


def near_potential(x: Tensor, q: Tensor, cell: Tensor, splitting: Splitting) -> Float[Tensor, "atoms"]:
    """sum_j q_j erfc(alpha r)/r over all images closer than r_cut; V."""
    one, periodic = torch.zeros(len(q), dtype=torch.long, device=x.device), x.new_ones(1, 3, dtype=torch.bool)
    (i, j), shift = neighbor_list(x, one, cell[None], periodic, splitting.r_cut)
    images = torch.round(shift @ torch.linalg.inv(cell.detach()))  # so that the shifts strain with the cell
    r = (x[j] - x[i] + images @ cell).norm(dim=1)
    return q.new_zeros(len(q)).index_add(0, i, COULOMB * q[j] * torch.erfc(splitting.alpha * r) / r)


def own_potential(q: Tensor, cell: Tensor, alpha: float) -> Float[Tensor, "atoms"]:
    """What the waves have too much: each charge's own Gaussian, and the background of a charged cell; V."""
    background = math.pi / alpha**2 * q.sum() / torch.linalg.det(cell).abs()
    return -COULOMB * (2 * alpha / math.sqrt(math.pi) * q + background)


def square_of(charges: Float[Tensor, "atoms"]) -> float:
    """Sum of the squared charges times e^2/(4 pi epsilon_0), eV Å."""
    return COULOMB * float(charges.detach().double().square().sum())


def volume_of(cell: Tensor) -> float:
    """Å^3."""
    return float(torch.linalg.det(cell.detach()).abs())


def _wave_potential(x: Tensor, q: Tensor, cell: Tensor, splitting: Splitting) -> Tensor:
    """4 pi/V sum_k exp(-k^2/(4 alpha^2))/k^2 Re(conj S(k) exp(ik x)), S(k) = sum_j q_j exp(ik x_j); V."""
    reciprocal = 2 * math.pi * torch.linalg.inv(cell).mT  # its rows
    k = _half_of_waves(cell.detach(), splitting.k_cut) @ reciprocal
    square = k.square().sum(1)
    weight = 8 * math.pi / torch.linalg.det(cell).abs() * torch.exp(-square / (4 * splitting.alpha**2)) / square
    phase = x @ k.mT
    cos, sin = torch.cos(phase), torch.sin(phase)
    return COULOMB * (cos @ (weight * (q @ cos)) + sin @ (weight * (q @ sin)))


def _half_of_waves(cell: Tensor, k_cut: float) -> Tensor:
    """Integer (waves, 3) of one of each pair k, -k with 0 < |k| <= k_cut."""
    most = torch.floor(k_cut * cell.norm(dim=1) / (2 * math.pi)).long().tolist()
    axes = [torch.arange(-n if axis else 0, n + 1, device=cell.device) for axis, n in enumerate(most)]
    n = torch.cartesian_prod(*axes)
    first = n[:, 0] * 4 + n[:, 1].sign() * 2 + n[:, 2].sign()  # positive where the first index that is not zero is
    n = n[first > 0].to(cell.dtype)
    inside = (n @ (2 * math.pi * torch.linalg.inv(cell).mT)).norm(dim=1) <= k_cut
    return n[inside]
