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


VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <kpoints><generation param="Gamma"><v type="int" name="divisions"> 1 1 1 </v></generation>
  <varray name="kpointlist"><v> 0 0 0 </v></varray><varray name="weights"><v> 1 </v></varray></kpoints>
 <parameters><separator name="electronic"><i name="PREC" type="string">accura</i></separator></parameters>
 <atominfo><atoms>2</atoms><types>1</types><array name="atoms"><field type="string">element</field>
  <field type="int">atomtype</field><set><rc><c>Cu</c><c>1</c></rc><rc><c>Cu</c><c>1</c></rc></set></array></atominfo>
 <structure name="initialpos"><crystal><varray name="basis"><v> 4 0 0 </v><v> 0 4 0 </v>
  <v> 0 0 4 </v></varray></crystal>
  <varray name="positions"><v> 0 0 0 </v><v> 0.5 0.5 0.5 </v></varray></structure>
"""
STEP = """ <calculation>
  <scstep><energy><i name="e_fr_energy">-7.1</i>
   <i name="e_wo_entrp">-7.0</i><i name="e_0_energy">-7.05</i></energy></scstep>
  <structure><crystal><varray name="basis"><v> 4 0 0 </v><v> 0 4 0 </v><v> 0 0 4 </v></varray></crystal>
   <varray name="positions"><v> 0 0 0 </v><v> 0.5 0.5 0.51 </v></varray></structure>
  <varray name="forces"><v> 0.1 0 0.2 </v><v> -0.1 0 -0.2 </v></varray>
  <varray name="stress"><v> 1 0 0 </v><v> 0 2 0 </v><v> 0 0 3 </v></varray>
  <energy><i name="e_fr_energy">-7.1</i><i name="e_wo_entrp">-7.0</i><i name="e_0_energy">-7.05</i></energy>
 </calculation>
"""


def test_vasprun_gives_labels_in_our_units_and_its_loss_of_frames_is_noticed(tmp_path):
    path = tmp_path / "vasprun.xml"
    path.write_text(VASPRUN + 3 * STEP + "</modeling>\n")
    data = read_structures(path, stress="stress")
    assert len(data) == 3
    np.testing.assert_allclose(data[2].forces, [[0.1, 0, 0.2], [-0.1, 0, -0.2]])
    np.testing.assert_allclose(data[0].stress, np.array([-0.1, -0.2, -0.3, 0, 0, 0]) * units.GPA, rtol=1e-6)
    for cut, left in ((-40, 2), (500, 2), (200, 2)):
        path.write_text(VASPRUN + 2 * STEP + STEP[:cut])
        with pytest.raises(FileError, match=r"cut short|frame 2: cannot be read"):
            read_structures(path)
        data = read_structures(path, bad="quarantine")
        assert len(data) >= left
        assert len(data.quarantined) >= 1


def test_atoms_missing_from_a_cif_are_noticed_by_its_formula(tmp_path):
    ase.io.write(tmp_path / "y.cif", molecule("CH3CH2OH", cell=[9, 9, 9], pbc=True))
    text = (tmp_path / "y.cif").read_text()
    (tmp_path / "y.cif").write_text("\n".join(row for row in text.splitlines() if not row.strip().startswith("H ")))
    with pytest.raises(FileError, match="hydrogens were not resolved"):
        read_structures(tmp_path / "y.cif", energy=None, forces=None)


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
