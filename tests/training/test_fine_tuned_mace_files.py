"""A model file of mace-torch goes on learning: naive, frozen, with its own level of theory replayed, all heads."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from surrogates.datasets import Sample, Structures
from surrogates.training import FineTune, Plan, fit, load, relabel, with_replay

FILE = Path(__file__).parents[1] / "potentials" / "mace_files" / "heads.model"
PLAN = Plan(epochs=2, batch_size=6, lr=0.002, dtype="float64", validations=1)


@pytest.fixture(scope="module")
def loaded():
    return load(FILE)


@pytest.fixture(scope="module")
def data(loaded):
    """(old, new): structures labelled by the first head, and others at a level with stiffer bonds and other atoms."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[[0.0, 1.6]] * 3), -1).reshape(-1, 3)[:4]
    bare = [
        Sample(rng.choice(loaded.elements, 4), grid + rng.normal(0, 0.1, (4, 3)), np.zeros((3, 3)), np.zeros(3, bool))
        for _ in range(24)
    ]
    old = relabel(loaded.head(loaded.heads[0]), Structures(bare))
    new = [replace(s, energy=1.1 * s.energy - 5.0 * len(s), forces=1.1 * s.forces) for s in old]
    return old, Structures(new)


@pytest.mark.parametrize(("freeze", "trains"), [("nothing", ""), ("trunk", ("readouts.", "last_layer."))])
def test_one_head_is_fine_tuned(loaded, data, freeze, trains):
    one, (_, new) = loaded.head(loaded.heads[0]), data
    tuned = fit(one, new[:18], new[18:], plan=PLAN, start=FineTune("refit", freeze=freeze))
    before = dict(one.task.model.named_parameters())
    changed = {name for name, p in tuned.task.model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if name.startswith(trains)}
    first, last = one.evaluate(new[18:]), tuned.evaluate(new[18:])
    assert last.energy_mae < 0.05 * first.energy_mae
    assert last.force_mae < 0.95 * first.force_mae
    assert torch.equal(tuned.task.normalise.scale, one.task.normalise.scale)


def test_its_own_level_is_replayed_on_one_trunk(loaded, data, tmp_path):
    one, (old, new) = loaded.head(loaded.heads[0]), data
    heads = with_replay(one, weights={"pretrained": 2.0})
    fitted = fit(
        heads, {"new": new[:12], "pretrained": old[12:18]}, {"new": new[18:21], "pretrained": old[21:]},
        plan=PLAN, start=FineTune({"new": "refit"}),
    )  # fmt: skip
    task = fitted.task
    assert task.head("new").model.trunk is task.head("pretrained").model.trunk
    again = load(fitted.save(tmp_path / "both.safetensors"))
    for head, part in {"new": new[18:21], "pretrained": old[21:]}.items():
        assert again.head(head).evaluate(part).force_mae == fitted.head(head).evaluate(part).force_mae


def test_all_heads_of_the_file_go_on_together(loaded, data):
    labelled = {head: relabel(loaded.head(head), data[0][:6]) for head in loaded.heads}
    fitted = fit(loaded, labelled, plan=replace(PLAN, epochs=1))
    row = fitted.history[-1]
    assert all(row[f"{head}.forces"] < 1e-3 for head in loaded.heads)  # they knew all that already
    assert fitted.provenance["start"]["isolated"][loaded.heads[1]]["offset"] < 1e-9
