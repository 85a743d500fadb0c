"""The step `train` that goes on from a trained surrogate: what it needs, what it leaves, what the report shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from surrogates.datasets import Sample, Structures
from surrogates.datasets.collate import collate
from surrogates.physics.errors import DomainError, SurrogatesError
from surrogates.potentials.pair import Morse
from surrogates.potentials.tensornet import TensorNet
from surrogates.tasks.energy import EnergyForces, energy_forces
from surrogates.training import Plan, combine, fit, load
from surrogates.workflows.desk import Desk
from surrogates.workflows.report import training
from surrogates.workflows.report.finished import Finished
from surrogates.workflows.schema import check_workflow
from surrogates.workflows.steps.train import Train
from surrogates.workflows.yaml_file import parse_yaml


def dimers(n: int, seed: int, depth: float, alone: float) -> Structures:
    """Argon pairs and triples of a Morse potential."""
    rng, rows = np.random.default_rng(seed), []
    truth = Morse(depth=depth, width=1.5, r0=3.8, r_max=6.0).double()
    for k in range(n):
        m = 2 + k % 2
        places = np.array([[0.0, 0, 0], [3.7, 0, 0], [0, 3.9, 0]])[:m] + rng.normal(0, 0.15, (m, 3))
        bare = Sample(np.full(m, 18), places, np.zeros((3, 3)), np.zeros(3, bool))
        found = energy_forces(truth, collate([bare], r_max=6.0, dtype=torch.float64).atoms)
        labels = {"energy": found.energy.item() + alone * m, "forces": found.forces.numpy()}
        rows.append(Sample(bare.numbers, bare.positions, bare.cell, bare.pbc, **labels))
    return Structures(rows)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An ensemble of two trained on one level, and data of that level and of another."""
    folder = tmp_path_factory.mktemp("files")
    parts = {"old": (0.2, -1.0, 0), "new": (0.4, -30.0, 10)}
    for name, (depth, alone, seed) in parts.items():
        dimers(16, seed, depth, alone).save(folder / f"{name}-train.h5")
        dimers(6, seed + 1, depth, alone).save(folder / f"{name}-valid.h5")
    train = Structures.open(folder / "old-train.h5")
    fits = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        task = EnergyForces(TensorNet(elements=["Ar"], r_max=5.0, channels=4, layers=1, n_radial=4))
        fits.append(fit(task, train, plan=Plan(epochs=1), seed=seed))
    combine(fits).save(folder / "start.safetensors")
    return folder


def data(files, name):
    return {part: str(files / f"{name}-{part}.h5") for part in ("train", "valid")}


def step(files, **more):
    start, short = str(files / "start.safetensors"), {"epochs": 2, "batch_size": 8, "validations": 2}
    return Train(data=data(files, "new"), start=start, learning_curve=[], **short, **more)


def run(one, folder):
    desk = Desk(folder)
    for job in one.jobs():
        one.work(job, desk)
    result = one.finish(desk)
    return result, Finished("potential", "train", result, folder, {"start": "start.safetensors"}, {})


def test_a_step_goes_on_from_an_ensemble_with_its_old_data(files, tmp_path):
    one = step(files, isolated="refit", members=2, replay=data(files, "old"), replay_weight=2.0)
    assert set(one.outputs()) == {"", "pretrained"}
    result, unit = run(one, tmp_path)
    assert result.heads == ("new", "pretrained")
    assert "refit: Ar" in result.isolated["new"]
    assert result.isolated["pretrained"] == "keep"
    new, before = load(tmp_path / "potential.safetensors"), load(files / "start.safetensors")
    assert len(new.members) == 2
    change = new.members[0].normalise.isolated[18] - before.members[0].normalise.isolated[18]
    assert change.item() == pytest.approx(-29.0, abs=1.0)
    kept = load(tmp_path / "pretrained.safetensors").members[0].normalise.isolated[18]
    assert torch.equal(kept, before.members[0].normalise.isolated[18])
    section = training.training(unit, 0.0)
    page = " ".join(section.text)
    assert "Fine-tuned from start.safetensors" in page
    assert "Isolated atoms of head new: refit: Ar" in page
    table = next(b for b in section.blocks if "validation loss" in getattr(b, "header", ()))
    assert [row[0] for row in table.rows] == [f"member {k}, head {h}" for k in (0, 1) for h in ("new", "pretrained")]
    assert all(float(cell) > 0 for row in table.rows for cell in row[1:4])
    assert all(row[4] == "-" for row in table.rows)  # no stress, and it says so


def test_a_step_with_a_frozen_trunk_says_how_much_trained(files, tmp_path):
    replay = {"train": str(files / "old-train.h5")}
    result, unit = run(step(files, isolated={"Ar": -30.0}, freeze="trunk", replay=replay), tmp_path)
    assert "No validation data for pretrained" in " ".join(training.training(unit, 0.0).text)
    assert 0 < result.frozen < result.parameters
    assert f"{result.frozen:,} were frozen" in " ".join(training.training(unit, 0.0).text)
    tuned, before = load(tmp_path / "potential.safetensors").task, load(files / "start.safetensors").members[0]
    trunk = {name: p for name, p in before.model.named_parameters() if not name.startswith(("readout", "last_layer"))}
    assert all(torch.equal(p, trunk[name]) for name, p in tuned.model.named_parameters() if name in trunk)
    assert tuned.normalise.isolated[18].item() == -30.0


def test_a_start_of_several_heads_asks_which_one(files, tmp_path):
    start = str(Path(__file__).parents[1] / "potentials" / "mace_files" / "heads.model")
    one = replace(step(files, isolated="refit"), start=start)
    with pytest.raises(DomainError, match=r"heads\.model has the heads pbe, r2scan; name .* start_head"):
        one.work("member-0", Desk(tmp_path))


GOOD = """\
surrogates: 1
name: tuned
steps:
  more:
    use: train
    data: {train: new-train.h5, valid: new-valid.h5}
    start: start.safetensors
    isolated: {Ar: -30.0}
    freeze: 1
    replay: {train: old-train.h5}
    epochs: 2
  again: {use: train, data: {train: new-train.h5}, start: "${more.pretrained}", isolated: refit, epochs: 1}
"""


def test_the_good_file_is_good(files):
    plan = check_workflow(parse_yaml(GOOD, name="w.yaml", folder=files))
    assert plan.steps["more"].step.isolated == {"Ar": -30.0}
    assert plan.steps["again"].needs == ("more",)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    start: start.safetensors\n", "", "give one of model and start"),
        (
            "freeze: 1\n",
            'freeze: 1\n    model: {use: "surrogates.potentials.pair:Morse"}\n',
            "give one of model and start",
        ),
        (
            "    start: start.safetensors\n",
            '    model: {use: "surrogates.potentials.pair:Morse"}\n',
            "name it with `start:`",
        ),
        ("freeze: 1", "freeze: trunks", "'trunks'"),
        ("freeze: 1", "freeze: 0", "at least 1"),
        ("isolated: {Ar: -30.0}", "isolated: estimate", "'estimate'"),
        ("replay: {train: old-train.h5}", "replay: {valid: old-valid.h5}", "replay has no part `train`"),
        (
            "epochs: 2",
            "epochs: 2\n    weights: {force: 1.0}",
            "weights name 'force'; the loss has energy, forces, stress",
        ),
        ("${more.pretrained}", "${more.old}", "pretrained"),
    ],
)
def test_a_start_without_sense_is_told_before_anything_runs(files, old, new, words):
    assert old in GOOD
    with pytest.raises(SurrogatesError, match=words.replace("{", r"\{")):
        check_workflow(parse_yaml(GOOD.replace(old, new), name="w.yaml", folder=files))
