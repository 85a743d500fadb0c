"""One structure with its reference values, as numpy arrays: what a data set hands out row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from jaxtyping import Bool, Float, Integer

UNITS = {
    "positions": "Å",
    "cell": "Å",
    "charge": "e",
    "energy": "eV",
    "forces": "eV/Å",
    "stress": "eV/Å^3",
    "dipole": "e Å",
    "hessian": "eV/Å^2",
}
LABELS = ("energy", "forces", "stress", "dipole", "hessian")


@dataclass(frozen=True, eq=False)
class Sample:
    """A structure and its labels in the units of `UNITS`; a label that the data do not have is None.

    Args:
        numbers: atomic numbers.
        positions: Å.
        cell: rows are lattice vectors, Å; zero rows where there is no cell.
        pbc: periodic directions.
        charge: total charge, e.
        multiplicity: spin multiplicity 2S + 1.
        energy: eV. forces: eV/Å. stress: eV/Å^3, Voigt xx yy zz yz xz xy. dipole: e Å. hessian: eV/Å^2.
        group: the trajectory this frame belongs to; neighbouring frames of one group are alike.
        row: where it stands in the collection it came from; -1 for a sample on its own.
    """

    numbers: Integer[np.ndarray, "atoms"]
    positions: Float[np.ndarray, "atoms 3"]
    cell: Float[np.ndarray, "3 3"]
    pbc: Bool[np.ndarray, "3"]
    charge: float | int = 0.0
    multiplicity: int = 1
    energy: float | None = None
    forces: Float[np.ndarray, "atoms 3"] | None = None
    stress: Float[np.ndarray, "6"] | None = None
    dipole: Float[np.ndarray, "3"] | None = None
    hessian: Float[np.ndarray, "coordinates coordinates"] | None = None
    group: str = ""
    row: int = -1

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def formula(self) -> str:
        """Composition in Hill order, such as C2H6O."""
        return ase.Atoms(self.numbers).get_chemical_formula()

    def atoms(self) -> ase.Atoms:
        """A copy as ase.Atoms: labels in a SinglePointCalculator, charge and multiplicity in `info`."""
        info: dict[str, Any] = {"charge": self.charge, "multiplicity": self.multiplicity}
        if self.group:
            info["group"] = self.group
        atoms = ase.Atoms(self.numbers, self.positions, cell=self.cell, pbc=self.pbc, info=info)
        labels = {k: getattr(self, k) for k in ("energy", "forces", "stress", "dipole")}
        labels = {k: v for k, v in labels.items() if v is not None}
        if labels:
            atoms.calc = SinglePointCalculator(atoms, **labels)
        return atoms
