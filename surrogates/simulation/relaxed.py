"""What a relaxation gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import ase
import numpy as np
from jaxtyping import Bool, Float, Integer


@dataclass(frozen=True)
class Relaxed:
    """Relaxed structures in the order given; a sequence of ase.Atoms with energy and forces attached.

    Args:
        atoms: the last positions of each, also of those that failed or did not converge.
        converged: whether the largest force on an atom, constraints taken out, is below `fmax`.
        steps: displacements made. energy: eV. fmax: that largest force, eV/Å. energy_std: eV, None without a spread.
        failure: why a structure was left behind; None where it was not.
        limit: the `fmax` that was asked for, eV/Å.
    """

    atoms: tuple[ase.Atoms, ...]
    converged: Bool[np.ndarray, "structures"]
    steps: Integer[np.ndarray, "structures"]
    energy: Float[np.ndarray, "structures"]
    fmax: Float[np.ndarray, "structures"]
    failure: tuple[str | None, ...]
    limit: float
    energy_std: Float[np.ndarray, "structures"] | None = None

    def __len__(self) -> int:
        return len(self.atoms)

    def __getitem__(self, index: int) -> ase.Atoms:
        return self.atoms[index]

    def __iter__(self) -> Iterator[ase.Atoms]:
        return iter(self.atoms)

    def __str__(self) -> str:
        failed = [(k, why) for k, why in enumerate(self.failure) if why]
        lines = [
            f"{int(self.converged.sum())} of {len(self)} structures relaxed to {self.limit:g} eV/Å, "
            f"{int(self.steps.max())} steps at most, {len(failed)} failed"
        ]
        return "\n".join(lines + [f"structure {k} ({self.atoms[k].symbols}): {why}" for k, why in failed])
