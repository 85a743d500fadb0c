"""Reference values of one foreign frame, by the key under which its file keeps them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ase
import numpy as np

from surrogates.datasets.adapters.ase import sample_of
from surrogates.datasets.adapters.checks import check_array
from surrogates.datasets.adapters.convert import factor
from surrogates.datasets.adapters.symmetry import forces_vanish
from surrogates.datasets.adapters.vasp import SIGMA0
from surrogates.datasets.sample import UNITS, Sample
from surrogates.physics.errors import DomainError


@dataclass
class LabelReader:
    """Takes samples out of frames, and remembers where it found what.

    Args:
        keys: key of "energy", "forces", "stress"; None for what is not to be read.
        charge, multiplicity: a number for all frames, a key, or None for what the frame says.
        units: the file's units by quantity, ours where not given.
    """

    keys: Mapping[str, str | None]
    charge: float | int | str | None
    multiplicity: int | str | None
    units: Mapping[str, str]
    places: dict[str, Counter[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.factors = {quantity: factor(quantity, unit) for quantity, unit in self.units.items()}

    def sample(self, atoms: ase.Atoms, *, name: str, group: str, row: int) -> Sample:
        """The labelled sample. Raises DomainError: key missing, wrong shape, not finite, all-zero forces."""
        labels = {q: self._label(q, key, atoms, name) for q, key in self.keys.items() if key is not None}
        atoms = self._scaled(atoms)
        self._electrons(atoms, name)
        if "forces" in labels and not np.any(labels["forces"]) and not forces_vanish(atoms):
            raise DomainError(
                f'{name}: all forces under "{self.keys["forces"]}" are exactly zero, as where they were never '
                "computed; remove the frame, or read without forces (forces=None)"
            )
        return sample_of(atoms, name=name, group=str(atoms.info.get("group") or group), row=row, **labels)

    def lines(self) -> list[str]:
        """What was found where, for people."""
        text = []
        for quantity in ("energy", "forces", "stress"):
            key = self.keys.get(quantity)
            unit = self.units.get(quantity)
            converted = f", converted from {unit}" if unit else ""
            found = " and ".join(sorted(self.places.get(quantity, ())))
            text.append(
                f'{quantity}: key "{key}" in {found}, {UNITS[quantity]}{converted}' if key else f"{quantity}: not read"
            )
        for quantity in ("charge", "multiplicity"):
            counts = self.places.get(quantity, Counter())
            text.append(f"{quantity}: " + ", ".join(f"{where} ({n} frames)" for where, n in counts.items()))
        if "positions" in self.units:
            text.append(f"positions and cell: converted from {self.units['positions']}")
        return text

    def _label(self, quantity: str, key: str, atoms: ase.Atoms, name: str) -> np.ndarray:
        value, where = _find(atoms, key)
        if value is None:
            raise DomainError(_missing(quantity, key, atoms, name))
        self.places.setdefault(quantity, Counter())[where] += 1
        shapes: dict[str, tuple[int, ...]] = {"energy": (), "forces": (len(atoms), 3), "stress": (6,)}
        if quantity == "stress":
            value = _voigt(value)
        array = check_array(value, shapes[quantity], f'{quantity} (key "{key}")', name)
        return np.asarray(array * self.factors.get(quantity, 1.0))

    def _scaled(self, atoms: ase.Atoms) -> ase.Atoms:
        scale = self.factors.get("positions", 1.0)
        if scale == 1.0:
            return atoms
        return ase.Atoms(
            atoms.numbers, atoms.positions * scale, cell=atoms.cell * scale, pbc=atoms.pbc, info=atoms.info
        )

    def _electrons(self, atoms: ase.Atoms, name: str) -> None:
        for quantity, given in (("charge", self.charge), ("multiplicity", self.multiplicity)):
            where = f"{given} for all"
            if isinstance(given, str):
                value, where = atoms.info.get(given), f'key "{given}"'
                if value is None:
                    raise DomainError(_missing(quantity, given, atoms, name))
                atoms.info[quantity] = value
            elif given is not None:
                atoms.info[quantity] = given
            else:
                where = f'key "{quantity}"' if quantity in atoms.info else _default(quantity, atoms)
            self.places.setdefault(quantity, Counter())[where] += 1


def _default(quantity: str, atoms: ase.Atoms) -> str:
    if quantity == "charge":
        return "sum of initial charges" if atoms.has("initial_charges") else "0 (not given)"
    return "initial magnetic moments" if atoms.has("initial_magmoms") else "lowest possible (not given)"


def _find(atoms: ase.Atoms, key: str) -> tuple[Any, str]:
    """Value under `key` and where it lay: ASE's readers move keys they know into a calculator."""
    if key in atoms.info:
        return atoms.info[key], "info"
    if key in atoms.arrays:
        return atoms.arrays[key], "arrays"
    results = getattr(atoms.calc, "results", {})
    value = results.get(key)
    if key == "energy" and SIGMA0 in results:
        return value, f'the free energy, to which forces and stress belong; energy(sigma->0) is under "{SIGMA0}"'
    return value, "calculator results (moved there by ASE's reader)"


def _missing(quantity: str, key: str, atoms: ase.Atoms, name: str) -> str:
    there = {*atoms.info, *atoms.arrays, *getattr(atoms.calc, "results", {})} - {"numbers", "positions"}
    near = difflib.get_close_matches(key, there, 1, cutoff=0.65)
    hint = f'{quantity}="{near[0]}"' if near else f'{quantity}="..."'
    none = f", or {quantity}=None to read without" if quantity in ("energy", "forces", "stress") else ""
    found = ", ".join(sorted(map(str, there))) or "no keys at all"
    return f'{name}: no {quantity} under the key "{key}"; the frame has {found}. Say {hint}{none}'


def _voigt(value: Any) -> Any:
    array = np.asarray(value)
    if array.size != 9:
        return value
    full = array.reshape(3, 3)
    return np.array([full[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))])
