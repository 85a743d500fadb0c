"""Structures come out as specified; what cannot be is refused with the nearest word."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from surrogates.datasets.generators import conformers, rattled, structures_from_spec
from surrogates.datasets.generators.structures import with_electrons
from surrogates.physics.errors import DomainError


def test_a_name_gives_the_molecule_with_its_spin():
    (oxygen,) = structures_from_spec({"molecule": "O2"})
    assert oxygen.info == {"charge": 0, "multiplicity": 3}
    (methyl,) = structures_from_spec({"molecule": "CH3", "charge": 1, "multiplicity": 1})
    assert methyl.info == {"charge": 1, "multiplicity": 1}


def test_what_an_object_knows_of_its_electrons_is_kept():
    atoms = molecule("H2O")
    atoms.info["charge"] = 1
    assert with_electrons(atoms).info == {"charge": 1, "multiplicity": 1}
    atoms.set_initial_magnetic_moments([1.0, 0, 0])
    assert with_electrons(atoms).info["multiplicity"] == 2
    atoms.info["multiplicity"] = 4
    assert with_electrons(atoms).info["multiplicity"] == 4
    ion = Atoms("Na")
    ion.set_initial_charges([1.0])
    assert with_electrons(ion).info["charge"] == 1


def test_rattling_has_the_width_asked_for_and_is_seeded():
    atoms = bulk("Cu", cubic=True).repeat(4)
    one, other = rattled(atoms, 0.05, count=2, seed=1)
    away = one.positions - atoms.positions
    assert away.std() == pytest.approx(0.05, rel=0.08)  # 768 deviates: standard error 2.6 %
    assert not np.allclose(one.positions, other.positions)
    assert np.array_equal(one.positions, rattled(atoms, 0.05, seed=1)[0].positions)


def test_strain_is_symmetric_and_carries_the_atoms():
    atoms = bulk("Cu", cubic=True).repeat(2)
    (moved,) = rattled(atoms, 0.0, strain=0.03, seed=2)
    deform = np.linalg.solve(atoms.cell.array, moved.cell.array)
    np.testing.assert_allclose(deform, deform.T, atol=1e-12)
    np.testing.assert_allclose(moved.get_scaled_positions(), atoms.get_scaled_positions(), atol=1e-12)
    assert abs(deform - np.eye(3)).max() > 0.005


def test_rattling_never_puts_atoms_on_top_of_each_other():
    hydrogen = molecule("H2")
    smallest = min(a.get_distance(0, 1) for a in rattled(hydrogen, 0.3, count=200, seed=0))
    assert smallest >= 0.5 * hydrogen.get_distance(0, 1)


def test_specifications_add_up_in_a_list_and_objects_pass():
    found = structures_from_spec([{"molecule": "H2O", "rattle": 0.1, "count": 3}, molecule("CH4"), {"bulk": "Cu"}])
    assert [len(a) for a in found] == [3, 3, 3, 5, 1]
    assert not np.allclose(found[0].positions, found[1].positions)


def test_pymatgen_objects_pass_with_their_charge():
    core = pytest.importorskip("pymatgen.core")
    ion = core.Molecule(["O", "H"], [[0, 0, 0], [0, 0, 0.96]], charge=-1)
    (atoms,) = structures_from_spec(ion)
    assert atoms.info == {"charge": -1, "multiplicity": 1}
    (crystal,) = structures_from_spec(core.Structure(np.eye(3) * 3.6, ["Cu"], [[0, 0, 0]]))
    assert crystal.pbc.all()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"molecule": "CH3CH2HO"}, "CH3CH2OH"),
        ({"molecule": "H2O", "ratle": 0.1}, "did you mean 'rattle'"),
        ({"molecul": "H2O"}, "exactly one of"),
        ({"molecule": "H2O", "smiles": "O"}, "exactly one of"),
        ({"molecule": "H2O", "count": 3}, "add rattle"),
        ({"molecule": "H2O", "count": True, "rattle": 0.1}, "whole number"),
        ({"molecule": "H2O", "rattle": float("nan")}, "give a number"),
        ({"molecule": "H2O", "rattle": 0.1, "strain": 0.1}, "periodic cell"),
        ({"bulk": "Cu", "crystalstructure": "fccc"}, "fcc"),
        ({"bulk": "Cu", "repeat": [2, 2]}, "repeat"),
        ({"bulk": "O"}, "no crystal"),
        ({"bulk": "__import__"}, "no crystal"),
        ([], "were given as"),
        (3, "were given as"),
    ],
)
def test_what_cannot_be_is_refused(spec, words):
    with pytest.raises(DomainError, match=words):
        structures_from_spec(spec)


def test_a_file_of_structures(tmp_path):
    from ase.io import write

    frames = rattled(molecule("H2O"), 0.1, count=3)
    write(tmp_path / "w.xyz", frames)
    found = structures_from_spec({"file": "w.xyz"}, folder=tmp_path)
    np.testing.assert_allclose([a.positions for a in found], [a.positions for a in frames], atol=1e-7)
    assert len(structures_from_spec({"file": "w.xyz", "index": 1, "rattle": 0.1}, folder=tmp_path)) == 1
    with pytest.raises(DomainError, match="3 structures"):
        structures_from_spec({"file": "w.xyz", "index": 3}, folder=tmp_path)


def test_conformers_differ_are_seeded_and_know_their_electrons():
    pytest.importorskip("rdkit")
    found = conformers("CCCO", count=3, seed=0)
    assert len(found) == 3
    spread = [np.sort(a.get_all_distances().ravel()) for a in found]
    assert min(np.abs(spread[i] - spread[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 0.1
    assert np.array_equal(found[1].positions, conformers("CCCO", count=3, seed=0)[1].positions)
    assert conformers("CC(=O)[O-]")[0].info == {"charge": -1, "multiplicity": 1}
    assert conformers("[CH3]")[0].info == {"charge": 0, "multiplicity": 2}
    with pytest.raises(DomainError, match="cannot be read"):
        conformers("C(C")
