"""A pymatgen Structure goes wherever ase.Atoms goes, and means the same."""

import numpy as np
import pytest
from ase.calculators.emt import EMT

import surrogates
from surrogates.datasets.adapters import from_ase
from surrogates.datasets.adapters.pymatgen import as_ase
from surrogates.physics.errors import DomainError
from surrogates.simulation import dynamics, elastic_constants, relax

core = pytest.importorskip("pymatgen.core")


@pytest.fixture
def alloy():
    return core.Structure(core.Lattice.cubic(3.75), ["Cu", "Au"], [[0, 0, 0], [0.5, 0.5, 0.45]])


def test_simulations_checks_and_batches_take_it(alloy):
    atoms = as_ase(alloy)
    one, other = (relax(s, EMT(), fmax=0.05, cell="full", smax=1e-3, steps=30) for s in (alloy, [atoms]))
    assert one.energy[0] == other.energy[0]
    np.testing.assert_array_equal(one[0].cell.array, other[0].cell.array)
    paths = [dynamics(s, EMT(), "nve", temperature=300, time=10, timestep=5, seed=0) for s in (alloy, atoms)]
    np.testing.assert_array_equal(*(p.atoms[0].positions for p in paths))
    tables = [surrogates.check(EMT(), [s]) for s in (alloy, atoms)]
    assert str(tables[0]) == str(tables[1])
    np.testing.assert_array_equal(from_ase(alloy).positions, from_ase(atoms).positions)


def test_elastic_constants_take_it():
    copper = core.Structure(
        core.Lattice.cubic(3.5898), ["Cu"] * 4, [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    )
    constants = elastic_constants(copper, EMT()).gpa
    assert constants[0, 0] == pytest.approx(172.6, rel=0.01)
    assert constants[3, 3] == pytest.approx(89.9, rel=0.01)


def test_partial_occupation_is_named_at_every_door():
    alloy = core.Structure(core.Lattice.cubic(3.7), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    for door in (from_ase, lambda s: relax(s, EMT()), lambda s: surrogates.check(EMT(), [s])):
        with pytest.raises(DomainError, match="partially occupied"):
            door(alloy)
