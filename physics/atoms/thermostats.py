"""Momenta at a temperature: drawing them, mixing them with a bath, and taking overall motion out.

Momenta are in ASE's units, sqrt(amu eV); kinetic energy p^2/2m is then in eV.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.physics.units import KB


def maxwell_boltzmann(
    masses: Float[Tensor, "atoms"], temperature: Float[Tensor, "atoms"], noise: Float[Tensor, "atoms 3"]
) -> Float[Tensor, "atoms 3"]:
    """p = sqrt(m kT) noise; masses in amu, temperature of each atom in K, noise standard normal."""
    return (masses * KB * temperature).sqrt()[:, None] * noise


def ornstein_uhlenbeck(
    momenta: Float[Tensor, "atoms 3"],
    masses: Float[Tensor, "atoms"],
    temperature: Float[Tensor, "atoms"],
    decay: float,
    noise: Float[Tensor, "atoms 3"],
) -> Float[Tensor, "atoms 3"]:
    """Exact solution of dp = -gamma p dt + sqrt(2 gamma m kT) dW over a time dt, with `decay` = gamma dt."""
    keep = math.exp(-decay)
    return keep * momenta + math.sqrt(-math.expm1(-2 * decay)) * maxwell_boltzmann(masses, temperature, noise)


def kinetic_energy(
    momenta: Float[Tensor, "atoms 3"], masses: Float[Tensor, "atoms"], structure: Int[Tensor, "atoms"], structures: int
) -> Float[Tensor, "structures"]:
    """Sum of p^2 / 2m over each structure, eV."""
    return momenta.new_zeros(structures).index_add(0, structure, momenta.square().sum(1) / (2 * masses))


def without_drift(
    momenta: Float[Tensor, "atoms 3"], masses: Float[Tensor, "atoms"], structure: Int[Tensor, "atoms"], structures: int
) -> Float[Tensor, "atoms 3"]:
    """Momenta in the frame of each structure's centre of mass."""
    total = momenta.new_zeros(structures, 3).index_add(0, structure, momenta)
    mass = masses.new_zeros(structures).index_add(0, structure, masses)
    return momenta - masses[:, None] * (total / mass[:, None]).index_select(0, structure)


def without_rotation(
    positions: Float[Tensor, "atoms 3"],
    momenta: Float[Tensor, "atoms 3"],
    masses: Float[Tensor, "atoms"],
    structure: Int[Tensor, "atoms"],
    structures: int,
) -> Float[Tensor, "atoms 3"]:
    """Momenta without angular momentum about each structure's centre of mass; a pseudo-inverse serves linear ones."""
    mass = masses.new_zeros(structures).index_add(0, structure, masses)
    centre = positions.new_zeros(structures, 3).index_add(0, structure, masses[:, None] * positions) / mass[:, None]
    r = positions - centre.index_select(0, structure)
    angular = momenta.new_zeros(structures, 3).index_add(0, structure, torch.linalg.cross(r, momenta))
    each = masses[:, None, None] * (
        r.square().sum(1)[:, None, None] * torch.eye(3, dtype=r.dtype, device=r.device) - r[:, :, None] * r[:, None, :]
    )
    inertia = positions.new_zeros(structures, 3, 3).index_add(0, structure, each)
    turn = torch.einsum("skl,sl->sk", torch.linalg.pinv(inertia, hermitian=True, rtol=1e-10), angular)
    return momenta - masses[:, None] * torch.linalg.cross(turn.index_select(0, structure), r)
