"""Elastic constants: both methods against each other, lattice sums, energies, symmetry and pressure."""

import numpy as np
import pytest
import torch
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from scipy.spatial.transform import Rotation

from surrogates import SurrogateCalculator
from surrogates.datasets.adapters.ase import from_ase
from surrogates.physics.atoms.elastic import rotate, strain_matrix, stretch
from surrogates.physics.errors import DomainError
from surrogates.physics.units import GPA
from surrogates.potentials.pair import Morse
from surrogates.potentials.tensornet import TensorNet
from surrogates.simulation import SecondDerivatives, StressStrain, elastic_constants
from surrogates.simulation.crystal import point_group
from surrogates.simulation.elastic_stress import strained
from surrogates.tasks.energy import EnergyForces
from surrogates.tasks.second_derivatives import hessian_rows

DIFFERENCES = SecondDerivatives(by="differences")


def at_rest(atoms, calculator):
    """A copy relaxed with its cell."""
    copy = atoms.copy()
    copy.calc = calculator
    BFGS(FrechetCellFilter(copy), logfile=None).run(fmax=1e-7, steps=200)
    copy.calc = None
    return copy


@pytest.fixture(scope="module")
def smooth():
    """A pair potential whose switch lies where nothing is left to switch off."""
    return Morse(width=4.0, r0=2.6, r_max=7.5, r_switch=6.5).double()


@pytest.fixture(scope="module")
def copper(smooth):
    return at_rest(bulk("Cu", a=3.6), SurrogateCalculator(smooth))


@pytest.fixture(scope="module")
def hexagonal(smooth):
    """Two atoms whose sites have no centre of inversion, so that they move when the cell is sheared."""
    return at_rest(bulk("Cu", "hcp", a=2.5, c=4.1), SurrogateCalculator(smooth))


def lattice_sums(atoms, depth=0.3429, width=4.0, r0=2.6, r_max=6.5):
    """C_ijkl = (1/2V) sum (phi'' - phi'/r) r_i r_j r_k r_l / r^2 of a monatomic crystal at zero pressure."""
    n = np.array(np.meshgrid(*[np.arange(-6, 7)] * 3)).reshape(3, -1).T
    vectors = n @ atoms.cell.array
    r = np.linalg.norm(vectors, axis=1)
    vectors, r = vectors[(r > 0) & (r < r_max)], r[(r > 0) & (r < r_max)]
    decay = np.exp(-width * (r - r0))
    first = 2 * depth * width * (decay - decay**2)
    second = 2 * depth * width**2 * (2 * decay**2 - decay)
    weight = (second - first / r) / r**2 / 2 / atoms.get_volume()
    entry = lambda i, j, k, l: (weight * vectors[:, i] * vectors[:, j] * vectors[:, k] * vectors[:, l]).sum()  # noqa: E731
    return entry(0, 0, 0, 0), entry(0, 0, 1, 1), entry(1, 2, 1, 2)


@pytest.mark.parametrize("method", ["stress", "hessian", DIFFERENCES], ids=str)
def test_lattice_sums_of_a_pair_potential(copper, smooth, method):
    found = elastic_constants(copper, smooth, method=method)
    c = found.constants
    assert found.point_group == "m-3m"
    assert found.independent == ((0, 0), (0, 1), (3, 3))
    allowed = {"stress": 4e-3, "hessian": 1e-5}.get(method, 1e-3)
    np.testing.assert_allclose([c[0, 0], c[0, 1], c[3, 3]], lattice_sums(copper), rtol=allowed)
    assert c[0, 1] == pytest.approx(c[3, 3], rel=allowed)  # Cauchy's relation of central forces
    if method == "stress":
        exact = np.array(lattice_sums(copper))
        assert (np.abs([c[0, 0], c[0, 1], c[3, 3]] - exact) < 2 * found.errors[[0, 0, 3], [0, 1, 3]]).all()
        assert found.evaluations == 4
    assert found.stable
    assert found["C11"] == pytest.approx(c[0, 0] / GPA)


def test_ions_give_way_alike_in_both_methods(hexagonal, smooth):
    fit = elastic_constants(hexagonal, smooth, method=StressStrain(strain=0.002), fmax=1e-6)
    exact = elastic_constants(hexagonal, smooth, method="hessian", fmax=1e-6)
    clamped = elastic_constants(hexagonal, smooth, method="hessian", ions="clamped")
    np.testing.assert_allclose(fit.constants, exact.constants, atol=1e-3 * exact.constants.max())
    assert len(exact.independent) == 5
    assert exact.asymmetry < 1e-6 * exact.constants.max()
    softer = np.linalg.eigvalsh(clamped.constants - exact.constants)
    assert softer[0] > -1e-8  # ions that give way never stiffen a crystal
    assert softer[-1] > 0.05 * exact.constants.max()
    c = exact.constants
    assert c[5, 5] == pytest.approx((c[0, 0] - c[0, 1]) / 2, rel=1e-6)
    numerical = elastic_constants(hexagonal, smooth, method=DIFFERENCES, fmax=1e-6)
    np.testing.assert_allclose(numerical.constants, c, atol=1e-3 * c.max())


def test_constants_belong_to_the_crystal(hexagonal, smooth):
    exact = elastic_constants(hexagonal, smooth, method="hessian", fmax=1e-6)
    turn = Rotation.random(random_state=2).as_matrix()
    turned = hexagonal.copy()
    turned.set_cell(hexagonal.cell.array @ turn.T, scale_atoms=True)
    found = elastic_constants(turned, smooth, method="hessian", fmax=1e-6)
    np.testing.assert_allclose(found.constants, rotate(exact.constants, turn), atol=1e-6)
    large = elastic_constants(hexagonal.repeat((2, 1, 1)), smooth, method="hessian", fmax=1e-6)
    np.testing.assert_allclose(large.constants, exact.constants, atol=1e-6)


def test_foreign_calculator_against_its_energies():
    copper = at_rest(bulk("Cu"), EMT())
    found = elastic_constants(copper, EMT())
    assert (found["C11"], found["C12"], found["C44"]) == pytest.approx((172.6, 115.4, 89.9), abs=0.15)
    atoms = copper.copy()
    atoms.calc = EMT()

    def energy(strain):
        moved = strained(atoms, stretch(strain_matrix(np.array(strain))))
        moved.calc = atoms.calc
        return moved.get_potential_energy()

    h, volume = 2e-3, copper.get_volume()
    for pattern, expected in (([1, 0, 0, 0, 0, 0], found.constants[0, 0]), ([0, 0, 0, 1, 0, 0], found.constants[3, 3])):
        up, down = energy(h * np.array(pattern)), energy(-h * np.array(pattern))
        assert (up + down - 2 * energy(np.zeros(6))) / h**2 / volume == pytest.approx(expected, rel=3e-3)


def test_derivatives_of_a_network_under_stress():
    """Differentiation equals differences also where stress and forces do not vanish: C is d²E/d(eta)² there."""
    torch.manual_seed(0)
    model = TensorNet(elements=["Cu"], r_max=4.0, channels=8).double()
    task = EnergyForces(model).double()
    atoms = bulk("Cu", a=3.5, cubic=True)
    atoms.rattle(0.05, seed=0)
    atoms.set_cell(atoms.cell.array @ np.array([[1.02, 0.03, 0], [0, 0.99, 0.02], [0, 0, 1]]), scale_atoms=True)
    task.normalise.scale.fill_(30.0)
    settings = {"ions": "clamped", "max_stress": 1e3}
    exact = elastic_constants(atoms, task, method="hessian", **settings)
    by_differences = elastic_constants(atoms, task, method=SecondDerivatives(by="differences", strain=1e-4), **settings)
    assert np.abs(exact.stress).max() > 1e-3
    np.testing.assert_allclose(by_differences.constants, exact.constants, atol=1e-5 * np.abs(exact.constants).max())
    batch = from_ase([atoms], dtype=torch.float64).with_edges(4.0)
    rows = torch.tensor([1, 5, 9])
    torch.testing.assert_close(hessian_rows(task, batch, rows), task.hessian(batch)[rows], rtol=1e-10, atol=1e-10)


def test_bulk_modulus_under_pressure(copper, smooth):
    """K of the stress-strain coefficients is -V dP/dV at any pressure; that of the bare constants is not."""
    calculator = SurrogateCalculator(smooth)

    def squeezed(scale):
        atoms = copper.copy()
        atoms.set_cell(copper.cell.array * scale, scale_atoms=True)
        atoms.calc = calculator
        return atoms

    def pressure(scale):
        return -squeezed(scale).get_stress()[:3].mean()

    found = elastic_constants(squeezed(0.98), smooth, method="hessian", max_stress=1.0)
    h = 1e-4
    slope = -(pressure(0.98 + h) - pressure(0.98 - h)) / (2 * h) * 0.98 / 3
    assert found.pressure == pytest.approx(pressure(0.98), rel=1e-9)
    assert found.moduli.bulk == pytest.approx(slope, rel=1e-5)
    assert found.constants[:3, :3].sum() / 9 != pytest.approx(slope, rel=0.01)


def test_bad_input(copper, smooth):
    with pytest.raises(DomainError, match="a molecule has no elastic constants"):
        elastic_constants(molecule("H2O"), smooth)
    with pytest.raises(DomainError, match="open in a direction"):
        elastic_constants(fcc111("Cu", (1, 1, 2), vacuum=5.0), smooth)
    squeezed = copper.copy()
    squeezed.set_cell(0.97 * copper.cell.array, scale_atoms=True)
    with pytest.raises(DomainError, match=r"stress of .* GPa.*relax it with its cell.*max_stress="):
        elastic_constants(squeezed, smooth)
    with pytest.raises(DomainError, match="choose stress or hessian"):
        elastic_constants(copper, smooth, method="strain")
    with pytest.raises(DomainError, match="choose relaxed or clamped"):
        elastic_constants(copper, smooth, ions="frozen")
    held = copper.repeat(2)
    held.set_constraint(FixAtoms([0]))
    with pytest.raises(DomainError, match="remove FixAtoms"):
        elastic_constants(held, smooth)
    with pytest.raises(DomainError, match="2 structures"):
        elastic_constants([copper, copper], smooth)
    with pytest.raises(DomainError, match="cannot be differentiated"):
        elastic_constants(at_rest(bulk("Cu"), EMT()), EMT(), method=SecondDerivatives(by="autograd"))
    for wrong in ({"strain": 0.5}, {"points": 3}, {"degree": 3}, {"points": 2}):
        with pytest.raises(DomainError, match=r"give|degree"):
            StressStrain(**wrong)


def test_a_supercell_of_another_shape_has_all_rotations_of_its_crystal():
    cell = bulk("Cu")
    cell.set_cell(cell.cell @ Rotation.from_euler("xyz", [0.3, 0.5, 0.7]).as_matrix(), scale_atoms=True)
    (name, few), (other, many) = point_group(cell, 1e-3), point_group(cell * (2, 1, 1), 1e-3)
    assert name == other == "m-3m"
    assert len(few) == len(many) == 48
    distance = np.abs(few[:, None] - many[None]).max(axis=(2, 3))
    assert distance.min(axis=1).max() < 1e-8
