"""Each law catches the fault made for it, and no other law cries wolf."""

import ase
import pytest
import torch
from ase.build import bulk

from surrogates.datasets.adapters.ase import from_ase
from surrogates.potentials.pair import Morse
from surrogates.testing import check_surrogate
from surrogates.testing.conservation import nve_drift
from surrogates.testing.saboteurs import SABOTEURS, Forgetful, NonConservative
from surrogates.testing.transforms import singles

PLACES = [[4.1, 2.1, 0.3], [0, 0, 0], [2.4, 0, 0], [0.3, 2.2, 0], [0.2, 0.9, 2.3], [2.0, 1.9, 1.2]]


@pytest.fixture(scope="module")
def structures():
    return from_ase([bulk("Cu", "fcc", a=3.6, cubic=True), ase.Atoms("Cu6", positions=PLACES)], dtype=torch.float64)


@pytest.fixture(scope="module")
def honest():
    return Morse(r_max=4.5)


def families(laws):
    return {law.name.split(":")[0] for law in laws}


@pytest.fixture(scope="module")
def report(honest, structures):
    return check_surrogate(honest, structures)


def test_the_honest_potential_passes_everything_with_power(report):
    assert report.passed
    assert {law.verdict for law in report.laws} == {"pass"}


@pytest.mark.parametrize("saboteur", SABOTEURS, ids=lambda kind: kind.__name__)
def test_a_saboteur_breaks_its_laws_and_no_other(saboteur, honest, structures):
    faulty = saboteur(honest)
    if saboteur is Forgetful:
        faulty.factor = 2.0
    report = check_surrogate(faulty, structures)
    assert families(report.failed) == saboteur.breaks - {"NVE drift"}
    assert not report.passed


def test_every_law_has_a_saboteur(report):
    caught = set().union(*(kind.breaks for kind in SABOTEURS))
    assert caught == families(report.laws) | {"NVE drift"}


def test_dynamics_tell_forces_that_are_no_gradients(honest, structures):
    molecule, hot = singles(structures)[-1], {"temperature": 100.0, "steps": 50, "timestep": 2.0}
    (kept,) = nve_drift(honest, molecule, **hot)
    (lost,) = nve_drift(NonConservative(honest), molecule, **hot)
    assert (kept.verdict, lost.verdict) == ("pass", "FAIL"), (kept, lost)
