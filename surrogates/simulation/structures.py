"""What a user gives to a simulation, as ase.Atoms and as tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ase
import numpy as np
import torch
from ase.constraints import FixConstraint

from surrogates.datasets.adapters.ase import from_ase, sample_of
from surrogates.datasets.adapters.pymatgen import as_ase
from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.errors import DomainError

_KINDS = "ase.Atoms, pymatgen Structure or Molecule, or samples"


def as_atoms(structures: Any) -> list[ase.Atoms]:
    """Copies as ase.Atoms, constraints and `info` kept, calculators left behind.

    Accepts one structure or a sequence of them (ase.Atoms, pymatgen Structure and Molecule, samples of a data set),
    and anything with such a sequence in `.atoms`: a data set, the result of a relaxation.
    """
    if isinstance(structures, ase.Atoms):
        return [structures.copy()]
    if not isinstance(structures, Sequence) and hasattr(structures, "atoms") and not callable(structures.atoms):
        structures = structures.atoms
    if hasattr(structures, "sites"):  # one pymatgen object is itself a sequence of sites
        structures = [structures]
    if not isinstance(structures, Iterable):
        raise DomainError(f"a {type(structures).__name__} is no structure; give {_KINDS}, or a sequence of them")
    found = [_one(structure, k) for k, structure in enumerate(structures)]
    if not found:
        raise DomainError("no structures were given; a simulation needs at least one")
    return found


def as_batch(atoms: Sequence[ase.Atoms], *, dtype: torch.dtype = torch.float64) -> AtomsBatch:
    """One batch without edges, on the CPU."""
    return from_ase(atoms, dtype=dtype)


def copy_atoms(atoms: ase.Atoms, positions: np.ndarray, cell: np.ndarray | None = None) -> ase.Atoms:
    """The same structure elsewhere, and in another cell; constraints come along without being applied."""
    moved = atoms.copy()
    moved.positions = positions
    if cell is not None:
        moved.set_cell(cell, scale_atoms=False, apply_constraint=False)
    return moved


def constraints_of(atoms: ase.Atoms) -> list[FixConstraint]:
    """ASE keeps one constraint or a list of them."""
    found = atoms.constraints
    return list(found) if isinstance(found, list | tuple) else [found]


def admission(atoms: ase.Atoms, name: str) -> str | None:
    """Why a structure is impossible (NaN, two atoms on a site, a cell without volume); None when it is not."""
    try:
        sample_of(atoms, name=name)
    except DomainError as error:
        return str(error)
    return None


def _one(structure: Any, k: int) -> ase.Atoms:
    if isinstance(structure, ase.Atoms):
        return structure.copy()
    if callable(getattr(structure, "atoms", None)):
        return structure.atoms()
    if hasattr(structure, "sites"):
        return as_ase(structure)
    raise DomainError(f"structure {k} is a {type(structure).__name__}; give {_KINDS}")
