"""The report: power, precision, and errors that a user can act on."""

import math

import ase
import pytest
import torch
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from torch import nn

import surrogates
from surrogates.datasets.adapters.ase import from_ase
from surrogates.physics.errors import DomainError
from surrogates.potentials.pair import LennardJones, Morse
from surrogates.testing import CONVERGED, SINGLE, check_surrogate
from surrogates.testing.conservation import nve_drift
from surrogates.testing.law import judge


class Nothing(nn.Module):
    """Predicts zero, and so obeys every law."""

    r_max, elements = 3.0, ()

    def forward(self, atoms):
        return 0.0 * atoms.positions.sum(1)


@pytest.fixture(scope="module")
def copper():
    return [bulk("Cu", "fcc", a=3.6, cubic=True)]


def test_zero_has_no_power_and_is_no_pass(copper):
    report = check_surrogate(Nothing(), copper)
    assert not report.passed
    assert not report.failed
    assert {law.verdict for law in report.laws} == {"no power", "not applicable"}


def test_nan_fails():
    assert judge("rotation", math.nan, 1.0, 1e-10, "eV").verdict == "FAIL"


def test_a_molecule_is_not_asked_for_stress_or_supercells():
    report = check_surrogate(Morse(), ase.Atoms("Cu3", positions=[[0, 0, 0], [2.5, 0, 0], [0, 2.6, 0]]))
    assert report["stress = dE/dstrain / V"].verdict == "not applicable"
    assert report["supercell"].verdict == "not applicable"
    assert report.passed


def test_the_table_shows_error_scale_and_verdict(copper):
    text = str(check_surrogate(Morse(), copper))
    assert "Laws of Morse (tolerances for float64)" in text
    line = next(line for line in text.splitlines() if line.startswith("F = -dE/dx"))
    assert "eV/Å" in line
    assert "pass" in line


def test_batches_and_atoms_are_the_same_to_the_check(copper):
    one = check_surrogate(Morse(), copper)
    two = check_surrogate(Morse(), from_ase(copper, dtype=torch.float64))
    assert str(one) == str(two)


def test_float32_is_measured_in_float64_unless_asked_for(copper):
    model = Morse().float()
    strict = check_surrogate(model, copper)
    loose = check_surrogate(model, copper, dtype=None)
    assert "float64" in strict.precision
    assert "float32" in loose.precision
    assert strict.passed
    assert loose["rotation: forces"].tolerance >= SINGLE.invariance * loose["rotation: forces"].scale
    assert not loose.failed
    assert next(model.parameters()).dtype == torch.float32


def test_unknown_elements_and_empty_lists_are_refused(copper):
    with pytest.raises(DomainError, match="Cu is unknown"):
        check_surrogate(LennardJones(epsilon={"Ar": 0.01}, sigma={"Ar": 3.4}), copper)
    with pytest.raises(DomainError, match="no structures"):
        check_surrogate(Morse(), [])


def test_any_ase_calculator_is_checked_with_tolerances_it_can_meet(copper):
    report = surrogates.check(EMT(), copper)
    assert "converged" in report.precision
    assert report.passed
    assert report["smooth at cutoff"].verdict == "not applicable"


def test_a_faulty_ase_calculator_is_caught(copper):
    class Pressure(EMT):
        def get_property(self, name, atoms=None, allow_calculation=True):
            value = super().get_property(name, atoms, allow_calculation)
            return -value if name == "stress" else value

    assert [law.name for law in check_surrogate(Pressure(), copper).failed] == ["stress = dE/dstrain / V"]


def test_a_calculator_with_a_charge_is_not_asked_to_double_it():
    ion = EMT()
    ion.parameters["charge"] = 1
    report = check_surrogate(ion, ase.Atoms("Cu2", positions=[[0, 0, 0], [2.4, 0, 0]]))
    assert report["far parts add"].verdict == "not applicable"


def test_the_reference_itself_is_measured():
    tblite = pytest.importorskip("tblite.ase")
    reference = tblite.TBLite(method="GFN2-xTB", accuracy=0.01, verbosity=0)
    report = check_surrogate(reference, molecule("H2O"))
    assert report.passed
    assert report["far parts add: energy"].error < 1e-6
    (drift,) = nve_drift(reference, from_ase([molecule("H2O")], dtype=torch.float64), CONVERGED, steps=40)
    assert drift.verdict == "pass"
