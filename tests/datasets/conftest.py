"""Small data sets: rattled ethanol and water in pair potentials, without any foreign calculator."""

import ase
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from surrogates.datasets import Sample, Structures


def labelled(atoms: ase.Atoms, seed: int) -> ase.Atoms:
    random = np.random.default_rng(seed)
    atoms = atoms.copy()
    atoms.positions += random.normal(scale=0.05, size=atoms.positions.shape)
    stress = {"stress": random.normal(size=6)} if atoms.pbc.all() else {}
    forces = random.normal(size=(len(atoms), 3))
    atoms.calc = SinglePointCalculator(atoms, energy=random.normal() - 100, forces=forces, **stress)
    return atoms


@pytest.fixture
def frames():
    """Twelve frames of ethanol, energies and forces in the calculators."""
    return [labelled(molecule("CH3CH2OH"), seed) for seed in range(12)]


@pytest.fixture
def crystals():
    return [labelled(bulk("Cu", cubic=True), seed) for seed in range(4)]


def sample(n_atoms: int, seed: int, *, group: str = "", hessian: bool = False) -> Sample:
    random = np.random.default_rng(seed)
    return Sample(
        numbers=random.integers(1, 90, n_atoms),
        positions=random.normal(size=(n_atoms, 3)) * 3,
        cell=np.diag(random.uniform(8, 9, 3)),
        pbc=np.array([True, False, True]),
        charge=float(seed % 3 - 1),
        multiplicity=seed % 2 + 1,
        energy=float(random.normal()),
        forces=random.normal(size=(n_atoms, 3)),
        stress=random.normal(size=6),
        dipole=random.normal(size=3),
        hessian=random.normal(size=(3 * n_atoms, 3 * n_atoms)) if hessian else None,
        group=group,
        row=seed,
    )


@pytest.fixture
def samples():
    return [sample(1 + seed % 5, seed, group=f"walker {seed % 2}", hessian=True) for seed in range(20)]


@pytest.fixture
def data(samples):
    return Structures(samples, provenance={"description": "made up", "quarantined": []})
