"""Relaxed structures as a file, and their certificate by a reference. Imported in workers only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase.build import minimize_rotation_and_translation

from surrogates.datasets import Structures
from surrogates.datasets.adapters.ase import sample_of
from surrogates.simulation import relax
from surrogates.workflows.desk import Desk
from surrogates.workflows.reference_calls import CachedReference, measured_calculator, silent
from surrogates.workflows.steps.relax import Certified


class Counting:
    """A surrogate that counts the structures it is asked about."""

    def __init__(self, surrogate: Any) -> None:
        self.inner = surrogate  # not `surrogate`, which as_surrogate would unwrap
        self.r_max, self.elements = surrogate.r_max, surrogate.elements
        self.calls = 0
        self.first_fmax: float | None = None
        self.first_energy: float | None = None

    def predict(self, atoms: Any, *, stress: bool = False, spread: bool = False) -> Any:
        """What the surrogate says."""
        result = self.inner.predict(atoms, stress=stress, spread=spread)
        if self.calls == 0:
            self.first_fmax = float(result.forces.norm(dim=1).max())
            self.first_energy = float(result.energy[0])
        self.calls += atoms.n_structures
        return result


def save_minima(found: Any, path: Path) -> str:
    """Write the relaxed structures, labelled by energy; returns the hash of their content."""
    samples = [sample_of(bare(atoms), group=f"minimum/{k}", row=k) for k, atoms in enumerate(found.atoms)]
    data = Structures(samples, provenance={"description": f"{len(samples)} relaxed structures"})
    data.save(path)
    return str(data.hash)


def certify(found: Any, reference: dict[str, Any], settings: dict[str, Any], desk: Desk) -> list[Certified]:
    """The reference goes on from each minimum; how many calls it took, and how far it went."""
    rows, cached = [], measured_calculator(reference, desk, told=silent)
    for k, atoms in enumerate(found.atoms):
        desk.progress(float(k), float(len(found.atoms)), "structures certified")
        rows.append(_certified(atoms, found.failure[k], cached, settings))
    return rows


def aligned_rmsd(atoms: ase.Atoms, other: ase.Atoms) -> float:
    """Root mean square distance of equal atoms, Å; molecules are laid upon each other first."""
    moved = other.copy()
    if not atoms.pbc.any():
        minimize_rotation_and_translation(atoms, moved)
    return float(np.sqrt(((atoms.positions - moved.positions) ** 2).sum(axis=1).mean()))


def bare(atoms: ase.Atoms) -> ase.Atoms:
    """The structure without calculator, momenta and constraints; charge and multiplicity stay."""
    copy = ase.Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    copy.info = {k: atoms.info[k] for k in ("charge", "multiplicity") if k in atoms.info}
    return copy


def _certified(
    atoms: ase.Atoms, failure: str | None, reference: CachedReference, settings: dict[str, Any]
) -> Certified:
    if failure is not None:
        return Certified(0, False, None, None, None, "the surrogate's relaxation failed")
    counting = Counting(reference)
    finished = relax([atoms], counting, **settings)
    if finished.failure[0] is not None:
        return Certified(counting.calls, False, None, None, counting.first_fmax, finished.failure[0])
    assert counting.first_energy is not None
    return Certified(
        calls=counting.calls,
        converged=bool(finished.converged[0]),
        rmsd=aligned_rmsd(bare(atoms), bare(finished.atoms[0])),
        energy_drop=counting.first_energy - float(finished.energy[0]),
        fmax=counting.first_fmax,
    )
