"""PySCF through our adapter: forces are the energy's derivative, units are ASE's, states are what was asked for."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import SCFError

from surrogates.datasets.generators.references import make_reference
from surrogates.physics.errors import DomainError
from surrogates.physics.units import HARTREE

pytest.importorskip("pyscf")
PYSCF = {"use": "surrogates.datasets.generators.pyscf_reference:PySCF", "basis": "sto-3g"}


def _bent_water():
    atoms = molecule("H2O")
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.mark.parametrize(
    ("method", "atoms", "multiplicity"),
    [
        ({"method": "HF"}, _bent_water(), 1),
        ({"method": "MP2"}, _bent_water(), 1),
        ({"method": "DFT", "xc": "pbe", "grid_level": 1}, molecule("H2"), 1),
        ({"method": "HF"}, molecule("OH"), 2),
    ],
)
def test_forces_are_the_derivative_of_the_energy(method, atoms, multiplicity):
    atoms = atoms.copy()
    atoms.positions[0] += (0.03, 0.02, 0.05)
    atoms.calc = make_reference(PYSCF | method, multiplicity=multiplicity)
    forces, h, energies = atoms.get_forces(), 1e-3, []
    for step in (h, -h):
        moved = atoms.copy()
        moved.positions[0, 2] += step
        moved.calc = atoms.calc
        energies.append(moved.get_potential_energy())
    assert forces[0, 2] == pytest.approx(-(energies[0] - energies[1]) / (2 * h), abs=1e-4)
    np.testing.assert_allclose(forces.sum(0), 0, atol=1e-5)


def test_energy_and_dipole_are_those_of_the_textbook():
    hydrogen = Atoms("H", calculator=make_reference(PYSCF | {"method": "HF", "basis": "cc-pvqz"}, multiplicity=2))
    assert hydrogen.get_potential_energy() == pytest.approx(-0.5 * HARTREE, abs=2e-3)
    water = molecule("H2O")
    water.calc = make_reference(PYSCF | {"method": "HF", "basis": "6-31g*"})
    dipole = water.get_dipole_moment()
    assert dipole[2] < -0.3  # e Å: from O down to the hydrogens, ASE's water has O on top
    np.testing.assert_allclose(dipole[:2], 0, atol=1e-6)


def test_what_cannot_be_calculated_is_refused():
    with pytest.raises(DomainError, match="even multiplicity"):
        make_reference(PYSCF | {"method": "HF"}).calculate(molecule("OH"))
    crystal = Atoms("He", cell=[3, 3, 3], pbc=True)
    with pytest.raises(DomainError, match="periodic"):
        make_reference(PYSCF | {"method": "HF"}).calculate(crystal)
    with pytest.raises(SCFError, match="did not converge"):
        make_reference(PYSCF | {"method": "HF", "max_iterations": 1}).calculate(molecule("H2O"))
