"""Heads on one trunk: what they share, what replay preserves, what comes out of it."""

import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogates import tensor_file
from surrogates.calculator import SurrogateCalculator
from surrogates.datasets import Sample, Structures
from surrogates.physics.errors import DomainError, TrainingError
from surrogates.tasks.multi_head import UnvalidatedHead
from surrogates.training import (
    FineTune,
    Plan,
    combine,
    fit,
    info,
    load,
    relabel,
    select_replay,
    with_replay,
)

PLAN = Plan(epochs=10, batch_size=10, lr=0.01, dtype="float64", validations=2)
SHORT = replace(PLAN, epochs=2)
START = FineTune({"new": "refit"})


@pytest.fixture(scope="module")
def data(old_level, new_level):
    """Training, validation and test data by head."""
    return [{"new": new, "pretrained": old} for new, old in zip(new_level, old_level, strict=True)]


@pytest.fixture(scope="module")
def both(pretrained, data):
    return fit(with_replay(pretrained), data[0], data[1], plan=PLAN, start=START)


def test_replay_prevents_forgetting(pretrained, both, data):
    (train, valid, test), old = data, data[2]["pretrained"]
    naive = fit(pretrained, train["new"], valid["new"], plan=PLAN, start=FineTune("refit"))
    scores, before = both.evaluate(test), pretrained.evaluate(old).force_mae
    forgotten = naive.evaluate(old).force_mae
    assert scores["pretrained"].force_mae < 1.3 * before
    assert forgotten > 3 * before
    assert scores["new"].force_mae < 0.25 * scores["new"].force_mae_trivial
    assert scores["new"].energy_mae < 0.1  # each head has energies of isolated atoms of its own
    assert scores["pretrained"].energy_mae < 0.1


def test_every_head_s_loss_is_in_the_history(both, data):
    epoch = next(row for row in reversed(both.history) if "loss" in row)
    tested = next(row for row in reversed(both.history) if "valid" in row)
    for head in ("new", "pretrained"):
        for part in ("loss", "energy", "forces"):
            assert epoch[f"{head}.{part}"] > 0
            assert tested[f"valid.{head}.{part}"] > 0
        loss = tested[f"valid.{head}.energy"] + 100 * tested[f"valid.{head}.forces"]
        assert tested[f"valid.{head}.loss"] == pytest.approx(loss)
    assert tested["valid"] == pytest.approx((tested["valid.new.loss"] + tested["valid.pretrained.loss"]) / 2)
    assert both.provenance["data"]["labels"]["new"] == {"energy": 16, "forces": 16, "stress": 0}


def test_the_kept_weights_have_the_lowest_mean_of_the_heads_losses(pretrained, data):
    weights = {"new": 1.0, "pretrained": 3.0}
    plan = replace(SHORT, epochs=1, lr=0.1, schedule="constant", ema=0.0, validations=4, weights={"forces": 1.0})
    fitted = fit(with_replay(pretrained, weights=weights), *data[:2], plan=plan, start=START)
    rows = [row for row in fitted.history if "valid" in row]
    mean = [(row["valid.new.loss"] + 3 * row["valid.pretrained.loss"]) / 4 for row in rows]
    assert [row["valid"] for row in rows] == pytest.approx(mean)
    assert min(mean) < mean[-1]
    task, parts = fitted.task, {}
    for chunk in task.gather(data[1]).chunks(100):
        parts |= {name: x.item() for name, x in task.loss(task.collate(chunk), plan.weights)[1].items()}
    assert task.criterion(parts) == pytest.approx(min(mean))  # the closing refit moves energies only


def test_one_trunk_is_one_tensor_in_the_optimiser_and_in_files(pretrained, data, tmp_path):
    fitted = fit(with_replay(pretrained), *data[:2], plan=SHORT, start=START, directory=tmp_path)
    task, single = fitted.task, pretrained.task
    readout = sum(
        p.numel() for n, p in single.named_parameters() if n.startswith(("model.readout", "model.last_layer"))
    )
    whole = sum(p.numel() for p in single.parameters()) + readout
    assert fitted.provenance["parameters"]["trained"] == sum(p.numel() for p in task.parameters()) == whole
    tensors, _ = tensor_file.read(tmp_path / "resume.safetensors")
    moments = [t.numel() for name, t in tensors.items() if name.startswith("optimizer.") and name.endswith("exp_avg")]
    assert sum(moments) == whole
    weights = {name for name, _ in task.named_parameters()}
    assert {n.removeprefix("task.") for n in tensors if n.startswith("task.")} & weights == weights
    assert sum(n.endswith("layers.0.norm.weight") or "layers.0" in n for n in tensors if n.startswith("task.")) == sum(
        "layers.0" in n for n in single.state_dict()
    )
    new, old = task.head("new").model, task.head("pretrained").model
    for name, parameter in new.named_parameters():
        shared = parameter is dict(old.named_parameters())[name]
        assert shared == (not name.startswith(("readout", "last_layer")))


def test_a_file_of_heads_comes_back_with_one_trunk(both, data, tmp_path):
    path = both.save(tmp_path / "both.safetensors")
    again = load(path)
    assert again.heads == ("new", "pretrained")
    new, old = again.task.head("new").model, again.task.head("pretrained").model
    assert new.layers[0] is old.layers[0]
    assert new.last_layer is not old.last_layer
    for head, part in data[2].items():
        one, two = both.head(head).evaluate(part), again.head(head).evaluate(part)
        assert one.force_mae == two.force_mae
        assert one.energy_mae == two.energy_mae
    assert again.save(tmp_path / "c.safetensors").read_bytes() == path.read_bytes()
    text = info(path)
    for word in (
        "new: surrogates.tasks.energy",
        "labels: new=(energy=16",
        "isolated=refit",
        "fine-tuned from a model of 24",
    ):
        assert word in text


def test_a_head_is_a_surrogate_like_any_other(both, data, old_level, tmp_path):
    head = both.head("new")
    more = type(old_level[0])([s for s in data[2]["new"]])
    assert head.calibrate(relabelled(more)).spread is not None
    path = head.save(tmp_path / "new.safetensors")
    atoms = more[0].atoms()
    atoms.calc = SurrogateCalculator(path)
    expected = both.task.head("new").predict(as_batch(more[0], head.r_max)).energy.item()
    assert atoms.get_potential_energy() == pytest.approx(expected, abs=1e-9)
    atoms.calc = SurrogateCalculator(load(both.save(tmp_path / "both.safetensors"), head="new"))
    assert atoms.get_potential_energy() == pytest.approx(expected, abs=1e-9)
    assert len(load(path).seen(data[0]["pretrained"])) == len(data[0]["pretrained"])  # they shaped its trunk


def relabelled(data):
    """Forty shaken copies, enough for a band."""
    rng = np.random.default_rng(9)
    moved = [replace(s, positions=s.positions + rng.normal(0, 0.02, s.positions.shape)) for _ in range(4) for s in data]
    return Structures(moved)


def as_batch(sample, r_max):
    from surrogates.datasets.collate import collate

    return collate([sample], r_max=r_max, dtype=torch.float64).atoms


def test_a_surrogate_of_several_heads_asks_which_one(both, data):
    with pytest.raises(DomainError, match="several heads; choose one with head=: new, pretrained"):
        SurrogateCalculator(both)
    with pytest.raises(TrainingError, match="calibrate one"):
        both.calibrate(data[2]["new"])
    with pytest.raises(DomainError, match="no head 'nwe'; there are new, pretrained"):
        both.head("nwe")
    with pytest.raises(DomainError, match=r"\{head: structures\} with new, pretrained"):
        both.evaluate(data[2]["new"])


def test_the_frozen_trunk_of_heads_keeps_its_bits(pretrained, data):
    start = FineTune({"new": "refit", "pretrained": "keep"}, freeze="trunk")
    tuned = fit(with_replay(pretrained), *data[:2], plan=SHORT, start=start)
    before = pretrained.task.state_dict()
    for name, tensor in tuned.task.head("new").state_dict().items():
        if name.startswith("model.") and not name.startswith(("model.readout", "model.last_layer")):
            assert torch.equal(tensor, before[name])
    assert not torch.equal(tuned.task.head("new").model.last_layer.weight, before["model.last_layer.weight"])


def test_interrupted_heads_go_on_to_the_same_end(pretrained, data, tmp_path):
    class Interrupt:
        def __call__(self, now):
            assert {"new.forces", "pretrained.forces"} & set(now.parts)
            if now.step == 3:
                signal.raise_signal(signal.SIGINT)

    def go(**more):
        return fit(
            with_replay(pretrained, shares={"new": 1, "pretrained": 3}), *data[:2], plan=SHORT, start=START, **more
        )

    whole = go()
    with pytest.raises(KeyboardInterrupt):
        go(directory=tmp_path, hooks=[Interrupt()])
    resumed = go(directory=tmp_path)
    state = whole.task.state_dict()
    assert all(torch.equal(t, state[name]) for name, t in resumed.task.state_dict().items())
    assert whole.history == resumed.history


def test_a_head_without_validation_is_told(pretrained, data):
    with pytest.warns(UnvalidatedHead, match="no validation data for pretrained"):
        fit(with_replay(pretrained), data[0], {"new": data[1]["new"]}, plan=replace(SHORT, epochs=1), start=START)


def test_heads_without_data_or_labels_are_refused(pretrained, data):
    heads = with_replay(pretrained)
    with pytest.raises(DomainError, match="no training data for pretrained"):
        fit(heads, {"new": data[0]["new"]}, plan=SHORT, start=START)
    with pytest.raises(DomainError, match="no head 'old'; there are new, pretrained"):
        fit(heads, {"new": data[0]["new"], "old": data[0]["pretrained"]}, plan=SHORT, start=START)
    bare = Structures([replace(s, energy=None, forces=None) for s in data[0]["pretrained"]])
    with pytest.raises(DomainError, match=r"of head pretrained have labels \(energy 0, forces 0, stress 0\)"):
        fit(heads, {**data[0], "pretrained": bare}, plan=SHORT, start=START)
    with pytest.raises(DomainError, match=r"head new: .*another level"):
        fit(heads, data[0], plan=SHORT)
    with pytest.raises(TrainingError, match=r"validation rows .* are training rows too"):
        fit(heads, data[0], {"new": data[0]["pretrained"]}, plan=SHORT, start=START)


def test_several_members_keep_their_heads(pretrained, data):
    plan = replace(SHORT, epochs=1)
    fits = [fit(with_replay(pretrained), *data[:2], plan=plan, start=START, seed=seed) for seed in (0, 1)]
    ensemble = combine(fits).head("new")
    assert len(ensemble.members) == 2
    batch = as_batch(data[2]["new"][0], ensemble.r_max)
    mean = torch.stack([one.task.head("new").predict(batch).energy for one in fits]).mean(0)
    torch.testing.assert_close(ensemble.predict(batch).energy, mean)


def test_random_replay_depends_on_the_seed_only(old_level):
    train = old_level[0]
    chosen = select_replay(train, 6, seed=1)
    assert isinstance(chosen, Structures)
    assert len(chosen) == 6
    assert chosen.hash == select_replay(train, 6, seed=1).hash
    assert chosen.hash != select_replay(train, 6, seed=2).hash
    assert len(select_replay(train, 999)) == len(train)


def test_replay_by_elements_keeps_rare_ones():
    def row(numbers):
        n = len(numbers)
        return Sample(np.array(numbers), np.arange(3.0 * n).reshape(n, 3), np.zeros((3, 3)), np.zeros(3, bool))

    rows = [row([6, 1])] * 95 + [row([8, 1]), row([7]), row([9]), row([16]), row([17, 1])]
    chosen = select_replay(rows, 12, by="elements", seed=3)
    assert {int(z) for s in chosen for z in s.numbers} == {1, 6, 7, 8, 9, 16, 17}
    assert len(chosen) == 12
    only = select_replay(rows, 50, elements=[1, 8, 7], by="elements")
    assert sorted(s.numbers.tolist() for s in only) == [[7], [8, 1]]
    with pytest.raises(DomainError, match="none of 100 structures"):
        select_replay(rows, 5, elements=[2])
    with pytest.raises(DomainError, match="random, elements"):
        select_replay(rows, 5, by="fps")


def test_relabelled_structures_carry_what_the_model_says(pretrained, old_level):
    labelled = relabel(pretrained, old_level[2])
    scores = pretrained.evaluate(labelled)
    assert scores.energy_mae < 1e-12
    assert scores.force_mae < 1e-12
    assert labelled.labels == ("energy", "forces")
