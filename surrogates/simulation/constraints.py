"""ASE's constraints on a batch: fixed atoms as a mask, every other kind by asking it, structure by structure."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np
import torch
from ase.constraints import FixAtoms
from jaxtyping import Float
from torch import Tensor

from surrogates.simulation.structures import constraints_of


class Constraints:
    """What the constraints of many structures make of forces, positions, momenta and energies.

    Args:
        atoms: the structures of a batch, in order.
        device: where the batch's tensors are.
    """

    def __init__(self, atoms: Sequence[ase.Atoms], device: torch.device) -> None:
        sizes = [len(a) for a in atoms]
        self._first = np.cumsum([0, *sizes])
        free = np.ones(sum(sizes), dtype=bool)
        self._general: dict[int, ase.Atoms] = {}
        self.freedoms = 3 * np.array(sizes)
        for k, a in enumerate(atoms):
            own = constraints_of(a)
            self.freedoms[k] -= sum(c.get_removed_dof(a) for c in own)
            fixed = [c for c in own if isinstance(c, FixAtoms)]
            if len(fixed) < len(own):
                self._general[k] = a.copy()
            else:
                for c in fixed:
                    free[self._first[k] + c.get_indices()] = False
        self._free = None if free.all() else torch.as_tensor(free[:, None], device=device)

    def forces(self, positions: Float[Tensor, "atoms 3"], forces: Float[Tensor, "atoms 3"]) -> Tensor:
        """Forces with what is held taken out, eV/Å."""
        return self._adjusted("adjust_forces", positions, self._masked(forces))

    def momenta(self, positions: Float[Tensor, "atoms 3"], momenta: Float[Tensor, "atoms 3"]) -> Tensor:
        """Momenta with what is held taken out."""
        return self._adjusted("adjust_momenta", positions, self._masked(momenta))

    def positions(self, old: Float[Tensor, "atoms 3"], new: Float[Tensor, "atoms 3"]) -> Tensor:
        """Positions that may be reached from `old` when `new` was wanted, Å."""
        wanted = new if self._free is None else torch.where(self._free, new, old)
        return self._adjusted("adjust_positions", old, wanted)

    def energies(self, positions: Float[Tensor, "atoms 3"], energy: Float[Tensor, "structures"]) -> Tensor:
        """Energies with those that constraints such as springs add, eV."""
        for k, a in self._general.items():
            a.positions = self._rows(positions, k)
            extra = sum(c.adjust_potential_energy(a) for c in a.constraints if hasattr(c, "adjust_potential_energy"))
            energy = energy.index_add(0, torch.tensor([k], device=energy.device), energy.new_tensor([extra]))
        return energy

    @property
    def general(self) -> bool:
        """Whether anything but fixed atoms is there, so that momenta follow from the positions reached."""
        return bool(self._general)

    def _masked(self, values: Tensor) -> Tensor:
        return values if self._free is None else torch.where(self._free, values, torch.zeros_like(values))

    def _rows(self, values: Tensor, k: int) -> np.ndarray:
        return values[self._first[k] : self._first[k + 1]].detach().cpu().numpy().copy()

    def _adjusted(self, what: str, at: Tensor, values: Tensor) -> Tensor:
        if not self._general:
            return values
        values = values.clone()
        for k, a in self._general.items():
            a.positions = self._rows(at, k)
            rows = self._rows(values, k)
            for constraint in a.constraints:
                if hasattr(constraint, what):
                    getattr(constraint, what)(a, rows)
            values[self._first[k] : self._first[k + 1]] = torch.as_tensor(rows).to(values)
        return values
