"""Thin calculator fronts for molecular dynamics, in which nothing but positions changes.

ASE compares atoms with the last calculation several times a step, and tblite's ASE class fetches properties that
dynamics never asks for. For ethanol by GFN2-xTB a step costs 3.0 CPU ms through ASE's own path, 2.2 ms through
`Driver` and 1.7 ms through `TBLiteDriver`, and all three walk the same path to the bit.
"""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes
from jaxtyping import Float

from surrogates.physics.errors import SurrogatesError
from surrogates.physics.units import BOHR, HARTREE


class DivergedError(SurrogatesError, ArithmeticError):
    """The dynamics ran away: forces or positions are no longer finite."""


def driver(calculator: Any) -> Any:
    """What to set as `atoms.calc` so that `calculator`, new or just used on these atoms, moves them fast."""
    if not isinstance(calculator, Calculator):
        return calculator
    if type(calculator).__module__ == "tblite.ase" and hasattr(calculator, "_xtb") and hasattr(calculator, "_res"):
        return TBLiteDriver(calculator)
    return Driver(calculator)


class Driver:
    """Forces of one moving structure; one exact comparison of positions decides whether to calculate.

    Args:
        calculator: new, or one that has just calculated these atoms.
    """

    def __init__(self, calculator: Calculator) -> None:
        self.calculator = calculator

    def get_forces(self, atoms: ase.Atoms) -> Float[np.ndarray, "atoms 3"]:
        """eV/Å; what ASE's integrators and optimisers ask for."""
        return self._current(atoms)["forces"]

    def get_potential_energy(self, atoms: ase.Atoms, force_consistent: bool = False) -> float:
        """eV; what ASE's optimisers ask for."""
        return float(self._current(atoms)["energy"])

    def _current(self, atoms: ase.Atoms) -> dict[str, Any]:
        known, results = self.calculator.atoms, self.calculator.results
        if known is None or "forces" not in results or len(known) != len(atoms):
            self._calculate(atoms, all_changes)
        elif not np.array_equal(known.positions, atoms.positions):
            self._calculate(atoms, ["positions"])
        return self.calculator.results

    def _calculate(self, atoms: ase.Atoms, changes: list[str]) -> None:
        self.calculator.results = {}
        self.calculator.calculate(atoms, ["energy", "forces"], changes)
        _require_finite(self.calculator.results["forces"])


class TBLiteDriver:
    """The same for xTB: later steps go to tblite's own interface, warm-started from the last density.

    Args:
        calculator: a `tblite.ase.TBLite`, new or one that has just calculated these atoms.
    """

    def __init__(self, calculator: Any) -> None:
        self._first = Driver(calculator)
        self._calculator = calculator
        self._positions: np.ndarray | None = None
        self._energy, self._forces = 0.0, np.zeros((0, 3))

    def get_forces(self, atoms: ase.Atoms) -> Float[np.ndarray, "atoms 3"]:
        """eV/Å."""
        self._update(atoms)
        return self._forces

    def get_potential_energy(self, atoms: ase.Atoms, force_consistent: bool = False) -> float:
        """eV."""
        self._update(atoms)
        return self._energy

    def _update(self, atoms: ase.Atoms) -> None:
        if self._positions is None:
            self._forces = self._first.get_forces(atoms)
            self._energy = self._first.get_potential_energy(atoms)
        elif not np.array_equal(self._positions, atoms.positions):
            self._energy, self._forces = self._step(atoms.positions)
        self._positions = atoms.positions.copy()

    def _step(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        xtb = self._calculator._xtb
        try:
            xtb.update(positions=positions / BOHR)
            self._calculator._res = result = xtb.singlepoint(self._calculator._res)
        except RuntimeError as error:
            raise CalculationFailed(str(error)) from error
        forces = -result["gradient"] * HARTREE / BOHR
        _require_finite(forces)
        return float(result["energy"]) * HARTREE, forces


def _require_finite(forces: np.ndarray) -> None:
    if not np.isfinite(forces).all():
        raise DivergedError("the reference gave forces that are not finite")
