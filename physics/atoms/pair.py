"""Energies of a pair of atoms as functions of their distance: Lennard-Jones, Morse, ZBL; and a smooth switch-off.

Papers: Jones, Proc. R. Soc. A 106, 463 (1924); Morse, Phys. Rev. 34, 57 (1929), doi:10.1103/PhysRev.34.57;
Ziegler, Biersack and Littmark, The Stopping and Range of Ions in Solids (Pergamon, 1985), the universal screening.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.physics.units import BOHR, COULOMB

SCREENING_LENGTH = (9 * math.pi**2 / 128) ** (1 / 3) * BOHR  # 0.8853 Bohr, the Thomas-Fermi length, in Å
SCREENING_POWER = 0.23
SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))

Pairs = Float[Tensor, "*#pairs"]


def lennard_jones(r: Float[Tensor, "*pairs"], epsilon: Pairs | float, sigma: Pairs | float) -> Float[Tensor, "*pairs"]:
    """4 epsilon ((sigma/r)^12 - (sigma/r)^6): -epsilon at r = 2^(1/6) sigma; Å in, unit of epsilon out."""
    sixth = (sigma / r) ** 6
    return 4 * epsilon * (sixth * sixth - sixth)


def morse(
    r: Float[Tensor, "*pairs"], depth: Pairs | float, width: Pairs | float, r0: Pairs | float
) -> Float[Tensor, "*pairs"]:
    """depth ((1 - exp(-width (r - r0)))^2 - 1): -depth at r0, curvature 2 depth width^2 there; width in 1/Å."""
    bent = torch.exp(-width * (r - r0))
    return depth * bent * (bent - 2)


def zbl(r: Float[Tensor, "*pairs"], z_i: Int[Tensor, "*pairs"], z_j: Int[Tensor, "*pairs"]) -> Float[Tensor, "*pairs"]:
    """Coulomb repulsion of two nuclei times the universal screening function phi(r/a), eV; r > 0 in Å.

    a = 0.8853 Bohr / (z_i^0.23 + z_j^0.23), phi(x) = sum_k c_k exp(-d_k x).
    """
    zi, zj = z_i.to(r.dtype), z_j.to(r.dtype)
    x = r * (zi**SCREENING_POWER + zj**SCREENING_POWER) / SCREENING_LENGTH
    screening = sum((c * torch.exp(-d * x) for c, d in SCREENING), torch.zeros_like(x))
    return COULOMB * zi * zj / r * screening


def switch(r: Float[Tensor, "*pairs"], start: Pairs | float, end: Pairs | float) -> Float[Tensor, "*pairs"]:
    """1 - 10 t^3 + 15 t^4 - 6 t^5 with t = (r - start)/(end - start) held in [0, 1].

    1 up to `start`, 0 from `end` on, two continuous derivatives: energies, forces and Hessians stay continuous.
    """
    t = ((r - start) / (end - start)).clamp(0, 1)
    return 1 - t**3 * (10 - 15 * t + 6 * t**2)
