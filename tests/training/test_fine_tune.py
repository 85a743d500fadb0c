"""Going on from a trained model: normalisation, isolated atoms, frozen parameters, bad input."""

import copy
import math
import warnings

import numpy as np
import pytest
import torch

from surrogates.datasets import Structures
from surrogates.physics.errors import DomainError, SurrogatesWarning, TrainingError
from surrogates.potentials.mace import MACE
from surrogates.tasks.energy import EnergyForces
from surrogates.tasks.level import MixedLevels
from surrogates.training import FineTune, Plan, combine, fit, info, load
from surrogates.training.fine_tune import RoundedWeights, frozen

SHORT = Plan(epochs=2, batch_size=8, lr=0.005, dtype="float64", validations=2)


def state(fitted):
    return {name: t.clone() for name, t in fitted.task.state_dict().items()}


def test_what_was_given_stays_and_normalisation_is_kept(pretrained, old_level):
    train, valid, _ = old_level
    before = state(pretrained)
    more = fit(pretrained, train, valid, plan=SHORT)
    assert all(torch.equal(t, before[name]) for name, t in state(pretrained).items())
    after = state(more)
    assert torch.equal(after["normalise.scale"], before["normalise.scale"])
    assert torch.equal(after["normalise.isolated"], before["normalise.isolated"])
    assert not torch.equal(after["model.last_layer.weight"], before["model.last_layer.weight"])
    assert more.provenance["start"]["isolated"]["isolated"] == "keep"
    assert more.provenance["parent"]["data"]["hash"] == train.hash


def test_fine_tuning_begins_where_training_ended(pretrained, old_level):
    train, valid, _ = old_level
    still = Plan(steps=1, lr=1e-12, dtype="float64", ema=0.0, batch_size=8)
    again = fit(pretrained, train, valid, plan=still)
    best = min(row["valid"] for row in pretrained.history if "valid" in row)
    assert again.history[0]["valid"] == pytest.approx(best, rel=0.2)  # but for the closing refit


def test_another_level_of_theory_is_refused_until_one_says_what_to_do(pretrained, new_level):
    with pytest.raises(DomainError, match=r"Cu -1\d\.\d+, Au -2\d\..*another level.*refit moves them"):
        fit(pretrained, new_level[0], new_level[1], plan=SHORT)


def test_refit_moves_isolated_atoms_to_the_new_level(pretrained, new_level):
    train, valid, test = new_level
    plan = Plan(epochs=12, batch_size=8, lr=0.01, dtype="float64")
    tuned = fit(pretrained, train, valid, plan=plan, start=FineTune("refit"))
    moved = tuned.provenance["start"]["isolated"]["moved"]
    assert moved["Cu"][1] - moved["Cu"][0] == pytest.approx(-10.0, abs=1.0)
    assert moved["Au"][1] - moved["Au"][0] == pytest.approx(-20.0, abs=1.0)
    scores = tuned.evaluate(test)
    assert scores.force_mae < 0.25 * scores.force_mae_trivial
    assert scores.energy_mae < 0.1


def test_given_isolated_atoms_are_taken_and_stay(pretrained, new_level, tmp_path):
    given = FineTune({"Cu": -13.0, "Au": -25.0})
    tuned = fit(pretrained, new_level[0], new_level[1], plan=SHORT, start=given)
    assert tuned.task.normalise.isolated[[29, 79]].tolist() == [-13.0, -25.0]
    again = load(tuned.save(tmp_path / "tuned.safetensors"))
    assert again.task.arguments["isolated"] == {"Cu": -13.0, "Au": -25.0}
    assert "fine-tuned: freeze=nothing, isolated=(isolated=given" in info(tmp_path / "tuned.safetensors")
    with pytest.raises(DomainError, match="no energy for Au"):
        fit(pretrained, new_level[0], plan=SHORT, start=FineTune({"Cu": -13.0}))


def test_kept_isolated_atoms_are_kept_whatever_the_data_say(pretrained, new_level):
    before = pretrained.task.normalise.isolated.clone()
    tuned = fit(pretrained, new_level[0], new_level[1], plan=SHORT, start=FineTune("keep"))
    assert torch.equal(tuned.task.normalise.isolated, before)


def test_elements_that_stay_behind_are_told(pretrained, new_level):
    copper = Structures([s for s in map(all_copper, new_level[0])])
    with pytest.warns(MixedLevels, match=r"1 elements .*\(Au\).*old level"):
        fit(pretrained, copper, plan=Plan(steps=1, dtype="float64"), start=FineTune("refit"))


def all_copper(sample):
    atoms = sample.atoms()
    atoms.numbers[:] = 29
    from surrogates.datasets.adapters import sample_of

    return sample_of(atoms, energy=sample.energy, forces=sample.forces)


def test_unknown_elements_are_refused_with_a_remedy(pretrained, old_level):
    from dataclasses import replace

    strange = Structures([replace(s, numbers=np.full(len(s), 18)) for s in old_level[0]])
    with pytest.raises(DomainError, match=r"row 0 has Ar.*built for Cu, Au; fine-tuning adds no elements"):
        fit(pretrained, strange, plan=SHORT)


@pytest.mark.parametrize("freeze", ["trunk", 1, ["layers.0", "embedding.*"]])
def test_frozen_parameters_keep_their_bits(pretrained, old_level, freeze):
    plan = Plan(epochs=2, batch_size=8, lr=0.05, dtype="float64", weight_decay=0.1, optimizer="adamw", ema=0.9)
    before = state(pretrained)
    tuned = fit(pretrained, old_level[0], old_level[1], plan=plan, start=FineTune(freeze=freeze))
    names = [name for name, _ in tuned.task.named_parameters()]
    changed = {name for name, t in state(tuned).items() if name in names and not torch.equal(t, before[name])}
    readout = {n for n in names if n.startswith(("model.readout", "model.last_layer"))}
    layer = {n for n in names if n.startswith("model.layers.0.")}
    embedding = {n for n in names if n.startswith("model.embedding.")}
    wanted = {"trunk": readout, "1": readout | layer}.get(str(freeze), set(names) - layer - embedding)
    assert changed == wanted
    counts = tuned.provenance["parameters"]
    sizes = {name: p.numel() for name, p in tuned.task.named_parameters()}
    assert counts["trained"] == sum(sizes[n] for n in wanted)
    assert counts["trained"] + counts["frozen"] == sum(sizes.values())
    assert all(p.requires_grad for p in tuned.task.parameters())  # the next training is free again


def test_layers_of_a_mace_are_counted_from_its_end():
    task = EnergyForces(MACE(elements=["Cu"], hidden="2x0e", edge_l_max=0, radial_widths=[4], layers=3))
    with frozen(task, 1) as counts:
        training = {name for name, p in task.named_parameters() if p.requires_grad}
    own = ("model.trunk.layers.2.", "model.readouts.", "model.last_layer.")
    assert training == {name for name, _ in task.named_parameters() if name.startswith(own)}
    assert counts["trained"] == sum(p.numel() for name, p in task.named_parameters() if name in training)


def test_the_optimiser_holds_what_trains_and_nothing_else(pretrained, old_level, tmp_path):
    from surrogates import tensor_file

    tuned = fit(pretrained, old_level[0], plan=SHORT, start=FineTune(freeze="trunk"), directory=tmp_path)
    tensors, _ = tensor_file.read(tmp_path / "resume.safetensors")
    moments = [t for name, t in tensors.items() if name.startswith("optimizer.") and name.endswith("exp_avg")]
    assert sum(t.numel() for t in moments) == tuned.provenance["parameters"]["trained"]
    averaged = [name for name in tensors if name.startswith("average.")]
    assert all(name.startswith(("average.model.readout", "average.model.last_layer")) for name in averaged)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"freeze": "trunks"}, "'trunk'"),
        ({"freeze": -1}, "at least 0"),
        ({"isolated": "estimate"}, "'refit'"),
        ({"freeze": 5}, "1 layers"),
        ({"freeze": ["nothing.here"]}, r"no parameter is called 'nothing.here'; there are embedding"),
        ({"freeze": ["*"]}, "leaves nothing to train"),
    ],
)
def test_a_start_without_sense_says_what_is_accepted(pretrained, old_level, wrong, message):
    with pytest.raises(TrainingError, match=message):
        fit(pretrained, old_level[0], plan=SHORT, start=FineTune(**wrong))


def test_what_cannot_be_started_from_says_what_to_do(pretrained, old_level):
    with pytest.raises(TrainingError, match=r"is a path.*load"):
        fit("old.safetensors", old_level[0])
    with pytest.raises(TrainingError, match="tasks with heads"):
        fit(pretrained, {"new": old_level[0]}, plan=SHORT)
    with pytest.raises(DomainError, match="no energy; give numbers in eV"):
        fit(pretrained, old_level[0], plan=SHORT, start=FineTune({"Cu": math.nan, "Au": 1.0}))


def test_a_potential_without_readout_says_so(clusters, morse_task):
    task = morse_task()
    with pytest.raises(TrainingError, match="this one is new"):
        fit(task, clusters(4), plan=SHORT, start=FineTune())
    trained = fit(task, clusters(12), plan=SHORT)
    with pytest.raises(TrainingError, match=r"no readout.*depth.*freeze=\['...'\]"):
        fit(trained, clusters(12), plan=SHORT, start=FineTune(freeze="trunk"))
    tuned = fit(trained, clusters(12), plan=SHORT, start=FineTune(freeze=["depth", "width"]))
    assert tuned.provenance["parameters"]["trained"] == 1


def test_weights_rounded_by_the_plan_are_told(pretrained, old_level):
    with pytest.warns(RoundedWeights, match=r"float64 and are rounded to float32.*Plan\(dtype='float64'\)"):
        fit(pretrained, old_level[0], plan=Plan(steps=1))
    single = copy.deepcopy(pretrained.task).float()
    with warnings.catch_warnings():
        warnings.simplefilter("error", SurrogatesWarning)
        fit(single, old_level[0], plan=Plan(steps=1))
        fit(single, old_level[0], plan=Plan(steps=1, dtype="float64"))


def test_ensembles_are_tuned_member_by_member(pretrained, old_level):
    both = combine([pretrained, pretrained])
    with pytest.raises(TrainingError, match=r"combine\(\[fit"):
        fit(both, old_level[0], plan=SHORT)


def test_rows_of_the_first_training_are_remembered(pretrained, old_level, new_level):
    tuned = fit(pretrained, new_level[0], plan=Plan(steps=1, dtype="float64"), start=FineTune("refit"))
    assert len(tuned.seen(old_level[0])) == len(old_level[0])
    assert len(tuned.seen(new_level[0])) == len(new_level[0])
    assert tuned.seen(new_level[2]) == []


def test_an_interrupted_fine_tuning_goes_on_to_the_same_end(pretrained, new_level, tmp_path):
    import signal

    class Interrupt:
        def __call__(self, now):
            if now.step == 2:
                signal.raise_signal(signal.SIGINT)

    start, train, valid = FineTune("refit", freeze="trunk"), *new_level[:2]
    whole = fit(pretrained, train, valid, plan=SHORT, start=start)
    with pytest.raises(KeyboardInterrupt):
        fit(pretrained, train, valid, plan=SHORT, start=start, directory=tmp_path, hooks=[Interrupt()])
    with pytest.raises(TrainingError, match="differs in start"):
        fit(pretrained, train, valid, plan=SHORT, start=FineTune("refit"), directory=tmp_path)
    resumed = fit(pretrained, train, valid, plan=SHORT, start=start, directory=tmp_path)
    assert all(torch.equal(t, state(whole)[name]) for name, t in state(resumed).items())
    assert whole.history == resumed.history


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"foo": 1.0}, "'foo'; this task's loss has energy, forces, stress"),
        ({"force": 1.0}, "did you mean 'forces'"),
        ({"energy": 0.0}, "weighs nothing"),
    ],
)
def test_weights_of_unknown_parts_are_refused(clusters, morse_task, weights, message):
    with pytest.raises(TrainingError, match=message):
        fit(morse_task(), clusters(4), plan=Plan(steps=1, weights=weights))


def test_labels_that_weigh_nothing_are_refused(clusters, morse_task):
    with pytest.raises(DomainError, match=r"energy 4, forces 4, stress 0.*weigh nothing"):
        fit(morse_task(), clusters(4), plan=Plan(steps=1, weights={"stress": 1.0}))
