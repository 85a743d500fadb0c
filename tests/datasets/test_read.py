"""Files of other programs: what was written is what is read, and it is said where it came from."""

import bz2
import gzip
import json

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from surrogates.datasets import read_structures
from surrogates.physics import units
from surrogates.physics.errors import DomainError, FileError, SurrogatesError


@pytest.mark.parametrize("name", ["frames.extxyz", "frames.xyz", "frames.traj", "frames.db", "frames.json"])
def test_labels_come_back_from_every_format(name, frames, tmp_path):
    ase.io.write(tmp_path / name, frames)
    data = read_structures(tmp_path / name)
    tolerance = 1e-7 if "xyz" in name else 0
    for sample, atoms in zip(data, frames, strict=True):
        np.testing.assert_allclose(sample.positions, atoms.positions, atol=tolerance)
        np.testing.assert_allclose(sample.forces, atoms.get_forces(), atol=tolerance)
        assert sample.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
        assert sample.group == name
    assert "moved there by ASE's reader" in data.description
    assert data.units["forces"] == "eV/Å"


def test_keys_are_named_and_echoed(frames, crystals, tmp_path):
    for atoms in crystals:
        atoms.info["REF_energy"] = atoms.get_potential_energy() + 1
        atoms.arrays["REF_forces"] = 2 * atoms.get_forces()
        atoms.info["q"], atoms.info["spin"] = -1, 2
    ase.io.write(tmp_path / "x.extxyz", crystals)
    keys = {"energy": "REF_energy", "forces": "REF_forces", "stress": "stress", "charge": "q", "multiplicity": "spin"}
    data = read_structures(tmp_path / "x.extxyz", **keys)
    np.testing.assert_allclose(data[2].forces, 2 * crystals[2].get_forces(), atol=1e-7)
    np.testing.assert_allclose(data[2].stress, crystals[2].get_stress(), atol=1e-7)
    assert (data[2].charge, data[2].multiplicity) == (-1, 2)
    assert 'energy: key "REF_energy" in info, eV' in data.description
    assert 'multiplicity: key "spin" (4 frames)' in data.description


def test_charge_and_multiplicity_come_from_argument_frame_or_electron_count(tmp_path):
    ase.io.write(
        tmp_path / "x.xyz", [molecule("CH3"), molecule("H2O")], format="extxyz", columns=["symbols", "positions"]
    )
    unlabelled = {"energy": None, "forces": None}
    data = read_structures(tmp_path / "x.xyz", **unlabelled)
    assert [(s.charge, s.multiplicity) for s in data] == [(0, 2), (0, 1)]
    assert "0 (not given)" in data.description
    data = read_structures(tmp_path / "x.xyz", charge=1, multiplicity=3, **unlabelled)
    assert [(s.charge, s.multiplicity) for s in data] == [(1, 3), (1, 3)]
    data = read_structures(tmp_path / "x.xyz", charge=1, **unlabelled)
    assert [s.multiplicity for s in data] == [1, 2]


def test_units_are_converted(frames, tmp_path):
    ase.io.write(tmp_path / "x.extxyz", frames)
    given = {"energy": "kcal/mol", "forces": "Hartree/Bohr", "positions": "Bohr"}
    plain, data = read_structures(tmp_path / "x.extxyz"), read_structures(tmp_path / "x.extxyz", units=given)
    np.testing.assert_allclose(data[3].energy, plain[3].energy * units.KCAL_PER_MOL)
    np.testing.assert_allclose(data[3].forces, plain[3].forces * units.HARTREE / units.BOHR)
    np.testing.assert_allclose(data[3].positions, plain[3].positions * units.BOHR)
    assert "converted from kcal/mol" in data.description


def test_several_files_are_one_data_set_with_one_group_each(frames, tmp_path):
    ase.io.write(tmp_path / "a.extxyz", frames[:5])
    ase.io.write(tmp_path / "b.traj", frames[5:])
    data = read_structures([tmp_path / "a.extxyz", tmp_path / "b.traj"])
    assert len(data) == 12
    assert [s.group for s in data] == ["a.extxyz"] * 5 + ["b.traj"] * 7
    saved = data.save(tmp_path / "all.h5")
    assert read_structures(saved).hash == data.hash
    assert read_structures(saved).description == data.description


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_packed_files_are_unpacked(suffix, pack, frames, tmp_path):
    ase.io.write(tmp_path / "x.extxyz", frames)
    packed = tmp_path / f"x.extxyz{suffix}"
    packed.write_bytes(pack((tmp_path / "x.extxyz").read_bytes()))
    assert read_structures(packed).hash == read_structures(tmp_path / "x.extxyz").hash


def test_structures_without_labels_from_crystal_files(tmp_path):
    from pymatgen.core import Lattice, Structure

    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    (tmp_path / "salt.json").write_text(salt.to_json())
    salt.to(str(tmp_path / "salt.cif"))
    salt.to(str(tmp_path / "POSCAR"), fmt="poscar")
    for name in ("salt.json", "salt.cif", "POSCAR"):
        (sample,) = read_structures(tmp_path / name, energy=None, forces=None)
        assert sample.formula == "Cl4Na4"
        assert sample.energy is None
        assert abs(np.linalg.det(sample.cell)) == pytest.approx(5.64**3, rel=1e-5)


def test_zero_forces_pass_where_symmetry_demands_them(tmp_path):
    """All of them exactly zero: an error in ethanol, right in rock salt and in a lone atom."""

    def read(atoms):
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((len(atoms), 3)))
        ase.io.write(tmp_path / "x.extxyz", atoms)
        return read_structures(tmp_path / "x.extxyz")

    assert len(read(bulk("NaCl", "rocksalt", a=5.64, cubic=True))) == 1
    assert len(read(molecule("H"))) == 1
    for atoms in (molecule("CH3CH2OH"), _low_symmetry()):
        with pytest.raises(DomainError, match="exactly zero"):
            read(atoms)


def _low_symmetry():
    crystal = bulk("Cu", cubic=True)
    crystal.positions[0] += [0.1, 0.2, 0.05]
    return crystal


def test_bad_frames_are_put_aside_with_their_reason(frames, tmp_path):
    ase.io.write(tmp_path / "x.extxyz", frames)
    lines = (tmp_path / "x.extxyz").read_text().splitlines()
    lines[2 + 11] = lines[2 + 11].replace("C ", "Xx", 1)  # frame 1: no such element
    lines[5 + 44] = "C nan 0 0 0 0 0"  # frame 4: a position that is no number
    del lines[70]  # frame 6 lacks a line
    (tmp_path / "x.extxyz").write_text("\n".join(lines))
    with pytest.raises(SurrogatesError, match=r"frame 1 \(line 12\)"):
        read_structures(tmp_path / "x.extxyz")
    data = read_structures(tmp_path / "x.extxyz", bad="quarantine")
    assert len(data) == 9
    assert [q["place"] for q in data.quarantined] == ["frame 1 (line 12)", "frame 4 (line 45)", "frame 6 (line 67)"]
    assert "Xx" in data.quarantined[0]["reason"]
    assert "3 frames left out" in data.description


def test_frames_behind_a_blank_line_are_not_forgotten(frames, tmp_path):
    ase.io.write(tmp_path / "a.extxyz", frames[:2])
    text = (tmp_path / "a.extxyz").read_text()
    (tmp_path / "x.extxyz").write_text(text + "\n\n" + text + "\n")
    assert len(ase.io.read(tmp_path / "x.extxyz", index=":")) == 2
    assert len(read_structures(tmp_path / "x.extxyz")) == 4


def test_a_broken_database_row_is_named(frames, tmp_path):
    ase.io.write(tmp_path / "x.json", frames[:3])
    rows = json.loads((tmp_path / "x.json").read_text())
    rows["2"]["positions"]["__ndarray__"][2][0] = "here"
    (tmp_path / "x.json").write_text(json.dumps(rows))
    with pytest.raises(FileError):
        read_structures(tmp_path / "x.json")
