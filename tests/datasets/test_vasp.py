"""vasprun.xml and OUTCAR: the free energy with its forces, ASE's sign of stress; ASE, pymatgen and we agree."""

import ase.io
import numpy as np
import pytest

from surrogates.datasets import read_structures
from surrogates.physics import units
from surrogates.physics.errors import DomainError, FileError

CELL = np.array([[4.0, 0.2, 0], [0, 4.1, 0], [0, 0, 4.2]])
PLACES = [np.array([[0, 0, 0], [0.5, 0.5, 0.5 + 0.01 * k]]) for k in range(2)]
FORCES = [np.array([[0.1, -0.05, 0.2], [-0.1, 0.05, -0.2]]) * (k + 1) for k in range(2)]
STRESS = np.array([[10.0, 1.0, 3.0], [1.0, 20.0, 2.0], [3.0, 2.0, 30.0]])  # kB, VASP's sign
FREE, SIGMA0 = (-7.10, -7.30), (-7.05, -7.24)
OURS = -np.array([10.0, 20.0, 30.0, 2.0, 3.0, 1.0]) * 0.1 * units.GPA  # xx yy zz yz xz xy


def rows(array):
    return "".join(f"<v> {' '.join(f'{x:.8f}' for x in row)} </v>\n" for row in np.atleast_2d(array))


def structure(k, name=""):
    named = f' name="{name}"' if name else ""
    return (
        f'<structure{named}><crystal><varray name="basis">{rows(CELL)}</varray><i name="volume">1</i>'
        f'<varray name="rec_basis">{rows(np.linalg.inv(CELL).T)}</varray></crystal>'
        f'<varray name="positions">{rows(PLACES[k])}</varray></structure>\n'
    )


def vasprun(*, electronic_steps=2, nelm=60):
    energies = [
        f'<energy><i name="e_fr_energy"> {FREE[k]} </i><i name="e_wo_entrp"> -7.0 </i>'
        f'<i name="e_0_energy"> {SIGMA0[k]} </i></energy>'
        for k in range(2)
    ]
    calculations = "".join(
        f"<calculation>{electronic_steps * f'<scstep>{energies[k]}</scstep>'}{structure(k)}"
        f'<varray name="forces">{rows(FORCES[k])}</varray><varray name="stress">{rows(STRESS)}</varray>'
        f"{energies[k]}</calculation>\n"
        for k in range(2)
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n'
        '<generator><i name="version" type="string">6.3.0</i></generator>\n'
        f'<incar><i type="int" name="ISMEAR">1</i><i type="int" name="NELM">{nelm}</i></incar>\n'
        '<kpoints><generation param="Gamma"><v type="int" name="divisions"> 1 1 1 </v><v name="usershift"> 0 0 0 </v>'
        '</generation><varray name="kpointlist"><v> 0 0 0 </v></varray><varray name="weights"><v> 1 </v></varray>'
        f'</kpoints>\n<parameters><i type="int" name="NELM">{nelm}</i><i type="int" name="NSW">2</i></parameters>\n'
        '<atominfo><atoms>2</atoms><types>1</types><array name="atoms"><field type="string">element</field>'
        '<field type="int">atomtype</field><set><rc><c>Cu</c><c> 1</c></rc><rc><c>Cu</c><c> 1</c></rc></set></array>'
        '<array name="atomtypes"><field type="int">atomspertype</field><field type="string">element</field>'
        '<field>mass</field><field>valence</field><field type="string">pseudopotential</field>'
        "<set><rc><c> 2</c><c>Cu</c><c> 63.5</c><c> 11</c><c> PAW_PBE Cu 22Jun2005 </c></rc></set></array></atominfo>\n"
        f"{structure(0, 'initialpos')}{calculations}{structure(1, 'finalpos')}</modeling>\n"
    )


def outcar(*, reached="is reached", finished=True):
    head = (
        " vasp.6.3.0 18Jan22\n POTCAR:    PAW_PBE Cu 22Jun2005\n POTCAR:    PAW_PBE Cu 22Jun2005\n"
        "   ISPIN  =      1    spin polarized calculation?\n   ions per type =               2\n"
        "   number of bands    NBANDS=     16\n   total plane-waves  NPLWV =  32768\n   IBRION =      2\n"
        "   NELM   =     60;   NELMIN=  2; NELMDL= -5\n"
    )
    kb = " ".join(f"{x:11.5f}" for x in STRESS[[0, 1, 2, 0, 1, 2], [0, 1, 2, 1, 2, 0]])  # XX YY ZZ XY YZ ZX
    frames = ""
    for k in range(2):
        table = "".join(
            f"  {' '.join(f'{x:12.5f}' for x in (*place, *force))}\n"
            for place, force in zip(PLACES[k] @ CELL, FORCES[k], strict=True)
        )
        frames += (
            f"----------------------------- Iteration {k + 1:6d}(   1)  ---------------------------------------\n"
            f"------------------------ aborting loop because EDIFF {reached} ----------------------------------------\n"
            "  FORCE on cell =-STRESS in cart. coord.  units (eV):\n"
            f"  in kB   {kb}\n"
            "      direct lattice vectors                 reciprocal lattice vectors\n"
            + "".join(
                f"  {' '.join(f'{x:12.9f}' for x in (*row, *dual))}\n"
                for row, dual in zip(CELL, np.linalg.inv(CELL).T, strict=True)
            )
            + "\n POSITION                                       TOTAL-FORCE (eV/Angst)\n"
            " -----------------------------------------------------------------------------------\n"
            f"{table} -----------------------------------------------------------------------------------\n"
            "\n  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n  ---------------------------------------------------\n"
            f"  free  energy   TOTEN  = {FREE[k]:18.8f} eV\n\n"
            f"  energy  without entropy= {-7.0:15.8f}  energy(sigma->0) = {SIGMA0[k]:15.8f}\n\n"
        )
    return head + frames + ("\n General timing and accounting informations for this job:\n" if finished else "")


@pytest.fixture(params=["vasprun.xml", "OUTCAR"])
def file(request, tmp_path):
    (tmp_path / "vasprun.xml").write_text(vasprun())
    (tmp_path / "OUTCAR").write_text(outcar())
    return tmp_path / request.param


def test_the_free_energy_is_taken_with_its_forces_and_said_so(file):
    data = read_structures(file, stress="stress")
    np.testing.assert_allclose([s.energy for s in data], FREE, atol=1e-8)
    np.testing.assert_allclose([s.forces for s in data], FORCES, atol=1e-5)
    np.testing.assert_allclose([s.stress for s in data], [OURS, OURS], rtol=1e-6)
    np.testing.assert_allclose([s.positions for s in data], [p @ CELL for p in PLACES], atol=1e-5)
    assert "the free energy, to which forces and stress belong" in data.description
    other = read_structures(file, energy="energy_sigma0")
    np.testing.assert_allclose([s.energy for s in other], SIGMA0, atol=1e-8)


def test_compression_has_the_sign_of_ase(file):
    """VASP writes positive kB where the crystal pushes outwards; ASE's stress is then negative (Tr = -3 p)."""
    sample = read_structures(file, stress="stress")[0]
    assert np.trace(STRESS) > 0 > sum(sample.stress[:3])


def test_ase_and_pymatgen_read_the_same_numbers(file):
    ours = read_structures(file, stress="stress")
    by_ase = ase.io.read(file, index=":")
    for sample, atoms in zip(ours, by_ase, strict=True):
        assert sample.energy == pytest.approx(atoms.get_potential_energy(force_consistent=True), abs=1e-9)
        np.testing.assert_allclose(sample.forces, atoms.get_forces(apply_constraint=False))
        np.testing.assert_allclose(sample.stress, atoms.get_stress())
    vasp = pytest.importorskip("pymatgen.io.vasp.outputs")
    if file.name == "OUTCAR":
        theirs = vasp.Outcar(str(file))
        assert theirs.final_energy == pytest.approx(SIGMA0[-1])
        assert theirs.final_fr_energy == pytest.approx(ours[-1].energy)
        table = theirs.read_table_pattern(
            r"TOTAL-FORCE \(eV/Angst\)\n\s*-+\n", r"\s+".join([r"([-\d.]+)"] * 6), r"\s*-+", postprocess=float
        )
        np.testing.assert_allclose(np.array(table)[:, 3:], ours[-1].forces, atol=1e-5)
        return
    theirs = vasp.Vasprun(str(file), parse_dos=False, parse_eigen=False, parse_potcar_file=False)
    for sample, step in zip(ours, theirs.ionic_steps, strict=True):
        assert sample.energy == pytest.approx(step["e_fr_energy"], abs=1e-9)
        np.testing.assert_allclose(sample.forces, step["forces"], atol=1e-7)
        np.testing.assert_allclose(sample.positions, step["structure"].cart_coords, atol=1e-6)
        full = -np.array(step["stress"]) * 0.1 * units.GPA
        np.testing.assert_allclose(sample.stress, full[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("vasprun.xml", vasprun(electronic_steps=7, nelm=7), "all of NELM = 7 steps"),
        ("OUTCAR", outcar(reached="was not reached (unconverged)"), "EDIFF was not reached"),
        ("OUTCAR", outcar(finished=False), "cut short"),
        ("vasprun.xml", vasprun()[:-400], "cut short|cannot be read"),
    ],
)
def test_frames_without_self_consistency_and_lost_frames_are_noticed(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(FileError, match=words):
        read_structures(tmp_path / name)


def test_an_electronic_failure_is_put_aside_and_the_rest_is_kept(tmp_path):
    good, bad = outcar(), outcar(reached="was not reached (unconverged)")
    first = bad.index("FREE ENERGIE")
    (tmp_path / "OUTCAR").write_text(bad[:first] + good[good.index("FREE ENERGIE") :])
    data = read_structures(tmp_path / "OUTCAR", bad="quarantine")
    assert [s.energy for s in data] == [pytest.approx(FREE[1])]
    assert [q["place"] for q in data.quarantined] == ["frame 0"]


def test_partial_occupancy_is_refused_in_every_crystal_file(tmp_path):
    core = pytest.importorskip("pymatgen.core")
    alloy = core.Structure(np.eye(3) * 3.7, [{"Cu": 0.7, "Au": 0.3}], [[0, 0, 0]])
    alloy.to(str(tmp_path / "alloy.cif"))
    alloy.to(str(tmp_path / "alloy.json"))
    thinned = core.Structure(np.eye(3) * 3.7, [{"Cu": 0.8}], [[0, 0, 0]])
    thinned.to(str(tmp_path / "thinned.cif"))
    for name in ("alloy.cif", "alloy.json", "thinned.cif"):
        with pytest.raises((FileError, DomainError), match="partially occupied"):
            read_structures(tmp_path / name, energy=None, forces=None)
    whole = core.Structure(
        np.array([[3.7, 0.1, 0], [0, 3.8, 0.3], [0, 0, 4.0]]), ["Cu", "Au"], [[0, 0, 0], [0.5, 0.4, 0.6]]
    )
    whole.to(str(tmp_path / "whole.cif"))
    whole.to(str(tmp_path / "POSCAR"), fmt="poscar")
    for name in ("whole.cif", "POSCAR"):
        sample = read_structures(tmp_path / name, energy=None, forces=None)[0]
        np.testing.assert_allclose(
            sample.atoms().get_all_distances(mic=True)[0, 1], whole.distance_matrix[0, 1], rtol=1e-5
        )
        assert sorted(sample.numbers) == [29, 79]
