"""Quantum ESPRESSO: program and files come from the site, labels are derivatives, failures are reported."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule

from surrogates.datasets.generators import generate, parse_reference
from surrogates.datasets.generators.cache import Cache
from surrogates.datasets.generators.espresso_reference import grid
from surrogates.datasets.generators.labels import Referee, ReferenceFailure
from surrogates.physics.errors import DomainError, FileError, TrustError
from surrogates.physics.units import GPA

SILICON = {
    "use": "ase.calculators.espresso:Espresso",
    "pseudopotentials": {"Si": "Si.pz-vbc.UPF"},
    "ecutwfc": 18,
    "kpoint_length": 9.4,
}
HERE = Path("/usr/share/espresso/pseudo/Si.pz-vbc.UPF")
needs_espresso = pytest.mark.skipif(
    shutil.which("pw.x") is None or not HERE.is_file(),
    reason="Quantum ESPRESSO is absent: apt-get install quantum-espresso quantum-espresso-data",
)


def changed(**given):
    return {k: v for k, v in {**SILICON, **given}.items() if v is not None}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site whose pw.x is a script: told its version, then it says what `said` holds."""
    folder = tmp_path / "pseudo"
    folder.mkdir()
    (folder / "Si.pz-vbc.UPF").write_text("<PP_HEADER>\n   Si                     Element\n")
    (folder / "Si.other.UPF").write_text('<PP_HEADER element="Si"/>\n')
    (folder / "Ge.UPF").write_text('<PP_HEADER element="Ge"/>\n')
    program = tmp_path / "bin" / "pw.x"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "     Program PWSCF v.9.1 starts on"\n[ "$1" = "-in" ] || exit 1\npwd >> {tmp_path}/ran\n'
        f"cp pw.in {tmp_path}/seen\ncat {tmp_path}/said\n"
    )
    program.chmod(0o755)
    (tmp_path / "said").write_text("     convergence NOT achieved after 100 iterations: stopping\n     JOB DONE.\n")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ESPRESSO_PSEUDO", str(folder))
    monkeypatch.setenv("ASE_CONFIG_PATH", str(tmp_path / "config.ini"))
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"command": "sh -c evil"}, TrustError, "site configuration"),
        ({"profile": "x"}, TrustError, "site configuration"),
        ({"pseudo_dir": "/tmp"}, TrustError, "site configuration"),
        ({"input_data": {"control": {"outdir": "/"}}}, TrustError, "may not set it"),
        ({"pseudopotentials": {"Si": "../Si.UPF"}}, DomainError, "file name without folder"),
        ({"pseudopotentials": {"Si": "/etc/passwd"}}, DomainError, "file name without folder"),
        ({"pseudopotentials": {"Si": "a b'\n.UPF"}}, DomainError, "file name without folder"),
        ({"pseudopotentials": "Si.pz-vbc.UPF"}, DomainError, "for each element"),
        ({"pseudopotentials": None}, DomainError, "lacks 'pseudopotentials'"),
        ({"ecutwfc": None}, DomainError, "lacks 'ecutwfc'"),
        ({"ecutwfc": "18"}, DomainError, "a number"),
        ({"kpoints": [4, 4, 4]}, DomainError, "kpoints and kpoint_length"),
        ({"kpoint_length": None}, DomainError, "none of kpoints, kpoint_length"),
        ({"kpoint_length": None, "kpoints": [4, 4]}, DomainError, "three whole numbers"),
        ({"kpoint_length": None, "kpoints": [4, 4, True]}, DomainError, "three whole numbers"),
        ({"kpoint_length": None, "kpoints": [4, 4, 0]}, DomainError, "three whole numbers"),
        ({"smearing": "cold"}, DomainError, "gaussian"),
    ],
)
def test_a_file_names_no_program_no_folder_and_no_half_settings(given, error, words):
    with pytest.raises(error, match=words):
        parse_reference(changed(**given))


def test_without_the_program_the_packages_are_named(site, monkeypatch):
    reference = parse_reference(SILICON)
    reference.require()
    monkeypatch.setenv("PATH", str(site))
    for ask in (reference.require, reference.identity):
        with pytest.raises(FileError, match="apt-get install quantum-espresso quantum-espresso-data"):
            ask()


def test_the_site_configuration_names_program_and_folder(site, monkeypatch):
    monkeypatch.delenv("ESPRESSO_PSEUDO")
    (site / "config.ini").write_text(f"[espresso]\ncommand = {site}/bin/pw.x\npseudo_dir = {site}/pseudo\n")
    assert '"pw.x": "9.1"' in parse_reference(SILICON).identity()
    (site / "config.ini").write_text(f"[espresso]\ncommand = {site}/bin/absent.x\n")
    with pytest.raises(FileError, match=r"absent\.x"):
        parse_reference(SILICON).require()
    (site / "config.ini").write_text("espresso command\n")
    with pytest.raises(FileError, match="cannot be read"):
        parse_reference(SILICON).require()


def test_the_identity_knows_the_content_of_the_pseudopotential(site):
    before = parse_reference(SILICON).identity()
    other = changed(pseudopotentials={"Si": "Si.other.UPF"})
    hashes = {i.split('"Si": "')[-1].split('"')[0] for i in (before, parse_reference(other).identity())}
    assert len(hashes) == 2
    assert all(len(h) == 64 for h in hashes)


def test_a_wrong_or_missing_pseudopotential_is_named(site):
    with pytest.raises(FileError, match=r"of Si it has Si\.other\.UPF, Si\.pz-vbc\.UPF"):
        parse_reference(changed(pseudopotentials={"Si": "Si.pbe.UPF"})).require()
    with pytest.raises(DomainError, match="is Ge's"):
        parse_reference(changed(pseudopotentials={"Si": "Ge.UPF"})).require()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("     convergence NOT achieved after 100 iterations: stopping\n", "not self-consistent after 100"),
        ("     Error in routine electrons (1):\n     charge is wrong\n     stopping ...\n", "charge is wrong"),
        ("half a line", "before it was done"),
        ("     JOB DONE.\n", "cannot be read|without energy"),
    ],
)
def test_a_failure_is_a_failed_sample_and_leaves_no_files(site, said, words):
    (site / "said").write_text(said)
    referee = Referee(parse_reference(SILICON), Cache(site / "labels.sqlite"))
    for _ in range(2):  # the second time out of the cache
        with pytest.raises(ReferenceFailure, match=words):
            referee.label(bulk("Si"))
    (ran,) = (site / "ran").read_text().split()
    assert not Path(ran).exists()


def test_what_goes_in_is_what_was_asked_for(site):
    referee = Referee(parse_reference(changed(smearing="gaussian", koffset=True)), Cache(site / "labels.sqlite"))
    with pytest.raises(ReferenceFailure):
        referee.label(bulk("Si"))
    words = (site / "seen").read_text().split()
    for name, value in {"ecutwfc": "18.0", "smearing": "'gaussian'", "tstress": ".true.", "tprnfor": ".true."}.items():
        assert words[words.index(name) + 2] == value
    assert words[words.index("automatic") + 1 :][:6] == ["3", "3", "3", "1", "1", "1"]


def test_molecules_slabs_and_foreign_elements_are_refused(site):
    calculator = parse_reference(SILICON).calculator()
    with pytest.raises(DomainError, match="plane waves repeat"):
        calculator.get_potential_energy(molecule("SiH4"))
    with pytest.raises(DomainError, match="pseudopotentials of Ge"):
        calculator.get_potential_energy(bulk("Ge"))


def test_supercells_get_the_folded_grid_of_the_unit_cell():
    cell = bulk("Si", a=5.4).cell.array
    assert grid(cell, 18.7) == (6, 6, 6)
    assert grid(np.diag([2, 1, 3]) @ cell, 18.7) == (3, 6, 2)
    assert grid(1.04 * cell, 18.7) == grid(0.96 * cell, 18.7) == (6, 6, 6)
    assert grid(100 * cell, 18.7) == (1, 1, 1)


@needs_espresso
def test_forces_and_stress_are_the_energys_derivatives(tmp_path, monkeypatch):
    """Stress to 3 % of its own size: at 18 Ry the plane waves of a strained cell change (Pulay stress)."""
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path))
    calculator = parse_reference(changed(kpoint_length=6.2)).calculator()  # 2 x 2 x 2, folded 1 x 2 x 2
    crystal = bulk("Si", a=5.3)
    crystal.positions[1] += [0.1, -0.05, 0.02]

    def energy(atoms):
        return calculator.get_potential_energy(atoms)

    forces, stress = calculator.get_forces(crystal), calculator.get_stress(crystal)
    moved = [crystal.copy(), crystal.copy()]
    for sign, atoms in zip((1, -1), moved, strict=True):
        atoms.positions[1, 0] += 0.01 * sign
    assert -(energy(moved[0]) - energy(moved[1])) / 0.02 == pytest.approx(forces[1, 0], abs=2e-3)
    sheared = [crystal.copy(), crystal.copy()]
    for sign, atoms in zip((1, -1), sheared, strict=True):
        strain = np.eye(3)
        strain[0, 1] = strain[1, 0] = 0.005 * sign
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    slope = (energy(sheared[0]) - energy(sheared[1])) / 0.02 / crystal.get_volume()
    assert slope == pytest.approx(stress[5], rel=0.03)
    folded = crystal.repeat((2, 1, 1))
    assert energy(folded) / 4 == pytest.approx(energy(crystal) / 2, abs=1e-5)


def test_the_smooth_cutoff_is_whole_or_absent(site):
    with pytest.raises(DomainError, match="belong together"):
        parse_reference(changed(ecfixed=12)).calculator()
    parse_reference(changed(ecfixed=12, qcutz=15, q2sigma=2)).calculator()


@needs_espresso
@pytest.mark.slow
def test_a_smooth_cutoff_makes_the_stress_the_energys_derivative():
    """The pressure of silicon at 18 Ry is 1.2 GPa from -dE/dV, and within 0.2 GPa with the smooth step."""
    crystal, off = bulk("Si", a=5.40), []
    for given in ({}, {"ecutwfc": 24, "ecfixed": 18, "qcutz": 20, "q2sigma": 3}):
        calculator = parse_reference(changed(kpoint_length=12.5, **given)).calculator()
        volumes, energies = [], []
        for scale in np.linspace(0.98, 1.02, 9):
            atoms = crystal.copy()
            atoms.set_cell(atoms.cell * scale, scale_atoms=True)
            volumes.append(atoms.get_volume())
            energies.append(calculator.get_potential_energy(atoms))
        centre = np.array(volumes) - crystal.get_volume()
        slope = np.polyfit(centre, energies, 3)[2]
        off.append(abs(calculator.get_stress(crystal)[:3].mean() - slope) / GPA)
    assert off[0] > 0.8
    assert off[1] < 0.2


@needs_espresso
def test_a_crystal_is_sampled_and_an_unconverged_calculation_is_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path))
    short = changed(kpoint_length=6.0)
    parts = generate({"bulk": "Si"}, short, {"data": {"rattle": 0.05, "strain": 0.01, "samples": 2}})
    assert parts["data"].labels == ("energy", "forces", "stress")
    with pytest.raises(DomainError, match="not self-consistent after 2"):
        generate({"bulk": "Si"}, changed(kpoint_length=6.0, max_iterations=2), {"data": {"rattle": 0.05, "samples": 2}})
