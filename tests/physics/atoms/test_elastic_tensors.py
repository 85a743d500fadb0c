"""Elastic tensors: notation, rotation, symmetry, averages and finite strain, against exact formulas."""

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from surrogates.physics.atoms.elastic import (
    elastic_matrix,
    elastic_tensor,
    rotate,
    strain_matrix,
    strain_vector,
    stress_matrix,
    stress_strain_coefficients,
    stress_vector,
    stretch,
    thermodynamic_stress,
)
from surrogates.physics.atoms.elastic_moduli import debye_temperature, moduli, sound_velocities, stiffnesses
from surrogates.physics.atoms.elastic_symmetry import (
    cartesian_rotations,
    independent_entries,
    invariant_constants,
    strain_patterns,
    symmetrise,
)
from surrogates.physics.units import HBAR, KB

CELLS = {
    "cubic": (bulk("Cu"), 3, 1),
    "hexagonal": (bulk("Mg"), 5, 2),
    "tetragonal": (Atoms("TiAl", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=[2.8, 2.8, 4.0], pbc=True), 6, 2),
    "trigonal": (Atoms("Bi", cell=[[4, 0.3, 0.3], [0.3, 4, 0.3], [0.3, 0.3, 4]], pbc=True), 6, 2),
    "orthorhombic": (Atoms("Cu", cell=[2.0, 3.0, 4.0], pbc=True), 9, 3),
    "monoclinic": (Atoms("Cu", cell=[[2, 0, 0.7], [0, 3, 0], [0, 0, 4]], pbc=True), 13, 4),
    "triclinic": (Atoms("Cu", cell=[[2, 0.1, 0.3], [0.2, 3, 0.4], [0.5, 0.6, 4]], pbc=True), 21, 6),
}


def operations(atoms):
    found = spglib.get_symmetry((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec=1e-3)
    return cartesian_rotations(np.asarray(found["rotations"], dtype=float), atoms.cell.array)


def cubic(c11, c12, c44):
    c = np.diag([c11 - c12] * 3 + [c44] * 3).astype(float)
    c[:3, :3] += c12
    return c


def some_constants(seed=0):
    c = np.random.default_rng(seed).normal(size=(6, 6))
    return c + c.T + 10 * np.eye(6)


def test_energy_is_half_stress_times_strain():
    c, e = some_constants(), np.random.default_rng(1).normal(size=6)
    tensor = np.einsum("ij,ijkl,kl", strain_matrix(e), elastic_tensor(c), strain_matrix(e))
    assert tensor == pytest.approx(e @ c @ e, rel=1e-13)
    np.testing.assert_allclose(strain_vector(strain_matrix(e)), e, atol=1e-15)
    np.testing.assert_allclose(stress_vector(stress_matrix(e)), e, atol=1e-15)
    np.testing.assert_allclose(elastic_matrix(elastic_tensor(c)), c, atol=1e-15)


def test_rotation_is_that_of_four_indices():
    c, r = some_constants(), Rotation.random(random_state=3).as_matrix()
    by_hand = elastic_matrix(np.einsum("ia,jb,kc,ld,abcd->ijkl", r, r, r, r, elastic_tensor(c)))
    np.testing.assert_allclose(rotate(c, r), by_hand, atol=1e-12)
    np.testing.assert_allclose(stiffnesses(rotate(c, r)), stiffnesses(c), atol=1e-12)
    before, after = moduli(c), moduli(rotate(c, r))
    assert (before.bulk, before.shear) == pytest.approx((after.bulk, after.shear), rel=1e-12)


@pytest.mark.parametrize("system", CELLS)
def test_symmetry_leaves_the_known_number_of_constants(system):
    atoms, constants, strains = CELLS[system]
    group = operations(atoms)
    basis = invariant_constants(group)
    assert len(basis) == constants
    assert len(independent_entries(basis)) == constants
    for one in basis:
        np.testing.assert_allclose(symmetrise(one, group), one, atol=1e-12)
        np.testing.assert_allclose(rotate(one, group[-1]), one, atol=1e-6)
    patterns = strain_patterns(basis)
    assert len(patterns) == strains
    design = np.einsum("nij,pj->pin", basis, patterns).reshape(-1, constants)
    assert np.linalg.matrix_rank(design) == constants
    few = np.einsum("nij,pj->pin", basis, np.random.default_rng(0).normal(size=(strains - 1, 6)))
    assert np.linalg.matrix_rank(few.reshape(-1, constants)) < constants if strains > 1 else True


def test_any_orientation_has_the_same_constants():
    turn = Rotation.random(random_state=5).as_matrix()
    atoms = bulk("Mg")
    atoms.set_cell(atoms.cell.array @ turn.T, scale_atoms=True)
    basis = invariant_constants(operations(atoms))
    assert (len(basis), len(strain_patterns(basis))) == (5, 2)
    back = rotate(symmetrise(some_constants(), operations(atoms)), turn.T)
    assert back[0, 0] == pytest.approx(back[1, 1], rel=1e-10)
    assert back[5, 5] == pytest.approx((back[0, 0] - back[0, 1]) / 2, rel=1e-10)


def test_averages_of_cubic_copper():
    """Hill's formulas for cubic crystals, constants of copper in GPa."""
    c11, c12, c44 = 168.4, 121.4, 75.4
    found = moduli(cubic(c11, c12, c44))
    assert found.bulk_voigt == pytest.approx((c11 + 2 * c12) / 3)
    assert found.bulk_reuss == pytest.approx((c11 + 2 * c12) / 3)
    assert found.shear_voigt == pytest.approx((c11 - c12 + 3 * c44) / 5)
    assert found.shear_reuss == pytest.approx(5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12)))
    assert found.anisotropy == pytest.approx(5 * found.shear_voigt / found.shear_reuss - 5)
    assert found.young == pytest.approx(2 * found.shear * (1 + found.poisson))


def test_an_isotropic_solid_is_isotropic():
    lame, shear, density = 1.1, 0.7, 0.5
    c = cubic(lame + 2 * shear, lame, shear)
    found = moduli(c)
    assert (found.bulk, found.shear) == pytest.approx((lame + 2 * shear / 3, shear))
    assert found.anisotropy == pytest.approx(0, abs=1e-12)
    direction = np.array([[0.36, 0.48, 0.8]])
    slow, fast = np.sqrt(shear / density), np.sqrt((lame + 2 * shear) / density)
    np.testing.assert_allclose(sound_velocities(c, density, direction), [[slow, slow, fast]], rtol=1e-12)
    mean = (3 / (2 * slow**-3 + fast**-3)) ** (1 / 3)
    by_hand = HBAR / KB * (6 * np.pi**2 * 4 / 40.0) ** (1 / 3) * mean
    assert debye_temperature(c, 40.0, 20.0, 4) == pytest.approx(by_hand, rel=1e-10)


def test_debye_temperature_of_copper():
    """345 K from measured constants at 4 K (Kittel gives 343 K from the heat capacity)."""
    gpa = 1 / 160.21766
    found = debye_temperature(cubic(176.2, 124.9, 81.8) * gpa, 11.7, 63.546, 1)
    assert found == pytest.approx(345, abs=2)


def test_born_stability():
    """Cubic: C11 - C12, C44 and C11 + 2 C12 are the stiffnesses."""
    np.testing.assert_allclose(stiffnesses(cubic(5, 2, 1.2)), [2.4, 2.4, 2.4, 3, 3, 9], atol=1e-12)
    assert stiffnesses(cubic(2, 2.1, 1))[0] < 0 < stiffnesses(cubic(2, 1.9, 1))[0]


def test_stress_of_finite_strain():
    """E = V0 (eta C eta)/2 has the thermodynamic stress C eta, whatever the size of eta; checked through dE/dF."""
    c, eta = some_constants(), 0.1 * np.random.default_rng(2).normal(size=6)
    f = stretch(strain_matrix(eta))
    np.testing.assert_allclose((f.T @ f - np.eye(3)) / 2, strain_matrix(eta), atol=1e-14)

    def energy(deformation):
        e = strain_vector((deformation.T @ deformation - np.eye(3)) / 2)
        return e @ c @ e / 2

    first = np.zeros((3, 3))  # dE/dF by differences; sigma = (1/det F) dE/dF F^T
    for i in range(3):
        for j in range(3):
            step = np.zeros((3, 3))
            step[i, j] = 1e-6
            first[i, j] = (energy(f + step) - energy(f - step)) / 2e-6
    cauchy = first @ f.T / np.linalg.det(f)
    np.testing.assert_allclose(stress_vector(thermodynamic_stress(cauchy, f)), c @ eta, atol=1e-8)


def test_coefficients_under_pressure():
    c, p = cubic(5.0, 2.0, 1.2), 0.3
    found = stress_strain_coefficients(c, np.array([-p, -p, -p, 0, 0, 0]))
    np.testing.assert_allclose(found, cubic(5 - p, 2 + p, 1.2 - p), atol=1e-14)
    np.testing.assert_allclose(stress_strain_coefficients(c, np.zeros(6)), c)
