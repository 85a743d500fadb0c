"""ASE's Atoms to batches and samples, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ase
import numpy as np
import torch

from surrogates.datasets.adapters.checks import check_array, check_structure
from surrogates.datasets.adapters.pymatgen import as_ase
from surrogates.datasets.batch import AtomsBatch
from surrogates.datasets.collate import collate
from surrogates.datasets.sample import Sample
from surrogates.physics.errors import DomainError


def from_ase(structures: Any, *, dtype: torch.dtype = torch.float32) -> AtomsBatch:
    """A batch, without edges, of ase.Atoms and pymatgen Structures or Molecules: one of them or a sequence.

    Raises DomainError where a structure is impossible (NaN, two atoms on a site, a periodic cell without volume).
    """
    return collate(
        [sample_of(a, name=f"structure {k}") for k, a in enumerate(_listed(structures))], r_max=0.0, dtype=dtype
    ).atoms


def to_ase(batch: AtomsBatch) -> list[ase.Atoms]:
    """The structures of a batch; total charge and multiplicity are in `info`."""
    counts = torch.bincount(batch.structure, minlength=batch.n_structures).tolist()
    positions = batch.positions.detach().double().cpu().numpy()
    numbers, cell = batch.numbers.cpu().numpy(), batch.cell.detach().double().cpu().numpy()
    found, first = [], 0
    for k, n in enumerate(counts):
        info = {"charge": float(batch.charge[k]), "multiplicity": int(batch.multiplicity[k])}
        own = slice(first, first + n)
        pbc = batch.pbc[k].cpu().numpy()
        found.append(ase.Atoms(numbers[own], positions[own], cell=cell[k], pbc=pbc, info=info))
        first += n
    return found


def sample_of(atoms: Any, *, name: str = "structure", group: str = "", row: int = -1, **labels: Any) -> Sample:
    """One checked sample from ase.Atoms or a pymatgen object.

    Labels (energy, forces, stress, dipole, hessian, in the units of `Sample`) are given by name and checked for shape
    and finite values. Raises DomainError.
    """
    atoms = as_ase(atoms)
    check_structure(atoms, name)
    n = len(atoms)
    shapes = {"energy": (), "forces": (n, 3), "stress": (6,), "dipole": (3,), "hessian": (3 * n, 3 * n)}
    checked: dict[str, Any] = {k: check_array(v, shapes[k], k, name) for k, v in labels.items() if v is not None}
    if "energy" in checked:
        checked["energy"] = float(checked["energy"])
    charge = total_charge(atoms, name)
    return Sample(
        numbers=np.array(atoms.numbers, dtype=np.int64),
        positions=np.array(atoms.positions, dtype=np.float64),
        cell=np.array(atoms.cell.array, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=bool),
        charge=charge,
        multiplicity=spin_multiplicity(atoms, charge, name),
        group=group or str(atoms.info.get("group", "")),
        row=row,
        **checked,
    )


def total_charge(atoms: ase.Atoms, name: str = "structure") -> float:
    """Total charge in e: `info["charge"]`, or the rounded sum of the initial charges."""
    given = atoms.info.get("charge")
    if given is None and atoms.has("initial_charges"):
        given = round(float(np.nan_to_num(atoms.get_initial_charges()).sum()))
    elif given is None:
        return 0.0
    return _number(given, "charge", name)


def spin_multiplicity(atoms: ase.Atoms, charge: float, name: str = "structure") -> int:
    """2S + 1: `info["multiplicity"]`, or from the initial magnetic moments, or the lowest for the number of electrons.

    The last is 1 for periodic structures.
    """
    given = atoms.info.get("multiplicity")
    if given is None and atoms.has("initial_magmoms"):
        moments = np.nan_to_num(atoms.get_initial_magnetic_moments())
        given = round(abs(float(moments.sum()))) + 1 if moments.ndim == 1 else None
    if given is None:
        given = 1 if atoms.pbc.any() else 1 + round(float(atoms.numbers.sum()) - charge) % 2
    number = _number(given, "multiplicity", name)
    if number < 1 or number != int(number):
        raise DomainError(f"{name}: multiplicity {given}; it is 2S + 1 = 1, 2, 3, ...")
    return int(number)


def _number(value: Any, what: str, name: str) -> float:
    return float(check_array(value, (), what, name))


def _listed(structures: Any) -> Sequence[Any]:
    single = isinstance(structures, ase.Atoms) or not isinstance(structures, Iterable) or hasattr(structures, "sites")
    return [structures] if single else list(structures)
