"""What follows from elastic constants: stability, averages over a polycrystal, anisotropy, sound.

Papers:
The Elastic Behaviour of a Crystalline Aggregate (doi:10.1088/0370-1298/65/5/307);
Necessary and sufficient elastic stability conditions in various crystal systems (arXiv:1410.0065);
Universal Elastic Anisotropy Index (doi:10.1103/PhysRevLett.101.055504).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from surrogates.physics.atoms.elastic import elastic_tensor, to_mandel
from surrogates.physics.units import HBAR, KB

_DIRECTIONS = 24  # of the quadrature, along the polar angle; twice as many around


@dataclass(frozen=True)
class Moduli:
    """Isotropic averages of a polycrystal, in the unit of the constants that they come from.

    Args:
        bulk_voigt, bulk_reuss, shear_voigt, shear_reuss: upper and lower bounds (equal strain, equal stress).
    """

    bulk_voigt: float
    bulk_reuss: float
    shear_voigt: float
    shear_reuss: float

    @property
    def bulk(self) -> float:
        """Hill's mean of Voigt's and Reuss's bulk modulus."""
        return (self.bulk_voigt + self.bulk_reuss) / 2

    @property
    def shear(self) -> float:
        """Hill's mean of Voigt's and Reuss's shear modulus."""
        return (self.shear_voigt + self.shear_reuss) / 2

    @property
    def young(self) -> float:
        """9 K G / (3 K + G) of Hill's means."""
        return 9 * self.bulk * self.shear / (3 * self.bulk + self.shear)

    @property
    def poisson(self) -> float:
        """Poisson's ratio of Hill's means."""
        return (3 * self.bulk - 2 * self.shear) / (2 * (3 * self.bulk + self.shear))

    @property
    def anisotropy(self) -> float:
        """Universal index 5 G_V/G_R + K_V/K_R - 6: zero of an isotropic crystal, at least zero of any stable one."""
        return 5 * self.shear_voigt / self.shear_reuss + self.bulk_voigt / self.bulk_reuss - 6


def moduli(constants: Float[np.ndarray, "6 6"]) -> Moduli:
    """Voigt's and Reuss's averages of a Voigt matrix, which must be invertible."""
    s = np.linalg.inv(constants)
    c = constants
    stiff = [c[:3, :3].sum(), np.trace(c[:3, :3]), np.trace(c[3:, 3:])]
    soft = [s[:3, :3].sum(), np.trace(s[:3, :3]), np.trace(s[3:, 3:])]
    return Moduli(
        bulk_voigt=float(stiff[0] / 9),
        bulk_reuss=float(1 / soft[0]),
        shear_voigt=float((3 * stiff[1] - stiff[0] + 6 * stiff[2]) / 30),
        shear_reuss=float(15 / (6 * soft[1] - 2 * soft[0] + 3 * soft[2])),
    )


def stiffnesses(constants: Float[np.ndarray, "6 6"]) -> Float[np.ndarray, "6"]:
    """Eigenvalues of the map from strains to stresses, ascending; a crystal is stable when all are positive (Born)."""
    mandel = to_mandel(constants)
    return np.linalg.eigvalsh((mandel + mandel.T) / 2)


def sound_velocities(
    constants: Float[np.ndarray, "6 6"], density: float, directions: Float[np.ndarray, "directions 3"]
) -> Float[np.ndarray, "directions 3"]:
    """Christoffel's three velocities along unit vectors, ascending; sqrt(constants/density), NaN where unstable.

    With eV/Å^3 and amu/Å^3 in, velocities are in ASE's units, Å per internal time.
    """
    christoffel = np.einsum("ijkl,nj,nl->nik", elastic_tensor(constants), directions, directions)
    squares = np.linalg.eigvalsh(christoffel) / density
    return np.sqrt(np.where(squares > 0, squares, np.nan))


def debye_temperature(constants: Float[np.ndarray, "6 6"], volume: float, mass: float, atoms: int) -> float:
    """Debye temperature at low temperature, K, from the sound velocities of all directions; NaN of an unstable crystal.

    hbar/k_B (6 pi^2 atoms/volume)^(1/3) <v^-3>^(-1/3), the mean over directions and branches.

    Args:
        constants: eV/Å^3. volume: of the cell, Å^3. mass: of its atoms, amu. atoms: how many they are.
    """
    cosine, weight = np.polynomial.legendre.leggauss(_DIRECTIONS)
    around = 2 * np.pi * np.arange(2 * _DIRECTIONS) / (2 * _DIRECTIONS)
    sine = np.sqrt(1 - cosine**2)
    xy = sine[:, None, None] * np.stack([np.cos(around), np.sin(around)], axis=-1)
    z = np.broadcast_to(cosine[:, None, None], (*xy.shape[:2], 1))
    velocities = sound_velocities(constants, mass / volume, np.concatenate([xy, z], axis=-1).reshape(-1, 3))
    means = (velocities**-3.0).reshape(_DIRECTIONS, -1).mean(axis=1)
    velocity = float(weight @ means / weight.sum()) ** (-1 / 3)
    return float(HBAR / KB * (6 * np.pi**2 * atoms / volume) ** (1 / 3) * velocity)
