"""Phonons: exact frequencies, both methods, ASE's own, sound, statistics, and what is said of unstable crystals."""

import sys

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.phonons import Phonons as AsePhonons
from scipy.integrate import trapezoid

from surrogates.physics.atoms.elastic_moduli import sound_velocities
from surrogates.physics.errors import DomainError, MissingExtra
from surrogates.physics.units import FS, KB
from surrogates.potentials.pair import Morse
from surrogates.simulation import elastic_constants, phonons
from surrogates.simulation.crystal import NotRelaxedWarning
from surrogates.simulation.force_constants import repetitions, sum_rule, truncation
from surrogates.simulation.phonon_modes import difference

pytest.importorskip("phonopy")
DEPTH, WIDTH, R0 = 0.3429, 1.3588, 2.56
PLANCK = 4.135667696e-3  # eV/THz
TERA = 1e-3 / FS  # one THz in inverse units of ASE's time


@pytest.fixture(scope="module")
def neighbours():
    """Nearest neighbours alone attract each other: every number is known."""
    return Morse(depth=DEPTH, width=WIDTH, r0=R0, r_switch=3.0, r_max=3.4).double()


@pytest.fixture(scope="module")
def copper():
    return bulk("Cu", a=R0 * np.sqrt(2))


@pytest.fixture(scope="module")
def exact(copper, neighbours):
    return phonons(copper, neighbours, supercell=4)


def test_central_forces_of_nearest_neighbours(copper, exact):
    """fcc: omega² = 8 alpha/M and 4 alpha/M at X, 8 alpha/M and 2 alpha/M at L, alpha = phi''(r0)."""
    alpha, mass = 2 * DEPTH * WIDTH**2, copper.get_masses()[0]
    omega = np.sqrt(np.array([[4, 4, 8], [2, 2, 8]]) * alpha / mass) / (2 * np.pi) / TERA
    np.testing.assert_allclose(exact.frequencies([[0.5, 0.5, 0.0], [0.5, 0.5, 0.5]]), omega, rtol=2e-6)
    np.testing.assert_allclose(exact.gamma, 0, atol=1e-4)
    assert (exact.method, exact.evaluations) == ("autograd", 1)
    assert exact.sum_rule < 1e-12
    assert exact.truncation < 1e-12


def test_differentiation_equals_differences(copper, neighbours, exact):
    numerical = phonons(copper, neighbours, supercell=4, method="finite differences", step=0.005)
    gap = difference(exact, numerical)
    assert gap.largest < 1e-3
    assert gap.mean > 0
    assert numerical.evaluations == 1  # one displacement is all that cubic symmetry asks for
    hexagonal = bulk("Cu", "hcp", a=R0, c=R0 * np.sqrt(8 / 3))
    one, two = (phonons(hexagonal, neighbours, supercell=3, method=m) for m in ("autograd", "finite differences"))
    assert difference(one, two).largest < 2e-3
    assert one.on_mesh(2).shape == (8, 6)


def test_conventional_cell_has_the_primitive_one(exact, neighbours):
    cubic = bulk("Cu", a=R0 * np.sqrt(2), cubic=True)
    found = phonons(cubic, neighbours, supercell=(2, 2, 2))
    assert len(found.primitive) == 1
    np.testing.assert_allclose(np.sort(found.on_mesh(4), axis=None), np.sort(exact.on_mesh(4), axis=None), atol=1e-6)


def test_emt_copper_is_that_of_ase(tmp_path):
    atoms = bulk("Cu", a=3.5898)
    found = phonons(atoms, EMT(), supercell=3)
    assert found.method == "finite differences"
    ase_phonons = AsePhonons(atoms, EMT(), supercell=(3, 3, 3), delta=0.01, name=str(tmp_path / "phonons"))
    ase_phonons.run()
    ase_phonons.read(acoustic=True)
    q = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [2, 1, 0]]) / 3  # those that fit: elsewhere the two interpolate
    energies = np.array(ase_phonons.band_structure(q, verbose=False))
    np.testing.assert_allclose(found.frequencies(q), energies / PLANCK, atol=5e-3)
    assert found.on_mesh().max() == pytest.approx(8.06, abs=0.15)


def test_long_waves_are_sound(copper, neighbours, exact):
    constants = elastic_constants(copper, neighbours, method="hessian").constants
    q = np.array([[0.002, 0.001, 0.004], [0.0, 0.003, 0.003], [0.001, 0.001, 0.0]])
    wave = 2 * np.pi * q @ np.linalg.inv(exact.primitive.cell.array).T
    length = np.linalg.norm(wave, axis=1)
    density = copper.get_masses().sum() / copper.get_volume()
    speed = sound_velocities(constants, density, wave / length[:, None])
    slope = exact.frequencies(q) * TERA * 2 * np.pi / length[:, None]
    np.testing.assert_allclose(slope, speed, rtol=2e-4)


def test_statistics(exact):
    hot = exact.thermal([5000.0], mesh=10)
    assert hot.heat_capacity[0] / (3 * KB) == pytest.approx(1.0, abs=2e-3)  # Dulong and Petit
    kelvin = np.array([299.0, 300.0, 301.0])
    near = exact.thermal(kelvin, mesh=10)
    slope = (near.free_energy[0] - near.free_energy[2]) / 2
    assert near.entropy[1] == pytest.approx(slope, rel=1e-4)
    energy = near.free_energy + kelvin * near.entropy
    assert near.heat_capacity[1] == pytest.approx((energy[2] - energy[0]) / 2, rel=1e-3)
    cold = exact.thermal([0.0], mesh=10)
    assert cold.free_energy[0] == pytest.approx(PLANCK * exact.on_mesh(10).sum(axis=1).mean() / 2, rel=0.01)
    density = exact.dos(mesh=10)
    assert trapezoid(density.density, density.frequencies) == pytest.approx(3, rel=0.02)


def test_bands_follow_the_path(exact):
    found = exact.bands("GXWKGL", points=60)
    assert [name for _, name in found.labels] == ["Γ", "X", "W", "K", "Γ", "L"]
    assert found.frequencies.shape == (len(found.x), 3)
    np.testing.assert_allclose(found.frequencies[0], 0, atol=1e-4)
    assert found.labels[1][0] == pytest.approx(2 * np.pi / (R0 * np.sqrt(2)), rel=1e-6)


def test_an_unstable_crystal_is_called_so(neighbours):
    squeezed = phonons(bulk("Cu", "sc", a=0.97 * R0), neighbours, supercell=4)  # rows of atoms that buckle
    assert not squeezed.stable()
    assert squeezed.thermal([300.0], mesh=6).left_out > 0.01
    assert "IMAGINARY" in str(squeezed)


def test_rim_and_sum_rule():
    model, atoms = Morse(r_max=6.0).double(), bulk("Cu", a=3.63)
    small, large = phonons(atoms, model, supercell=2), phonons(atoms, model, supercell=5)
    assert small.truncation > 0.003 > 5 * large.truncation
    constants = np.zeros((1, 2, 3, 3))
    constants[0, 0], constants[0, 1] = np.eye(3), -0.9 * np.eye(3)
    assert sum_rule(constants) == pytest.approx(0.1)
    assert truncation(constants[:, :1], atoms, np.array([0])) == 1.0
    np.testing.assert_array_equal(np.diag(repetitions(None, np.diag([3.0, 5.1, 10.0]), 10.0)), [4, 2, 1])


def test_bad_input(copper, neighbours, monkeypatch):
    with pytest.raises(DomainError, match="a molecule has no phonons"):
        phonons(molecule("H2O"), neighbours)
    with pytest.raises(DomainError, match="finite differences"):
        phonons(copper, EMT(), method="autograd")
    for wrong in (0, -2, 1.5, (2, 2), "2x2x2"):
        with pytest.raises(DomainError, match="supercell="):
            phonons(copper, neighbours, supercell=wrong)
    with pytest.raises(DomainError, match="method="):
        phonons(copper, neighbours, method="dfpt")
    rattled = bulk("Cu", cubic=True)
    rattled.rattle(0.1, seed=0)
    with pytest.warns(NotRelaxedWarning, match="relax it with this surrogate first"):
        phonons(rattled, neighbours, supercell=1)
    other = phonons(bulk("Ag", a=R0 * np.sqrt(2)), neighbours, supercell=2)
    with pytest.raises(DomainError, match="cannot be compared"):
        difference(other, phonons(copper, neighbours, supercell=2))
    monkeypatch.setitem(sys.modules, "phonopy", None)
    with pytest.raises(MissingExtra, match=r"surrogates\[phonons\]"):
        phonons(copper, neighbours)


def test_a_supercell_that_is_too_small_is_said():
    from surrogates.simulation.phonons import SmallSupercell

    with pytest.warns(SmallSupercell, match="larger supercell"):
        phonons(bulk("Cu"), EMT(), supercell=[1, 1, 1], fmax=1.0)
