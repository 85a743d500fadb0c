"""A thin calculator front for molecular dynamics in which nothing but positions changes.

ASE compares atoms with the last calculation several times a step, which costs a fifth of an xTB step of a small
molecule. Here one exact comparison of positions decides.
"""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from surrogates.physics.errors import SurrogatesError


class Driver:
    """Forces of one moving structure from a calculator, warm-started where the calculator knows how to.

    Args:
        calculator: new, or one that has just calculated these atoms.
    """

    def __init__(self, calculator: Any) -> None:
        self.calculator = calculator
        self._direct = isinstance(calculator, Calculator)

    def get_forces(self, atoms: ase.Atoms) -> np.ndarray:
        """Forces (atoms, 3), eV/Å; what ASE's integrators and optimisers ask for."""
        if not self._direct:
            return self.calculator.get_forces(atoms)
        return self._current(atoms)["forces"]

    def get_potential_energy(self, atoms: ase.Atoms, force_consistent: bool = False) -> float:
        """Energy, eV; what ASE's optimisers ask for."""
        return self.calculator.get_potential_energy(atoms) if not self._direct else self._current(atoms)["energy"]

    def _current(self, atoms: ase.Atoms) -> dict[str, Any]:
        known = self.calculator.atoms
        if known is None or "forces" not in self.calculator.results:
            self._calculate(atoms, all_changes)
        elif not np.array_equal(known.positions, atoms.positions):
            self._calculate(atoms, ["positions"])
        return self.calculator.results

    def _calculate(self, atoms: ase.Atoms, changes: list[str]) -> None:
        self.calculator.results = {}
        self.calculator.calculate(atoms, ["energy", "forces"], changes)
        if not np.isfinite(self.calculator.results["forces"]).all():
            raise DivergedError("the reference gave forces that are not finite")


class DivergedError(SurrogatesError, ArithmeticError):
    """The dynamics ran away: forces or positions are no longer finite."""
