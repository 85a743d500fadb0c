"""Vibrations against formulas, ASE, and each other's Hessians."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.constraints import FixAtoms, FixBondLength
from ase.vibrations import Infrared

from surrogates.physics.errors import DomainError
from surrogates.physics.units import HBAR, INVERSE_CM
from surrogates.potentials.pair import Morse
from surrogates.simulation import AseSurrogate, as_surrogate, vibrations
from surrogates.simulation.vibrations import NotAMinimumWarning

MORSE = {"depth": 0.5, "width": 1.2, "r0": 2.0, "r_max": 8.0}


def test_a_pair_vibrates_as_the_formula_says():
    """omega = sqrt(2 depth width^2 / mu), reduced mass mu; a switch far away changes nothing."""
    pair = Atoms("HCl", [[0, 0, 0], [0, 0, 2.0]])
    found = vibrations(pair, Morse(**MORSE))
    a, b = pair.get_masses()
    mu = a * b / (a + b)
    expected = np.sqrt(2 * 0.5 * 1.2**2 / mu) * HBAR / INVERSE_CM
    np.testing.assert_allclose(found.frequencies, [expected], rtol=1e-6)
    assert found.rigid == 5
    assert found.zero_point_energy == pytest.approx(expected * INVERSE_CM / 2, rel=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found.modes[0]), 1)
    assert found.minimum


def test_differences_agree_with_derivatives(potential, minima):
    class Forces:
        elements, r_max = (), potential.r_max
        predict = staticmethod(as_surrogate(potential).predict)

    exact, differences = (vibrations(list(minima), s) for s in (potential, Forces()))
    for a, b in zip(exact, differences, strict=True):
        assert len(a) == 3 * len(a.atoms) - 6
        np.testing.assert_allclose(b.frequencies, a.frequencies, rtol=2e-4)
        assert a.minimum


class Springs(Calculator):
    """A water-like molecule of springs with point charges, for a dipole."""

    implemented_properties = ["energy", "forces", "dipole"]  # noqa: RUF012
    charges = np.array([-0.8, 0.4, 0.4])
    lengths = {(0, 1): 0.96, (0, 2): 0.96, (1, 2): 1.52}  # noqa: RUF012

    def calculate(self, atoms=None, properties=(), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        x, energy, forces = self.atoms.positions, 0.0, np.zeros((3, 3))
        for (i, j), length in self.lengths.items():
            r = x[j] - x[i]
            stretch = np.linalg.norm(r) - length
            energy += 20 * stretch**2
            forces[i] += 40 * stretch * r / np.linalg.norm(r)
            forces[j] -= 40 * stretch * r / np.linalg.norm(r)
        self.results = {"energy": energy, "forces": forces, "dipole": self.charges @ x}


@pytest.fixture
def water():
    h = np.sqrt(0.96**2 - 0.76**2)
    return Atoms("OH2", [[0, 0, 0], [0.76, h, 0], [-0.76, h, 0]])


def test_frequencies_and_infrared_are_those_of_ase(water, tmp_path):
    found = vibrations(water, Springs())
    water.calc = Springs()
    theirs = Infrared(water, delta=0.005, name=str(tmp_path / "ir"))
    theirs.run()
    np.testing.assert_allclose(found.frequencies, theirs.get_frequencies().real[6:], rtol=1e-4)
    np.testing.assert_allclose(found.ir, theirs.intensities[6:] * 42.255, rtol=1e-3)
    assert "km/mol" in str(found)


def test_free_energy_of_an_ideal_gas(water):
    found = vibrations(water, Springs())
    cold, warm = found.free_energy(20.0, symmetry=2), found.free_energy(300.0, symmetry=2)
    assert cold == pytest.approx(found.energy + found.zero_point_energy, abs=2e-2)
    assert warm < cold
    kt = 8.617330337217213e-05 * 300
    assert found.free_energy(300.0, symmetry=1) == pytest.approx(warm - kt * np.log(2))


def test_a_crystal_keeps_three_rigid_motions():
    crystal = bulk("Cu", a=3.6) * (2, 1, 1)
    found = vibrations(crystal, Morse())
    assert found.rigid == 3
    assert len(found) == 3
    assert np.isfinite(found.free_energy(300.0))


def test_fixed_atoms_stay_out(potential, minima):
    held = minima[1].copy()
    held.set_constraint(FixAtoms([0, 1, 2]))
    found = vibrations(held, potential)
    assert len(found) == 6
    assert np.abs(found.modes[:, :3]).max() == 0
    free = vibrations(minima[1], potential)
    rows = np.ravel([3 * np.array([3, 4])[:, None] + np.arange(3)])
    np.testing.assert_allclose(found.hessian, free.hessian[np.ix_(rows, rows)], atol=1e-12)
    held.set_constraint(FixBondLength(0, 1))
    with pytest.raises(DomainError, match="FixBondLength"):
        vibrations(held, potential)


def test_a_saddle_says_so(potential):
    line = Atoms("Ar3", [[0, 0, 0], [3.82, 0, 0], [7.64, 0, 0]])
    with pytest.warns(NotAMinimumWarning, match="imaginary"):
        found = vibrations(line, potential, fmax=10.0)
    assert found.imaginary.sum() == 2  # bending, twice
    assert not found.minimum
    assert found.rigid == 5
    with pytest.raises(DomainError, match="imaginary"):
        found.free_energy()


def test_precision_is_that_of_float64(minima):
    from surrogates.potentials.pair import LennardJones

    single = LennardJones(epsilon=1.0).float()
    found = vibrations(minima[0], single)
    np.testing.assert_allclose(found.frequencies, vibrations(minima[0], single.double()).frequencies, rtol=1e-6)


def test_frames_go_there_and_back(water):
    found = vibrations(water, AseSurrogate(Springs()))
    frames = found.frames(0, amplitude=0.1, count=4)
    np.testing.assert_allclose(frames[1].positions + frames[3].positions, 2 * water.positions, atol=1e-12)
