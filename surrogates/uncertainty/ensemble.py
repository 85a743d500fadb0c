"""Several surrogates that learned the same thing from different seeds.

Paper: Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles (arXiv:1612.01474): the mean predicts,
the scatter of the members tells how far to trust it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.errors import DomainError
from surrogates.tasks.energy import EnergyForcesResult


class Ensemble(nn.Module):
    """The mean of its members, a Surrogate like each of them.

    Args:
        members: tasks such as EnergyForces, with the same elements.
    The forces are still the exact derivative of the energy, since both are means over the same members.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise DomainError("an ensemble of no members; give at least one trained task, two for a spread")
        kinds = {tuple(m.elements) for m in members}  # type: ignore[arg-type]
        if len(kinds) > 1:
            raise DomainError(f"the members know different elements {sorted(kinds)}; train them on the same data")
        self.members = nn.ModuleList(members)

    @property
    def r_max(self) -> float:
        """The longest cutoff among the members, Å."""
        return max(float(m.r_max) for m in self.members)  # type: ignore[arg-type]

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that the members know, () for any."""
        return tuple(self.members[0].elements)  # type: ignore[arg-type]

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Mean energy of each atom, eV."""
        return torch.stack([member(atoms) for member in self.members]).mean(dim=0)

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> EnergyForcesResult:
        """Means; with `spread` the members' sample standard deviations, of each component and not calibrated."""
        results = self.each(atoms, stress=stress)
        mean = average(results)
        if not spread:
            return mean
        if len(results) < 2:
            raise DomainError("one member has no scatter; give the ensemble two or more, or calibrate it")
        energy = torch.stack([r.energy for r in results])
        forces = torch.stack([r.forces for r in results])
        return replace(mean, energy_std=energy.std(dim=0), forces_std=forces.std(dim=0))

    def hessian(self, atoms: AtomsBatch) -> Float[Tensor, "dof dof"]:
        """Mean of the members' second derivatives, (3N, 3N) in eV/Å^2."""
        return torch.stack([member.hessian(atoms) for member in self.members]).mean(dim=0)  # type: ignore[operator]

    def each(self, atoms: AtomsBatch, *, stress: bool = False) -> list[EnergyForcesResult]:
        """What every member says, on the same edges."""
        atoms = atoms if atoms.r_max >= self.r_max else atoms.with_edges(self.r_max)
        return [member.predict(atoms, stress=stress) for member in self.members]  # type: ignore[operator]


def average(results: Sequence[EnergyForcesResult]) -> EnergyForcesResult:
    """The mean of each quantity that all results have."""

    def mean(name: str) -> Tensor | None:
        values = [getattr(result, name) for result in results]
        return None if any(v is None for v in values) else torch.stack(values).mean(dim=0)

    return EnergyForcesResult(**{name: mean(name) for name in ("energy", "forces", "energies", "stress")})  # type: ignore[arg-type]
