"""Labels of structures by a reference, through the cache: no label is computed twice.

A label is calculated by a fresh calculator. A self-consistent reference ends in slightly other digits when it starts
from another density; without history the label is a function of structure and method alone, so that it may be cached
and an interrupted run ends in the same bits.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from ase.calculators.calculator import CalculatorError
from jaxtyping import Float

from surrogates.datasets.generators.cache import Cache, digest
from surrogates.datasets.generators.gamma_only import check_cell
from surrogates.datasets.generators.object_reference import ObjectReference
from surrogates.datasets.generators.references import Reference
from surrogates.datasets.generators.threads import OneThread
from surrogates.physics.errors import DomainError, SurrogatesError


class ReferenceFailure(SurrogatesError):
    """The reference gave no label for one structure, such as when its self-consistency did not converge."""


@dataclass(frozen=True)
class Labels:
    """What a reference says of one structure.

    Args:
        energy: eV. forces: eV/Å, of all atoms, constraints not applied. stress: eV/Å^3, Voigt xx yy zz yz xz xy,
            ASE's sign; None unless periodic in all directions. dipole: e Å; None where the reference has none.
    """

    energy: float
    forces: Float[np.ndarray, "atoms 3"]
    stress: Float[np.ndarray, "6"] | None = None
    dipole: Float[np.ndarray, "3"] | None = None


class Referee:
    """A reference with its cache: structure in, labels out.

    Args:
        reference: from `parse_reference`, or a calculator object.
        cache: where labels are kept.
    """

    def __init__(self, reference: Reference | ObjectReference, cache: Cache) -> None:
        self.reference = reference
        self.cache = cache
        self.identity = reference.identity()
        self.calls = 0  # of `label`, whether computed or known
        self._admitted = False  # the first structure decides whether the reference can treat such cells
        self._one_thread: OneThread | None = None

    def fresh(self, atoms: ase.Atoms) -> Any:
        """A new calculator for the charge and multiplicity of `atoms`."""
        calculator = self.reference.calculator(
            charge=atoms.info.get("charge"), multiplicity=atoms.info.get("multiplicity")
        )
        if self._one_thread is None:
            self._one_thread = OneThread()  # now that the calculator's libraries are loaded
        return calculator

    def one_thread(self) -> AbstractContextManager[None]:
        """A block in which the reference computes in one thread; only after `fresh`."""
        return nullcontext() if self._one_thread is None else self._one_thread()

    def key(self, atoms: ase.Atoms) -> str:
        """The cache key: method, library version and content of the structure."""
        return digest("label 1", self.identity, *contents(atoms))

    def check(self, atoms: ase.Atoms) -> None:
        """Label a start structure; DomainError when the reference cannot treat it."""
        if self.reference.electronic and not atoms.pbc.any():
            require_parity(atoms, **self.reference.electrons(atoms.info.get("charge"), atoms.info.get("multiplicity")))
        try:
            self.label(atoms)
        except (ReferenceFailure, NotImplementedError, LookupError, ValueError, RuntimeError) as error:
            raise DomainError(
                f"the reference {self.reference.use} cannot start from {atoms.symbols}: {error}; "
                "check its elements, charge, multiplicity and geometry, or give another reference"
            ) from error

    def label(self, atoms: ase.Atoms, calculator: Any = None) -> Labels:
        """The labels of `atoms`, from the cache or computed; ReferenceFailure (cached too) when there are none.

        DomainError where a reference without k-points meets a small periodic cell, see `gamma_only`.
        A `calculator` that has not calculated yet is used in place of a new one, and afterwards holds the result.
        """
        self.calls += 1
        if not self._admitted:
            check_cell(self.reference.use, atoms)
            self._admitted = True
        key = self.key(atoms)
        if (known := self.cache.get(key)) is not None:
            return _restored(known)
        calculator = self.fresh(atoms) if calculator is None else calculator
        try:
            with self.one_thread():
                labels = calculate(atoms, calculator)
        except ReferenceFailure as failure:
            self.cache.put(key, {"failure": np.frombuffer(str(failure).encode(), np.uint8)})
            raise
        self.cache.put(key, _arrays(labels))
        return labels


def require_parity(atoms: ase.Atoms, charge: int = 0, multiplicity: int = 1) -> None:
    """DomainError unless a molecule's electrons can have its multiplicity (xTB itself would not complain)."""
    electrons, unpaired = int(atoms.numbers.sum()) - charge, multiplicity - 1
    if unpaired > electrons or (electrons - unpaired) % 2:
        raise DomainError(
            f"{atoms.symbols} with charge {charge} has {electrons} electrons, which cannot have multiplicity "
            f"{multiplicity}; state its charge and multiplicity, such as multiplicity: {1 if electrons % 2 == 0 else 2}"
        )


def calculate(atoms: ase.Atoms, calculator: Any) -> Labels:
    """Labels of `atoms` by an ASE calculator; ReferenceFailure when it fails or its values are not finite."""
    bare = ase.Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    periodic, known = bool(bare.pbc.all()), calculator.implemented_properties
    try:
        forces = np.array(calculator.get_property("forces", bare), dtype=float)
        energy = float(calculator.get_property("energy", bare))
        stress = _vector(calculator, bare, "stress") if periodic and "stress" in known else None
        dipole = _vector(calculator, bare, "dipole") if not bare.pbc.any() and "dipole" in known else None
    except (CalculatorError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise ReferenceFailure(f"{type(calculator).__name__} failed on {bare.symbols}: {error}") from error
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise ReferenceFailure(f"{type(calculator).__name__} gave values that are not finite for {bare.symbols}")
    return Labels(energy, forces, stress, dipole)


def contents(atoms: ase.Atoms) -> tuple[np.ndarray, ...]:
    """What a label depends on besides the method: numbers, positions, cell, pbc, charge and multiplicity."""
    electrons = np.array([atoms.info.get("charge", 0), atoms.info.get("multiplicity", 1)], dtype=float)
    return (
        atoms.numbers.astype("<i8"),
        atoms.positions.astype("<f8"),
        np.asarray(atoms.cell.array, dtype="<f8"),
        atoms.pbc.astype("u1"),
        electrons,
    )


def _vector(calculator: Any, atoms: ase.Atoms, name: str) -> np.ndarray:
    return np.array(calculator.get_property(name, atoms), dtype=float)


def _arrays(labels: Labels) -> dict[str, np.ndarray]:
    given = {"energy": np.array(labels.energy), "forces": labels.forces}
    given.update({k: v for k in ("stress", "dipole") if (v := getattr(labels, k)) is not None})
    return given


def _restored(arrays: dict[str, np.ndarray]) -> Labels:
    if "failure" in arrays:
        raise ReferenceFailure(arrays["failure"].tobytes().decode())
    return Labels(float(arrays["energy"]), arrays["forces"], arrays.get("stress"), arrays.get("dipole"))
