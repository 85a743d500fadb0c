"""Training: exact repetition, exact resumption, clean ends."""

import json
import math
import signal

import pytest
import torch

from surrogates.physics.errors import TrainingError
from surrogates.training import Plan, TrainingStopped, fit
from surrogates.training.ema import Average


def weights(fitted):
    return {name: t.clone() for name, t in fitted.task.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Interrupt:
    """Ctrl-C at a step."""

    def __init__(self, step):
        self.step = step

    def __call__(self, state):
        if state.step == self.step:
            signal.raise_signal(signal.SIGINT)


def test_training_is_repeatable_to_the_bit_and_depends_on_the_seed(line, numbers):
    train, valid = numbers
    plan = Plan(epochs=5, lr=0.02)
    first, second, other = (fit(line(0.2), train, valid, plan=plan, seed=s) for s in (1, 1, 2))
    assert same(weights(first), weights(second))
    assert first.history == second.history
    assert not same(weights(first), weights(other))


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_an_interrupted_training_ends_like_an_undisturbed_one(line, numbers, tmp_path, schedule):
    train, valid = numbers
    plan = Plan(epochs=6, lr=0.02, schedule=schedule, validations=8, plateau_patience=1, optimizer="adamw")
    whole = fit(line(0.2), train, valid, plan=plan, seed=3)
    for step in (1, 7, 20):
        with pytest.raises(KeyboardInterrupt):
            fit(line(0.2), train, valid, plan=plan, seed=3, hooks=[Interrupt(step)], directory=tmp_path)
    resumed = fit(line(0.2), train, valid, plan=plan, seed=3, directory=tmp_path)
    assert same(weights(whole), weights(resumed))
    assert json.dumps(whole.history) == json.dumps(resumed.history)


def test_a_directory_of_another_training_is_refused(line, numbers, tmp_path):
    train, valid = numbers
    fit(line(), train, valid, plan=Plan(epochs=1), directory=tmp_path)
    with pytest.raises(TrainingError, match=r"differs in plan.*delete"):
        fit(line(), train, valid, plan=Plan(epochs=2), directory=tmp_path)


def test_an_interrupt_without_directory_keeps_the_best_weights(line, numbers):
    train, valid = numbers
    with pytest.warns(TrainingStopped, match="interrupted"):
        fitted = fit(line(), train, valid, plan=Plan(epochs=50), hooks=[Interrupt(100)])
    assert fitted.provenance["steps"] == 100
    assert fitted.evaluate(valid) < 0.5


def test_a_loss_that_is_not_finite_names_its_rows(line, numbers):
    train, valid = numbers
    train[7] = (math.nan, 5.0)
    with pytest.raises(TrainingError, match=r"training rows \[7\]"):
        fit(line(), train, valid, plan=Plan(epochs=3))


def test_a_later_break_down_keeps_the_last_good_state(line, numbers):
    train, valid = numbers
    task = line()

    def poison(state):
        if state.step == 30:
            task.poisoned = True

    whole = task.loss
    task.poisoned = False
    task.loss = lambda b, w: whole(b, w) if not (task.poisoned and task.training) else (whole(b, w)[0] * math.nan, {})
    with pytest.warns(TrainingStopped, match="not finite at step 31"):
        fitted = fit(task, train, valid, plan=Plan(epochs=20), hooks=[poison])
    assert fitted.provenance["stopped"] is not None
    assert all(bool(t.isfinite().all()) for t in weights(fitted).values())


def test_patience_stops_and_the_best_weights_are_kept(line, numbers):
    train, valid = numbers
    fitted = fit(line(), train, valid, plan=Plan(epochs=400, lr=0.3, schedule="constant", validations=200, patience=3))
    values = [row["valid"] for row in fitted.history if "valid" in row]
    assert len(values) < 200
    assert min(values) == min(values[:-3])


def test_minutes_end_in_time_and_record_the_steps(line, numbers):
    train, valid = numbers
    fitted = fit(line(), train, valid, plan=Plan(minutes=0.005))
    assert 0.25 < fitted.timings["seconds"] < 0.8
    assert fitted.provenance["steps"] > 10


def test_hooks_see_progress(line, numbers):
    train, valid = numbers
    seen = []
    fit(line(), train, valid, plan=Plan(steps=20, warmup=0.2), hooks=[seen.append])
    assert [s.step for s in seen] == list(range(1, 21))
    assert seen[-1].fraction == 1
    assert seen[-1].remaining == 0
    assert seen[-1].rate > 0
    assert seen[0].lr < max(s.lr for s in seen)
    assert seen[-1].lr < 0.01 * max(s.lr for s in seen)


def test_mixed_precision_learns_too(line, numbers):
    train, valid = numbers
    fitted = fit(line(), train, valid, plan=Plan(epochs=40, lr=0.03, dtype="bfloat16"))
    assert fitted.dtype == torch.float32
    assert fitted.evaluate(valid) < 0.02


def test_rows_in_both_sets_are_refused(line, numbers):
    train, _ = numbers
    with pytest.raises(TrainingError, match="training rows too"):
        fit(line(), train, type(train)(train[3:5]), plan=Plan(epochs=1))


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 1, "minutes": 2}, {"lr": -1.0}, {"schedule": "cosin"}, {"ema": 1.0}, {"weights": {"energy": -1}}],
)
def test_a_plan_without_sense_says_what_is_accepted(wrong):
    with pytest.raises(TrainingError, match=r"give|choose|cosine"):
        Plan(**wrong)


def test_the_average_is_the_geometric_one():
    net = torch.nn.Linear(1, 1, bias=False).double()
    average, expected = Average(net, 0.9), net.weight.detach().clone()
    for step in range(1, 200):
        with torch.no_grad():
            net.weight.fill_(step)
        average.update()
        decay = min(0.9, step / (9 + step))
        expected = decay * expected + (1 - decay) * step
    torch.testing.assert_close(average.weights["weight"], expected, rtol=1e-12, atol=1e-12)
    with average.applied():
        torch.testing.assert_close(net.weight.detach(), expected, rtol=1e-12, atol=1e-12)
    assert net.weight.item() == 199


def test_training_recovers_the_potential_that_made_the_data(clusters, morse_task):
    task = morse_task()
    plan = Plan(epochs=50, lr=0.05, batch_size=8, validations=2, dtype="float64", ema=0.9, weights={"forces": 1.0})
    fitted = fit(task, clusters(32), clusters(8, seed=1), plan=plan)
    model, scale = task.model, task.normalise.scale
    assert (scale * model.depth).item() == pytest.approx(0.5, rel=2e-2)
    assert model.width.item() == pytest.approx(1.2, rel=1e-2)
    assert model.r0.item() == pytest.approx(2.6, rel=1e-3)
    alone = task.normalise.isolated + task.normalise.shift  # forces know nothing of these: the closing refit found them
    assert alone[29].item() == pytest.approx(-3.0, abs=5e-3)
    assert alone[79].item() == pytest.approx(-5.0, abs=5e-3)
    scores = fitted.evaluate(clusters(10, seed=2))
    assert scores.energy_mae < 2e-3
    assert scores.force_mae < 5e-3
    assert scores.force_mae_trivial > 100 * scores.force_mae
