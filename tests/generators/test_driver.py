"""The fast fronts move atoms along the same path, to the bit, as ASE's own calls."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk, molecule
from ase.calculators.calculator import CalculationFailed
from ase.md.verlet import VelocityVerlet

from surrogates.datasets.generators.driver import DivergedError, Driver, TBLiteDriver, driver
from surrogates.datasets.generators.references import make_reference


def _path(atoms, calc):
    atoms = atoms.copy()
    atoms.rattle(0.05, seed=1)
    atoms.calc = calc
    dynamics, places = VelocityVerlet(atoms, 1.0 * units.fs), []
    dynamics.attach(lambda: places.append((atoms.positions.copy(), atoms.get_potential_energy())))
    dynamics.run(5)
    return places


@pytest.mark.parametrize(
    ("start", "use", "front"),
    [
        (bulk("Cu", cubic=True), "ase.calculators.emt:EMT", Driver),
        (molecule("H2O"), "tblite.ase:TBLite", TBLiteDriver),
        (bulk("Si"), "tblite.ase:TBLite", TBLiteDriver),
    ],
)
def test_the_path_is_that_of_ase_to_the_bit(start, use, front):
    if front is TBLiteDriver:
        pytest.importorskip("tblite")
    fast = driver(make_reference({"use": use}))
    assert isinstance(fast, front)
    for (x, e), (y, f) in zip(_path(start, fast), _path(start, make_reference({"use": use})), strict=True):
        assert np.array_equal(x, y)
        assert e == f


def test_a_calculator_that_has_just_calculated_is_not_asked_again():
    atoms = bulk("Cu", cubic=True)
    calculator = make_reference({"use": "ase.calculators.emt:EMT"})
    forces = calculator.get_property("forces", atoms).copy()
    calculator.calculate = lambda *a: pytest.fail("calculated twice")
    np.testing.assert_array_equal(driver(calculator).get_forces(atoms), forces)


def test_a_failure_in_the_middle_is_a_failure_of_the_calculation():
    pytest.importorskip("tblite")
    atoms = molecule("H2O")
    front = driver(make_reference({"use": "tblite.ase:TBLite"}))
    front.get_forces(atoms)
    atoms.positions[1] = atoms.positions[0]
    with pytest.raises((CalculationFailed, DivergedError)):
        front.get_forces(atoms)
