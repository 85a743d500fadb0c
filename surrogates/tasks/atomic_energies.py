"""Energies of isolated atoms: given, or fitted to compositions by least squares."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from surrogates.physics.errors import DomainError, SurrogatesWarning


class DegenerateFit(SurrogatesWarning):
    """The compositions of the training set do not determine the energy of every isolated atom."""


def by_number(isolated: Mapping[str, float | int], elements: Sequence[int]) -> dict[int, float]:
    """Energies of isolated atoms (eV) by atomic number, from symbols. Raises if an element is missing."""
    bad = {k: v for k, v in isolated.items() if not isinstance(v, int | float) or not math.isfinite(v)}
    if bad:
        raise DomainError(f"isolated={bad} is no energy; give numbers in eV by symbol, such as {{'H': -13.6}}")
    given = {_number(key): float(value) for key, value in isolated.items()}
    missing = [chemical_symbols[z] for z in elements if z not in given]
    if missing:
        raise DomainError(
            f"isolated={dict(isolated)} has no energy for {', '.join(missing)}; give one for every element of the "
            "training data, or leave `isolated` away and they are fitted"
        )
    return {z: given[z] for z in elements}


def compositions(numbers: Sequence[np.ndarray], elements: Sequence[int]) -> np.ndarray:
    """How many atoms of each element each structure has, (structures, elements)."""
    return np.array([[np.count_nonzero(z == e) for e in elements] for z in numbers], dtype=float)


def least_squares(energy: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, bool]:
    """Per-atom energies (elements,) that best explain `energy` (eV), and whether `counts` determines them.

    Of all equally good answers the one is taken in which elements differ least, since the rest is not in the data.
    Every structure weighs as its error per atom.
    """
    atoms = counts.sum(axis=1)
    mean = float(np.mean(energy / atoms))
    rows, rest = counts / atoms[:, None], energy / atoms - mean
    difference, _, rank, _ = np.linalg.lstsq(rows, rest, rcond=1e-8)
    return mean + difference, bool(rank == counts.shape[1])


def fit_isolated(energy: np.ndarray, counts: np.ndarray, elements: Sequence[int]) -> dict[int, float]:
    """Energies of isolated atoms by least squares over the training set, eV; warns when they are not determined."""
    values, determined = least_squares(energy, counts)
    if not determined:
        names = [chemical_symbols[z] for z in elements]
        kinds = len(np.unique(counts, axis=0))
        warnings.warn(
            f"{kinds} composition{'s' * (kinds != 1)} cannot tell the isolated atoms of {', '.join(names)} apart: "
            "their energies are a guess that is right for these compositions only. Reactions and other "
            "compositions need EnergyForces(model, isolated={" + ", ".join(f'"{n}": ...' for n in names) + "}) in eV",
            DegenerateFit,
            stacklevel=4,
        )
    return {z: float(v) for z, v in zip(elements, values, strict=True)}


def _number(key: str) -> int:
    if key not in atomic_numbers:
        raise DomainError(f"isolated= has the key {key!r}, which is no element; use symbols such as 'C' or 'O'")
    return atomic_numbers[key]
