"""Bad input at the command line and in Python: one message, exit code 2, nothing half written."""

import errno
import importlib
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

import surrogates
from surrogates import tensor_file
from surrogates.datasets import read_structures
from surrogates.physics.errors import DomainError, FileError, MissingExtra, SurrogatesError, TrainingError
from surrogates.potentials.mace import MACE
from surrogates.potentials.pair import LennardJones
from surrogates.simulation import dynamics, relax, vibrations
from surrogates.tasks.energy import EnergyForces
from surrogates.training import Plan, fit
from surrogates.workflows.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:1 composition cannot tell")


@pytest.fixture(scope="module")
def frames():
    rng, found = np.random.default_rng(0), []
    for _ in range(6):
        atoms = molecule("CH3CH2OH")
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=rng.normal(size=(9, 3)))
        found.append(atoms)
    return found


@pytest.fixture(scope="module")
def folder(frames, tmp_path_factory):
    """mine.safetensors, trained on the first four of frames.extxyz; new.extxyz has the others."""
    path = tmp_path_factory.mktemp("bad")
    ase.io.write(path / "frames.extxyz", frames[:4])
    ase.io.write(path / "new.extxyz", frames[4:])
    ase.io.write(path / "nitrogen.extxyz", [*frames[4:], molecule("N2")])
    data = read_structures(path / "frames.extxyz")
    model = MACE(elements=data.elements, r_max=3.0, hidden="2x0e", edge_l_max=0, correlation=1, layers=1)
    fit(EnergyForces(model), data[:4], plan=Plan(steps=1), seed=0).save(path / "mine.safetensors")
    return path


@pytest.fixture
def refused(folder, monkeypatch, capsys):
    """Run a command line that must fail, in that folder; its one message comes back."""
    monkeypatch.chdir(folder)

    def run(*words):
        with pytest.raises(SystemExit) as caught:
            main([str(w) for w in words])
        said = capsys.readouterr().err.strip()
        assert caught.value.code == 2
        assert "Traceback" not in said
        assert len(said.splitlines()) == 1
        return said

    return run


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty", "", "empty"),
        ("cut", "3\n\nO 0 0 0\nH 0 0 1\n", "ends after 2 of 3 atoms"),
        ("nan", "2\n\nH 0 0 0\nH 0 0 nan\n", "positions are finite"),
        ("twice", "2\n\nH 0 0 0\nH 0 0 0\n", "needs distinct sites"),
        ("flat", '1\npbc="T T T" Lattice="3 0 0 0 3 0 3 3 0"\nH 0 0 0\n', "no volume"),
    ],
)
def test_structures(name, text, message, refused, folder):
    (folder / f"{name}.extxyz").write_text(text)
    assert message in refused("predict", "mine.safetensors", f"{name}.extxyz")
    assert message in refused("check", "lj", f"{name}.extxyz")


def test_unknown_elements_are_told_before_anything_is_computed(refused, folder):
    assert "N is unknown" in refused("predict", "mine.safetensors", "nitrogen.extxyz", "--out", "out.extxyz")
    assert not (folder / "out.extxyz").exists()


def test_labels(refused, folder):
    text = (folder / "new.extxyz").read_text()
    (folder / "shape.extxyz").write_text(text.replace("forces:R:3", "forces:R:2:x:R:1"))
    assert "shape (9, 2); (9, 3) is expected" in refused("evaluate", "mine.safetensors", "shape.extxyz")
    assert "were trained on" in refused("evaluate", "mine.safetensors", "frames.extxyz")


def damaged(folder, name, change):
    tensors, metadata = tensor_file.read(folder / "mine.safetensors")
    change(tensors, metadata)
    tensor_file.write(folder / name, tensors, metadata)


@pytest.mark.parametrize("command", [("info",), ("predict",)])
def test_damaged_checkpoints(command, refused, folder):
    whole = (folder / "mine.safetensors").read_bytes()
    flipped = bytearray(whole)
    flipped[-9] ^= 1
    broken = {"half": whole[: len(whole) // 2], "flipped": bytes(flipped), "none": b"", "long": b"\xff" * 7 + b"\0{}"}
    for name, content in broken.items():
        (folder / f"{name}.safetensors").write_bytes(content)
        said = refused(*command, f"{name}.safetensors", *["new.extxyz"][: command == ("predict",)])
        assert "damaged" in said


@pytest.mark.parametrize(
    "change",
    [
        lambda t, m: m.update(members=5),
        lambda t, m: m.update(members=[]),
        lambda t, m: m.pop("provenance"),
        lambda t, m: m.update(format=9),
        lambda t, m: m.update(kind="cake"),
    ],
)
def test_checkpoints_of_another_kind(change, refused, folder):
    damaged(folder, "other.safetensors", change)
    refused("info", "other.safetensors")
    refused("predict", "other.safetensors", "new.extxyz")


@pytest.mark.parametrize("use", ["subprocess:Popen", "surrogates.x:subprocess", "surrogates.tasks.energy:torch"])
def test_checkpoints_that_name_other_code(use, refused, folder):
    damaged(folder, "evil.safetensors", lambda t, m: m["members"][0].update(use=use))
    assert "TrustError" in refused("predict", "evil.safetensors", "new.extxyz")


def test_checkpoints_whose_numbers_are_lost(refused, folder):
    damaged(folder, "nan.safetensors", lambda t, m: [x.fill_(torch.nan) for x in t.values() if x.is_floating_point()])
    assert "not finite" in refused("predict", "nan.safetensors", "new.extxyz")
    damaged(folder, "bare.safetensors", lambda t, m: t.clear())
    assert "Missing key" in refused("predict", "bare.safetensors", "new.extxyz")


WORKFLOW = """\
surrogates: 1
name: small
steps:
  data: {use: read, file: frames.extxyz}
  potential: {use: train, data: "${data}", model: {use: "surrogates.potentials.mace:MACE", r_max: 3.0}, epochs: 1}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 1", "epoch: 1", 'unknown key "epoch"'),
        ("r_max: 3.0", "r_max: .inf", "not a finite number"),
        ("surrogates: 1\n", "surrogates: 1\nseed: 99999999999999999999\n", "at most 4294967295"),
        ("name: small", "name: ../../x", "is no name of a run"),
        ("surrogates.potentials.mace:MACE", "subprocess:Popen", "may not be named"),
        ("name: small", "name: !!python/object/apply:os.system [id]", "w.yaml"),
        ("file: frames.extxyz", "file: nowhere.extxyz", "there is no file"),
        ("{use: read, file: frames.extxyz}", "{use: relax, structures: {bulk: Ar, a: 0}, calculator: x}", "above 0"),
    ],
)
def test_workflows(old, new, message, refused, folder):
    (folder / "w.yaml").write_text(WORKFLOW.replace(old, new))
    assert message in refused("run", "w.yaml", "--dry-run")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "ase.calculators.vasp:Vasp", "new.extxyz"), "not on the list"),
        (("check", "nothing", "new.extxyz"), "no calculator"),
        (("predict", "mine.safetensors", "new.extxyz", "--out", "no/x.xyz"), "no folder"),
        (("predict", "mine.safetensors", "new.extxyz", "--out", "x.nope"), "cannot be written"),
        (("convert", "new.extxyz", "frames.extxyz"), "is there already"),
        (("train", "frames.extxyz", "--save", "no/x.safetensors"), "no folder"),
        (("train", "frames.extxyz", "--epochs", "0"), "potential.epochs: 0 is out of range"),
        (("run", "ethnol"), 'did you mean "ethanol"'),
        (("list", "modles"), "models"),
    ],
)
def test_words_of_the_command_line(words, message, refused):
    assert message in refused(*words)


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk(refused, folder, monkeypatch):
    monkeypatch.setattr("os.fsync", full)
    before = sorted(folder.iterdir())
    assert "No space left" in refused("new", "ethanol")
    assert "No space left" in refused("convert", "new.extxyz", "new.h5")
    monkeypatch.setattr("os.replace", full)
    assert "No space left" in refused("predict", "mine.safetensors", "new.extxyz", "--out", "out.extxyz")
    with pytest.raises(FileError, match="disk is full"):
        surrogates.load(folder / "mine.safetensors").save(folder / "again.safetensors")
    assert sorted(folder.iterdir()) == before


class Absent:
    """Finds nothing under these names: packages that are not installed."""

    def __init__(self, *names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(name=name)


def test_missing_extras_are_named(refused, monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] in ("tblite", "rdkit")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent("tblite", "rdkit"), *sys.meta_path])
    assert 'pip install "surrogates[xtb]"' in refused("check", "xtb", "new.extxyz")
    conformers = importlib.import_module("surrogates.datasets.generators.conformers").conformers
    with pytest.raises(MissingExtra, match=r"surrogates\[smiles\]"):
        conformers("CCO")


PAIR = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.6]])
BAD_ARGUMENTS = [  # of the right type: jaxtyping refuses the others before our own words do
    *((relax, {"fmax": x}) for x in (-1.0, 0.0, float("nan"))),
    (relax, {"steps": -1}),
    *((dynamics, {"temperature": x}) for x in (-5.0, float("nan"), [1.0, 2.0])),
    *((dynamics, {"time": x}) for x in (-1.0, float("inf"))),
    *((dynamics, {"timestep": x}) for x in (0.0, float("nan"))),
    (dynamics, {"every": 0}),
    (dynamics, {"seed": -1}),
    *((dynamics, {"skin": x}) for x in (-1.0, float("nan"))),
]


@pytest.mark.parametrize(("simulate", "wrong"), BAD_ARGUMENTS)
def test_arguments_of_simulations(simulate, wrong):
    with pytest.raises(DomainError):
        simulate(PAIR, LennardJones(), **wrong)


@pytest.mark.parametrize("simulate", [relax, dynamics, vibrations])
@pytest.mark.parametrize("nothing", [[], None, 5, "x", [None]])
def test_no_structures(simulate, nothing):
    with pytest.raises(DomainError, match="structure"):
        simulate(nothing, LennardJones())


@pytest.mark.parametrize(
    "odd", [Atoms(), Atoms("H2", [[0, 0, 0], [0, 0, np.nan]]), Atoms("H2", [[0, 0, 0]] * 2), Atoms("H", pbc=True)]
)
def test_impossible_structures_are_left_behind(odd):
    moved = dynamics([PAIR, odd], LennardJones(), time=2.0, temperature=0.0)
    assert moved.failure[0] is None
    assert moved.failure[1]
    assert relax([PAIR, odd], LennardJones(), steps=2).failure[1]


def test_structures_without_neighbours_are_fine():
    lone = [Atoms("Ar"), Atoms("Ar2", [[0, 0, 0], [0, 0, 90]]), Atoms("Ar", cell=[4.0] * 3, pbc=True)]
    assert relax(lone, LennardJones(), steps=2).converged.all()
    assert all(reason is None for reason in dynamics(lone, LennardJones(), time=2.0).failure)
    assert vibrations(lone[0], LennardJones()).frequencies.shape == (0,)


def test_what_is_given_to_training(frames, folder):
    model = MACE(elements=[1, 6, 8], r_max=3.0, hidden="2x0e", edge_l_max=0, correlation=1, layers=1)
    data, plan = read_structures(folder / "frames.extxyz"), Plan(steps=1)
    with pytest.raises(TrainingError, match="wrap a potential as EnergyForces"):
        fit(model, data, plan=plan)
    with pytest.raises(SurrogatesError, match="is a Atoms, not a labelled sample"):
        fit(EnergyForces(model), frames, plan=plan)
    with pytest.raises(TrainingError, match="are training rows too"):
        fit(EnergyForces(model), data, data[:1], plan=plan)
    with pytest.raises(TrainingError, match="NoneType"):
        fit(EnergyForces(model), None, plan=plan)
    for wrong in ({"batch_size": 0}, {"epochs": 1, "minutes": 1.0}, {"lr": float("nan")}):
        with pytest.raises(TrainingError):
            Plan(**wrong)


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_devices(device):
    with pytest.raises(DomainError, match="device"):
        surrogates.SurrogateCalculator(LennardJones(), device=device)


def test_checkpoints_are_named_by_paths():
    with pytest.raises(FileError, match="no such file"):
        surrogates.load(Path("nowhere.safetensors"))
