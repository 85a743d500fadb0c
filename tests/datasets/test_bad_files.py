"""Damaged, hostile and impossible files: one message each, which says what was given and what to do."""

import pickle

import ase.io
import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from surrogates.datasets import Structures, read_structures
from surrogates.datasets.adapters.door import door, open_hdf5
from surrogates.physics.errors import DomainError, FileError, SurrogatesError

UNLABELLED = {"energy": None, "forces": None}


def written(tmp_path, text, name="x.extxyz"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_missing_empty_and_folder(tmp_path):
    written(tmp_path, "2\n", "frame.extxyz")
    with pytest.raises(FileError, match=r"no such file; there are frame\.extxyz"):
        read_structures(tmp_path / "frames.extxyz")
    with pytest.raises(FileError, match="empty"):
        read_structures(written(tmp_path, ""))
    with pytest.raises(FileError, match="empty or truncated"):
        read_structures(written(tmp_path, "\n\n"))
    with pytest.raises(FileError, match=r"without manifest\.json"):
        read_structures(tmp_path)


@pytest.mark.parametrize("cut", [1, 4, 8, 40, 130])
def test_truncated_extxyz(cut, frames, tmp_path):
    ase.io.write(tmp_path / "x.extxyz", frames)
    whole = (tmp_path / "x.extxyz").read_bytes()
    rows = len(whole.splitlines())
    text = b"\n".join(whole.splitlines()[: rows - cut]) + b"\n"
    with pytest.raises(FileError, match=r"line \d+: the file ends after \d+ of 9 atoms"):
        read_structures(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n\nH 0 0 nan\n", "atom 0 stands at"),
        ("2\n\nH 0 0 0\nH 0 0 0\n", r"atoms 0 and 1 are 0\.00 Å apart; .*distinct sites"),
        ('1\nLattice="1 0 0 0 1 0 1 1 0"\nH 0 0 0\n', "no volume"),
        ('1\nLattice="0 0 0 0 0 0 0 0 0"\nH 0 0 0\n', "no volume"),
        ('2\nLattice="5 0 0 0 5 0 0 0 5"\nH 0 0 0.02\nO 5 5 4.98\n', r"0\.04 Å apart"),
        ("1\n\nQq 0 0 0\n", "Qq"),
        ("1\nProperties=Z:I:1:pos:R:3\n200 0 0 0\n", "200"),
        ("0\n\n", "no atoms"),
        ("one\n\nH 0 0 0\n", "expected a number of atoms"),
        ("1\n\nH 0 0\n", "cannot be read as extxyz"),
        (b"1\n\nH 0 0 \xff\n", "not UTF-8"),
        ("99999999999999999999\n\nH 0 0 0\n", "expected a number of atoms"),
        ("1\ncharge=abc\nH 0 0 0\n", "charge is 'abc'"),
        (
            "1\nProperties=species:S:1:pos:R:999999999\nH 0 0 0\n",
            "announce 1000000000 columns, but the first atom has 4",
        ),
        ("1\nmultiplicity=0\nH 0 0 0\n", "multiplicity 0"),
    ],
)
def test_impossible_structures(text, message, tmp_path):
    with pytest.raises(SurrogatesError, match=message):
        read_structures(written(tmp_path, text), **UNLABELLED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\nenergies=1\nH 0 0 0\n", r'no energy under the key "energy".*Say energy="energies"'),
        ("1\nenergy=1\nH 0 0 0\n", 'no forces under the key "forces"'),
        ("1\nenergy=nan Properties=species:S:1:pos:R:3:forces:R:3\nH 0 0 0 0 0 1\n", "not finite"),
        ("1\nenergy=1 Properties=species:S:1:pos:R:3:forces:R:2\nH 0 0 0 0 1\n", r"shape \(1, 2\); \(1, 3\)"),
        ('1\nenergy="1 2" Properties=species:S:1:pos:R:3:forces:R:3\nH 0 0 0 0 0 1\n', r"shape \(2,\)"),
    ],
)
def test_labels_that_are_missing_or_misshapen(text, message, tmp_path):
    with pytest.raises(DomainError, match=message):
        read_structures(written(tmp_path, text))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": {"energy": "kcal"}}, 'did you mean "kcal/mol"'),
        ({"units": {"mass": "kg"}}, "units are given for positions"),
        ({"bad": "skip"}, "quarantine"),
        ({"format": "bundletrajectory"}, "is not read here"),
        ({"format": "py"}, "is not read here"),
    ],
)
def test_options_that_do_not_exist(options, message, frames, tmp_path):
    ase.io.write(tmp_path / "x.extxyz", frames)
    with pytest.raises(SurrogatesError, match=message):
        read_structures(tmp_path / "x.extxyz", **options)


def test_units_of_a_program_that_states_its_own(tmp_path):
    ase.io.write(tmp_path / "POSCAR", bulk("Cu"))
    with pytest.raises(DomainError, match="gives eV and Å already"):
        read_structures(tmp_path / "POSCAR", units={"energy": "Hartree"}, **UNLABELLED)


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def test_files_that_could_run_code_are_not_opened(tmp_path):
    pickled = pickle.dumps(Trap())
    for name in ("x.traj", "x.pckl", "x.extxyz"):
        with pytest.raises(FileError, match="pickle"):
            read_structures(written(tmp_path, pickled, name))
    np.save(tmp_path / "x.npy", np.array([Trap()], dtype=object))
    with pytest.raises(FileError, match="numpy"):
        read_structures(tmp_path / "x.npy")
    foreign = '{"@module": "os", "@class": "system", "lattice": {}, "sites": []}'
    with pytest.raises(FileError, match="names the module 'os'"):
        read_structures(written(tmp_path, foreign, "x.json"))


def test_xml_with_entities_is_refused(tmp_path):
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><modeling>&c;</modeling>'
    with pytest.raises(FileError, match="DOCTYPE"):
        read_structures(written(tmp_path, bomb, "vasprun.xml"))
    with pytest.raises(FileError, match=r"vasprun\.xml"):
        read_structures(written(tmp_path, '<?xml version="1.0"?><modeling><calc', "vasprun.xml"))


def test_a_poscar_that_announces_more_than_it_has(tmp_path):
    ase.io.write(tmp_path / "POSCAR", bulk("NaCl", "rocksalt", a=5.6))
    text = (tmp_path / "POSCAR").read_text().replace("1   1", "1   999999999")
    with pytest.raises(FileError, match="announces 1000000000 atoms"):
        read_structures(written(tmp_path, text, "POSCAR"), **UNLABELLED)


def test_a_packed_bomb_is_bounded(tmp_path):
    import bz2

    with pytest.raises(FileError, match="unpacks to more"):
        read_structures(written(tmp_path, bz2.compress(b"\0" * 2**23), "x.extxyz.bz2"))


def test_hdf5_that_is_not_ours_or_leads_elsewhere(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    with h5py.File(inner / "x.h5", "w") as file:
        file["near"] = h5py.ExternalLink("beside.h5", "/a")
    with open_hdf5(inner / "x.h5") as file:
        assert "near" in file
    for leading in ("../secret.h5", "/etc/passwd"):
        with h5py.File(inner / "y.h5", "w") as file:
            file.create_group("a")["far"] = h5py.ExternalLink(leading, "/a")
        with pytest.raises(FileError, match="outside the file's folder"), open_hdf5(inner / "y.h5"):
            pass
    with h5py.File(inner / "z.h5", "w") as file:
        file.create_dataset("raw", shape=(4,), dtype="u1", external=[("/etc/passwd", 0, 4)])
    with pytest.raises(FileError, match="outside the file's folder"), open_hdf5(inner / "z.h5"):
        pass
    with pytest.raises(FileError, match="not a data set of surrogates"):
        Structures.open(inner / "x.h5")


def noisy(ending):
    print("noise")
    raise ending


@pytest.mark.parametrize(
    "ending", [SystemExit(1), ValueError("x"), RecursionError(), AssertionError("no\n  way"), OSError(5, "y")]
)
def test_however_a_reader_ends_it_is_one_error(ending, tmp_path, capsys):
    with (
        pytest.raises(FileError, match=r"f\.msh, cell 3: cannot be read as gmsh"),
        door("f.msh", reader="gmsh", place="cell 3"),
    ):
        noisy(ending)
    assert capsys.readouterr().out == ""


def test_a_shared_site_needs_ordering_first(tmp_path):
    from pymatgen.core import Lattice, Structure

    from surrogates.datasets.adapters import from_ase

    alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with pytest.raises(DomainError, match="partially occupied"):
        from_ase(alloy)
    alloy.to(str(tmp_path / "x.cif"))
    with pytest.raises(FileError, match="partially occupied"):
        read_structures(tmp_path / "x.cif", **UNLABELLED)


def test_atoms_that_are_impossible_are_named():
    from surrogates.datasets.adapters import from_ase

    twice = Atoms("Fe2O3", positions=[[0, 0, 0], [2, 0, 0], [4, 0, 0], [6, 0, 0], [2, 0, 0]])
    with pytest.raises(DomainError, match=r"structure 1 \(Fe2O3\): atoms 1 and 4 are 0\.00 Å apart"):
        from_ase([molecule("H2O"), twice])
    with pytest.raises(DomainError, match="is no structure"):
        from_ase([1])
