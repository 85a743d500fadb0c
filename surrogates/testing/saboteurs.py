"""Potentials and surrogates with one fault each, the faults that real codes have: every law must catch its own.

Each wraps an honest potential and says in `breaks` which laws its fault must break; it obeys all others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets.batch import AtomsBatch
from surrogates.interfaces import Potential
from surrogates.physics.atoms.pair import switch
from surrogates.tasks.energy import EnergyForcesResult, energy_forces, total


class _Wrapper(nn.Module):
    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential
        self.r_max = potential.r_max
        self.elements = potential.elements
        self.arguments = {"potential": potential}


class AbsoluteCoordinates(_Wrapper):
    """Sees where the origin is: E_i grows with the distance from it."""

    breaks = frozenset({"translation", "supercell", "far parts add"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        return self.potential(atoms) + 0.01 * atoms.positions.square().sum(1)


class PreferredDirection(_Wrapper):
    """Sees which way is up: bonds along z cost energy."""

    breaks = frozenset({"rotation", "reflection"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        return self.potential(atoms) + 0.1 * _to_atoms(_near(atoms, self.r_max) * _directions(atoms)[:, 2] ** 2, atoms)


class Handed(_Wrapper):
    """Tells left from right: adds the triple product of three neighbour-weighted directions, a pseudoscalar."""

    breaks = frozenset({"reflection"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        near, towards = _near(atoms, self.r_max)[:, None], _directions(atoms)
        a, b, c = (_to_atoms(near**k * towards, atoms) for k in (1, 2, 3))
        return self.potential(atoms) + torch.linalg.cross(a, b).mul(c).sum(1)


class OrderDependent(_Wrapper):
    """Gives every second atom of the list a larger share."""

    breaks = frozenset({"permutation"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        place = torch.arange(atoms.numbers.shape[0], device=atoms.numbers.device)
        place = place - torch.searchsorted(atoms.structure, atoms.structure)
        return self.potential(atoms) * (1 + 0.1 * (place % 2))


class HardCutoff(_Wrapper):
    """Lets a neighbour's energy end with a step at r_max."""

    breaks = frozenset({"smooth at cutoff"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        inside = atoms.vectors().norm(dim=1) < self.r_max
        return self.potential(atoms) + 0.01 * _to_atoms(inside.to(atoms.positions.dtype), atoms)


class KinkedCutoff(_Wrapper):
    """Lets a neighbour's energy end at zero but with a slope, so that the force has a step."""

    breaks = frozenset({"smooth at cutoff"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        rest = (self.r_max - atoms.vectors().norm(dim=1)).clamp(min=0)
        return self.potential(atoms) + 0.01 * _to_atoms(rest, atoms)


class Intensive(_Wrapper):
    """Divides by the number of atoms."""

    breaks = frozenset({"supercell", "far parts add"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        count = torch.bincount(atoms.structure, minlength=atoms.n_structures)
        return self.potential(atoms) / count[atoms.structure]


class MeanField(_Wrapper):
    """Lets every atom feel the total energy of its structure, however far away the rest is."""

    breaks = frozenset({"supercell", "far parts add"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        energies = self.potential(atoms)
        return energies * (1 + 0.1 * torch.tanh(total(energies, atoms)))[atoms.structure]


class NoImages(_Wrapper):
    """Forgets the neighbours in other cells."""

    breaks = frozenset({"translation", "supercell"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        own = (atoms.shift == 0).all(1).nonzero()[:, 0]
        return self.potential(replace(atoms, edges=atoms.edges[:, own], shift=atoms.shift[own]))


class BatchNormalised(_Wrapper):
    """Scales by a mean over the whole batch, as a batch norm left in training mode does."""

    breaks = frozenset({"batch = one by one"})

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        energies = self.potential(atoms)
        return energies * (1 + 0.1 * torch.tanh(energies.mean()))


class Forgetful(_Wrapper):
    """Keeps a number that decides the energy out of its state."""

    breaks = frozenset({"saved = loaded"})

    def __init__(self, potential: Potential) -> None:
        super().__init__(potential)
        self.factor = 1.0

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        return self.factor * self.potential(atoms)


class NonConservative(_Wrapper):
    """Predicts forces beside the energy, not from it: covariant, extensive, smooth, and no gradient of anything."""

    breaks = frozenset({"F = -dE/dx", "NVE drift"})

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> EnergyForcesResult:
        result = energy_forces(self.potential, atoms, stress=stress)
        near = _near(atoms, self.r_max)
        push = _to_atoms(near[:, None] * _directions(atoms), atoms) * _to_atoms(near, atoms)[:, None]
        return replace(result, forces=result.forces + 0.1 * push)


class WrongStressSign(_Wrapper):
    """Reports pressure where stress was asked for."""

    breaks = frozenset({"stress = dE/dstrain / V"})

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> EnergyForcesResult:
        result = energy_forces(self.potential, atoms, stress=stress)
        return result if result.stress is None else replace(result, stress=-result.stress)


class VirialForStress(_Wrapper):
    """Forgets to divide by the volume."""

    breaks = frozenset({"stress = dE/dstrain / V"})

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> EnergyForcesResult:
        result = energy_forces(self.potential, atoms, stress=stress)
        if result.stress is None:
            return result
        return replace(result, stress=result.stress * torch.linalg.det(atoms.cell).abs()[:, None])


SABOTEURS: tuple[Any, ...] = (
    AbsoluteCoordinates,
    PreferredDirection,
    Handed,
    OrderDependent,
    HardCutoff,
    KinkedCutoff,
    Intensive,
    MeanField,
    NoImages,
    BatchNormalised,
    Forgetful,
    NonConservative,
    WrongStressSign,
    VirialForStress,
)


def _near(atoms: AtomsBatch, r_max: float) -> Tensor:
    """A smooth weight of each edge, 1 at contact, 0 at r_max."""
    return switch(atoms.vectors().norm(dim=1), 0.0, r_max)


def _directions(atoms: AtomsBatch) -> Tensor:
    return torch.nn.functional.normalize(atoms.vectors(), dim=1)


def _to_atoms(values: Tensor, atoms: AtomsBatch) -> Tensor:
    return values.new_zeros(atoms.numbers.shape[0], *values.shape[1:]).index_add(0, atoms.edges[0], values)
