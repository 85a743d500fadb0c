"""What a relaxation gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import ase
import numpy as np
from jaxtyping import Bool, Float, Integer


@dataclass(frozen=True)
class CellResult:
    """What relaxed cells are left with.

    Args:
        stress: of the last cells, eV/Å^3, Voigt xx yy zz yz xz xy, ASE's sign.
        smax: largest component of stress + pressure along the strains that were allowed, eV/Å^3. limit: asked for.
        pressure: eV/Å^3.
    """

    stress: Float[np.ndarray, "structures 6"]
    smax: Float[np.ndarray, "structures"]
    limit: float
    pressure: float


@dataclass(frozen=True)
class Relaxed:
    """Relaxed structures in the order given; a sequence of ase.Atoms with energy and forces attached.

    Args:
        atoms: the last positions of each, also of those that failed or did not converge.
        converged: whether the largest force on an atom, constraints taken out, is below `fmax`, and where cells relax
            the largest component of stress + pressure below `smax`.
        steps: displacements made. energy: eV. fmax: that largest force, eV/Å. energy_std: eV, None without a spread.
        failure: why a structure was left behind; None where it was not.
        limit: the `fmax` that was asked for, eV/Å. cell: stresses, where cells were relaxed too; None otherwise.
    """

    atoms: tuple[ase.Atoms, ...]
    converged: Bool[np.ndarray, "structures"]
    steps: Integer[np.ndarray, "structures"]
    energy: Float[np.ndarray, "structures"]
    fmax: Float[np.ndarray, "structures"]
    failure: tuple[str | None, ...]
    limit: float
    energy_std: Float[np.ndarray, "structures"] | None = None
    cell: CellResult | None = None

    @property
    def stress(self) -> Float[np.ndarray, "structures 6"] | None:
        """eV/Å^3, Voigt order, ASE's sign; None where cells stayed."""
        return None if self.cell is None else self.cell.stress

    @property
    def enthalpy(self) -> Float[np.ndarray, "structures"]:
        """E + p V, eV; the energy where cells stayed."""
        if self.cell is None:
            return self.energy
        return self.energy + self.cell.pressure * np.array([a.cell.volume for a in self.atoms])

    def __len__(self) -> int:
        return len(self.atoms)

    def __getitem__(self, index: int) -> ase.Atoms:
        return self.atoms[index]

    def __iter__(self) -> Iterator[ase.Atoms]:
        return iter(self.atoms)

    def __str__(self) -> str:
        failed = [(k, why) for k, why in enumerate(self.failure) if why]
        lines = [
            f"{int(self.converged.sum())} of {len(self)} structures relaxed to {self.limit:g} eV/Å"
            f"{self._stress_limit()}, {int(self.steps.max())} steps at most, {len(failed)} failed"
        ]
        return "\n".join(lines + [f"structure {k} ({self.atoms[k].symbols}): {why}" for k, why in failed])

    def _stress_limit(self) -> str:
        return "" if self.cell is None else f" and {self.cell.limit:g} eV/Å^3"
