"""Phonons of a crystal by phonopy, its force constants by differentiation of ours or from displaced supercells.

Force constants are those of a supercell at the Gamma point: forces that reach further are folded back, so frequencies
are exact at the wave vectors that fit into it and interpolated elsewhere. No non-analytic term is added: optical modes
of polar crystals do not split at Gamma.

Paper: First-principles Phonon Calculations with Phonopy and Phono3py (doi:10.7566/JPSJ.92.012001).
"""

from __future__ import annotations

import warnings
from typing import Any

import ase
import numpy as np
import torch

from surrogates.interfaces import Surrogate
from surrogates.physics.errors import DomainError, MissingExtra, SurrogatesWarning
from surrogates.simulation.arguments import is_number
from surrogates.simulation.crystal import NotRelaxedWarning, as_crystal, differentiable
from surrogates.simulation.force_constants import differentiated, forces_of, repetitions, sum_rule, truncation
from surrogates.simulation.foreign import as_surrogate
from surrogates.simulation.phonon_modes import Phonons

LENGTH = 10.0  # Å that a supercell is high unless told otherwise
STEP = 0.01  # Å
_FOLDED = 0.2  # of EMT copper: 0.12 in 2x2x2 and 0.012 in 3x3x3 primitive cells
METHODS = ("auto", "autograd", "finite differences")


class SmallSupercell(SurrogatesWarning):
    """Force constants do not fade within the supercell."""


def phonons(
    structure: Any,
    surrogate: Any,
    *,
    supercell: Any = None,
    method: str = "auto",
    step: float | int = STEP,
    symmetrise: bool = True,
    fmax: float | int = 0.01,
    symprec: float | int = 1e-4,
) -> Phonons:
    """Harmonic phonons of one relaxed crystal, in float64; the structure stays put.

    Args:
        structure: one crystal (ase.Atoms, pymatgen Structure), relaxed with its cell by this surrogate. A conventional
            cell is taken back to its primitive one.
        surrogate: anything that `as_surrogate` takes.
        supercell: repetitions of the given cell: a whole number, three, or a 3x3 matrix; None: at least 10 Å high.
        method: "autograd": rows of the supercell's Hessian for the atoms of a primitive cell; "finite differences":
            the displaced supercells (`step`, Å) that symmetry asks for, as one batch; "auto": autograd where possible.
        symmetrise: impose Phi_ij = Phi_ji^T and the acoustic sum rule, whose violation before is in the result.
        fmax: largest force in the given cell that passes without a warning, eV/Å. symprec: of the symmetry, Å.
    Raises MissingExtra without phonopy, DomainError for a molecule or constraints.
    """
    if method not in METHODS:
        raise DomainError(f"method={method!r} is unknown; choose {', '.join(METHODS)}")
    if not (is_number(step, above=0) and is_number(fmax, above=0) and is_number(symprec, above=0)):
        raise DomainError(f"step={step!r} Å, fmax={fmax!r} eV/Å, symprec={symprec!r} Å; all are above 0")
    model = as_surrogate(surrogate, dtype=torch.float64)
    atoms = as_crystal(structure, model, "phonons")
    matrix = repetitions(supercell, atoms.cell.array, LENGTH)
    phonopy = _phonopy(atoms, matrix, float(symprec))
    forces = forces_of([atoms], model)
    worst = float(np.linalg.norm(forces, axis=2).max())
    if worst > fmax:
        warnings.warn(
            f"{atoms.symbols} is no minimum: largest force {worst:.3f} eV/Å (up to {fmax:g} is fine); relax it with "
            "this surrogate first",
            NotRelaxedWarning,
            stacklevel=2,
        )
    exact = method == "autograd" or (method == "auto" and differentiable(model) is not None)
    rows = np.asarray(phonopy.primitive.p2s_map)
    large = _as_ase(phonopy.supercell)
    if exact:
        phonopy.force_constants = differentiated(large, rows, model)
        evaluations = 1
    else:
        evaluations = _displace(phonopy, model, float(step))
    constants = _compact(phonopy, rows)
    violated, folded = sum_rule(constants), truncation(constants, large, rows)
    if folded > _FOLDED:
        warnings.warn(
            f"force constants at the rim of the supercell are {folded:.2g} of those of neighbours: atoms act on each "
            "other beyond it, and all but the wave vectors that fit it are guesses; give a larger supercell=",
            SmallSupercell,
            stacklevel=2,
        )
    if symmetrise:
        phonopy.symmetrize_force_constants()
    return Phonons(
        phonopy=phonopy,
        atoms=atoms,
        primitive=_as_ase(phonopy.primitive),
        supercell=matrix,
        method="autograd" if exact else "finite differences",
        fmax=worst,
        sum_rule=violated,
        truncation=folded,
        evaluations=evaluations,
    )


def _phonopy(atoms: ase.Atoms, matrix: np.ndarray, symprec: float) -> Any:
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    except ImportError as error:
        raise MissingExtra("phonopy", "phonons") from error
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
        masses=atoms.get_masses(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that "auto" finds a primitive cell is what is wanted
        return Phonopy(cell, supercell_matrix=matrix, primitive_matrix="auto", symprec=symprec)


def _displace(phonopy: Any, surrogate: Surrogate, step: float) -> int:
    """Forces of the displaced supercells into `phonopy`, and how many there were."""
    phonopy.generate_displacements(distance=step)
    cells = [_as_ase(cell) for cell in phonopy.supercells_with_displacements]
    phonopy.forces = forces_of(cells, surrogate)
    phonopy.produce_force_constants(calculate_full_force_constants=False, show_drift=False)
    return len(cells)


def _compact(phonopy: Any, rows: np.ndarray) -> np.ndarray:
    constants = np.asarray(phonopy.force_constants)
    return constants if len(constants) == len(rows) else constants[rows]


def _as_ase(cell: Any) -> ase.Atoms:
    return ase.Atoms(
        numbers=cell.numbers, scaled_positions=cell.scaled_positions, cell=cell.cell, masses=cell.masses, pbc=True
    )
