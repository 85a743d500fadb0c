"""ASE's constraints on a batch: fixed atoms as a mask, symmetry as a projection, other kinds by asking them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ase
import numpy as np
import torch
from ase.constraints import FixAtoms, FixSymmetry
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.simulation.structures import constraints_of
from surrogates.simulation.symmetry import Symmetry, symmetry_of


class Constraints:
    """What the constraints of many structures make of forces, positions, momenta and energies.

    Args:
        atoms: the structures of a batch, in order.
        device: where the batch's tensors are.
    Raises DomainError where fixed atoms and a FixSymmetry contradict each other, or a cell has lost its symmetry.
    """

    def __init__(self, atoms: Sequence[ase.Atoms], device: torch.device) -> None:
        sizes = [len(a) for a in atoms]
        self._first = np.cumsum([0, *sizes])
        free = np.ones(sum(sizes), dtype=bool)
        self._general: dict[int, ase.Atoms] = {}
        self._symmetry: dict[int, Symmetry] = {}
        self.freedoms = 3 * np.array(sizes)
        for k, a in enumerate(atoms):
            own = constraints_of(a)
            fixed = [c for c in own if isinstance(c, FixAtoms)]
            rest = [c for c in own if not isinstance(c, FixAtoms | FixSymmetry)]
            symmetric = [c for c in own if isinstance(c, FixSymmetry)]
            self.freedoms[k] -= sum(c.get_removed_dof(a) for c in (*fixed, *rest))
            for c in symmetric:
                self._symmetry[k] = symmetry_of(c, a, device)
            if rest:
                self._general[k] = a.copy()
                self._general[k].set_constraint([*fixed, *rest])
            else:
                for atoms_held in fixed:
                    free[self._first[k] + atoms_held.get_indices()] = False
            if symmetric:
                held = [int(i) for c in fixed for i in c.get_indices()]
                self.freedoms[k] = self._symmetric_freedoms(k, a, held, rest)
        self._free = None if free.all() else torch.as_tensor(free[:, None], device=device)

    def forces(self, positions: Float[Tensor, "atoms 3"], forces: Float[Tensor, "atoms 3"]) -> Tensor:
        """Forces with what is held taken out, eV/Å."""
        return self._adjusted("adjust_forces", positions, self._symmetrised(self._masked(forces)))

    def momenta(self, positions: Float[Tensor, "atoms 3"], momenta: Float[Tensor, "atoms 3"]) -> Tensor:
        """Momenta with what is held taken out."""
        return self._adjusted("adjust_momenta", positions, self._symmetrised(self._masked(momenta)))

    def positions(self, old: Float[Tensor, "atoms 3"], new: Float[Tensor, "atoms 3"]) -> Tensor:
        """Positions that may be reached from `old` when `new` was wanted, Å."""
        wanted = new if self._free is None else torch.where(self._free, new, old)
        if self._symmetry:
            wanted = old + self._symmetrised(wanted - old)
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

    def _symmetrised(self, values: Tensor) -> Tensor:
        if not self._symmetry:
            return values
        parts = list(values.split(np.diff(self._first).tolist()))
        for k, symmetry in self._symmetry.items():
            parts[k] = symmetry.vectors(parts[k])
        return torch.cat(parts)

    def _symmetric_freedoms(self, k: int, atoms: ase.Atoms, fixed: list[int], rest: list[Any]) -> int:
        symmetry, title = self._symmetry[k], f"structure {k} ({atoms.symbols})"
        if rest:
            raise DomainError(
                f"{title}: FixSymmetry together with {type(rest[0]).__name__}; only FixAtoms goes with it"
            )
        still = torch.zeros(len(atoms), dtype=torch.bool, device=symmetry.maps.device)
        still[fixed] = True
        if bool((still[symmetry.maps] != still).any()):
            raise DomainError(
                f"{title}: its symmetry maps fixed atoms to free ones; fix whole orbits, or drop one of the two"
            )
        return symmetry.freedoms_of(~still)

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
