"""What steps on crystals share: cells at rest, their lattice, and results of a job. Imported in workers only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ase
import numpy as np
import spglib

from surrogates.physics.errors import DomainError
from surrogates.simulation import relax
from surrogates.workflows.beside import write_rows
from surrogates.workflows.desk import Desk
from surrogates.workflows.inputs import need, start_structures
from surrogates.workflows.reference_calls import calls_of, measured_calculator
from surrogates.workflows.steps.elastic import Lattice

_STRESS = 1e-4  # eV/Å^3, 0.016 GPa: a lattice constant of a soft metal is right to 1e-4 then
_STEPS = 300
_SYMPREC = 1e-2  # Å


def measured(step: Any, job: str, desk: Desk, one: Callable[[ase.Atoms, Any, int], Any]) -> None:
    """Relax each structure of `step` with its cell by the calculator of the job, and write what `one` makes of it."""
    given = step.calculator if job == "all" else step.reference
    surrogate = measured_calculator(given, desk)
    structures = need(start_structures(step.structures))
    rows = []
    for k, atoms in enumerate(at_rest(structures, surrogate, step.fmax)):
        desk.progress(float(k), float(len(structures)), "crystals")
        rows.append(one(atoms, surrogate, k))
    write_rows(desk, job, rows, calls_of(surrogate))


def at_rest(structures: list[ase.Atoms], surrogate: Any, fmax: float) -> list[ase.Atoms]:
    """The structures with cell and ions at rest; DomainError for one that is no crystal or does not get there."""
    for atoms in structures:
        if not atoms.pbc.all():
            raise DomainError(
                f"{atoms.symbols} is periodic in {int(atoms.pbc.sum())} directions; this step needs crystals, periodic "
                "in all three"
            )
    found = relax(structures, surrogate, cell="full", fmax=fmax, smax=_STRESS, steps=_STEPS, optimizer="lbfgs")
    for k, reason in enumerate(found.failure):
        if reason is not None or not found.converged[k]:
            why = reason or f"the largest force is {found.fmax[k]:.2g} eV/Å after {_STEPS} steps"
            raise DomainError(f"structure {k} ({found[k].symbols}) does not come to rest with its cell: {why}")
    return [_bare(atoms) for atoms in found.atoms]


def lattice(atoms: ase.Atoms) -> Lattice:
    """Conventional cell and space group."""
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=_SYMPREC)
    vectors, group = (atoms.cell.array, "P1") if found is None else (found.std_lattice, found.international)
    a, b, c = np.linalg.norm(vectors, axis=1)
    angles = ase.cell.Cell(vectors).angles()
    alpha, beta, gamma = (float(x) for x in angles)
    return Lattice(group, float(a), float(b), float(c), alpha, beta, gamma, atoms.get_volume() / len(atoms))


def _bare(atoms: ase.Atoms) -> ase.Atoms:
    copy = atoms.copy()
    copy.calc = None
    return copy
