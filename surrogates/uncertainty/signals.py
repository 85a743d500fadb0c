"""Signs of trouble that a prediction brings along, before any error is known.

For each atom: how far the members' forces scatter, here and around; what the last layer's posterior allows; how unusual
the neighbourhood is, here and around; how strong the force is. For each structure: the same for its energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.tasks.energy import EnergyForcesResult, total
from surrogates.uncertainty.environment import Environments
from surrogates.uncertainty.last_layer import LastLayer

WEAK = 0.1  # eV/Å: below this the strength of a force says nothing
FAR = 1e3  # distances are cut here, so that an unknown element has a large spread and not an infinite one


@dataclass(frozen=True)
class Signals:
    """Where the signs come from; each column is positive, of the order of an error or of one.

    Args:
        environments: the training neighbourhoods.
        last_layer: posterior of the first member's last layer; None where members scatter instead, or have no features.
        directions: backward passes spent on the last layer's forces.
    """

    environments: Environments
    last_layer: LastLayer | None = None
    directions: int = 8

    def of_atoms(
        self, members: Sequence[Any], results: Sequence[EnergyForcesResult], atoms: AtomsBatch
    ) -> Float[Tensor, "atoms signals"]:
        """One row per atom, float64."""
        forces = torch.stack([r.forces for r in results]).double()
        distance = self.environments.distance(atoms).clamp(max=FAR)
        columns = [distance, (forces.mean(dim=0).square().sum(dim=1) + WEAK**2).sqrt()]
        columns.append(self.environments.around(atoms, distance))
        if len(results) > 1:
            scatter = forces.var(dim=0).sum(dim=1).sqrt()
            columns += [scatter, self.environments.around(atoms, scatter)]
        if self.last_layer is not None:
            allowed = self.last_layer.forces_std(members[0], atoms, directions=self.directions).double()
            columns += [allowed, self.environments.around(atoms, allowed)]
        return torch.stack(columns, dim=1)

    def of_structures(
        self,
        members: Sequence[Any],
        results: Sequence[EnergyForcesResult],
        atoms: AtomsBatch,
        expected: Float[Tensor, "atoms"],
    ) -> Float[Tensor, "structures signals"]:
        """One row per structure, float64; `expected` is the size of force error expected of each atom, eV/Å."""
        energies = torch.stack([r.energy for r in results]).double()
        columns = [total(torch.ones_like(expected), atoms), total(expected.square(), atoms).sqrt()]
        if len(results) > 1:
            columns.append(energies.std(dim=0))
        if self.last_layer is not None:
            columns.append(self.last_layer.energy_std(members[0], atoms).double())
        return torch.stack(columns, dim=1)
