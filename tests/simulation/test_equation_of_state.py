"""Equation of state: exact curves come back, errors grow with noise, and the bulk modulus is the elastic one."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.eos import EquationOfState as AseFit

from surrogates.physics.errors import DomainError
from surrogates.potentials.pair import Morse
from surrogates.simulation import elastic_constants, equation_of_state
from surrogates.simulation.equation_of_state import FORMS, fit_energies

TRUE = np.array([-3.5, 0.85, 4.7, 11.8])  # eV, eV/Å^3, no unit, Å^3


@pytest.mark.parametrize("form", FORMS)
def test_an_exact_curve_comes_back(form):
    volumes = np.linspace(0.94, 1.06, 11) * 11.6
    energies = FORMS[form](volumes, *TRUE)
    values, _, residual = fit_energies(volumes, energies, form)
    np.testing.assert_allclose(values, TRUE, rtol=1e-6)
    assert residual < 1e-9
    large, _, _ = fit_energies(volumes, energies - 50000.0, form)  # total energies of all-electron methods
    np.testing.assert_allclose(large[1:], TRUE[1:], rtol=1e-3)


def test_errors_are_those_of_the_noise():
    """Over many noisy curves the scatter of each parameter is the error that the fit states."""
    volumes, random = np.linspace(0.94, 1.06, 11) * 11.8, np.random.default_rng(0)
    clean = FORMS["vinet"](volumes, *TRUE)
    found = [fit_energies(volumes, clean + random.normal(0, 1e-4, 11), "vinet") for _ in range(200)]
    scatter = np.std([values for values, _, _ in found], axis=0)
    stated = np.sqrt(np.mean([np.diag(covariance) for _, covariance, _ in found], axis=0))
    np.testing.assert_allclose(stated, scatter, rtol=0.2)


@pytest.fixture(scope="module")
def copper():
    return equation_of_state(bulk("Cu", a=3.6), EMT())


def test_copper_is_that_of_ase(copper):
    known = AseFit(copper.volumes, copper.energies, eos="birchmurnaghan")
    volume, energy, modulus = known.fit(warn=False)
    assert (copper.volume, copper.energy, copper.bulk) == pytest.approx((volume, energy, modulus), rel=1e-5)
    assert (4 * copper.volume) ** (1 / 3) == pytest.approx(3.5898, abs=2e-4)
    assert copper.atoms.get_volume() == pytest.approx(copper.volume)
    assert copper.pressure_at(np.array([copper.volume]))[0] == pytest.approx(0, abs=1e-6)


def test_bulk_modulus_is_the_elastic_one(copper):
    found = elastic_constants(copper.atoms, EMT(), method="hessian")
    assert found.moduli.bulk == pytest.approx(copper.bulk, rel=0.01)
    model = Morse().double()
    curve = equation_of_state(bulk("Cu", a=3.63), model, width=0.02, form="vinet")
    exact = elastic_constants(curve.atoms, model, method="hessian").moduli.bulk
    assert curve.bulk == pytest.approx(exact, rel=0.01)


def test_the_structure_may_be_off_its_minimum():
    far, near = (equation_of_state(bulk("Cu", a=a), EMT(), width=0.08) for a in (3.55, 3.62))
    assert far.volume == pytest.approx(near.volume, rel=1e-3)


def test_bad_input():
    with pytest.raises(DomainError, match="no minimum of the energy lies between"):
        equation_of_state(bulk("Cu", a=4.2), EMT())
    with pytest.raises(DomainError, match="molecule has no equation of state"):
        equation_of_state(molecule("H2O"), EMT())
    for wrong in ({"points": 5}, {"width": 0.0}, {"form": "birch"}, {"fmax": -1.0}):
        with pytest.raises(DomainError, match=r"choose|whole number"):
            equation_of_state(bulk("Cu"), EMT(), **wrong)
