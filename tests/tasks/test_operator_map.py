"""Operator tasks on travelling waves, whose exact step is a shift."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from surrogates.datasets.trajectory import Trajectory
from surrogates.operators.fno import FNO
from surrogates.physics.errors import DomainError, TrainingError
from surrogates.simulation.rollout import LeftData, rollout
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Plan, fit, load
from surrogates.uncertainty import FieldEnsemble

POINTS, TIMES, SHIFT = 32, 6, 3


def waves(count, seed=0, points=POINTS):
    """Sums of three modes that move by SHIFT of 32 points a frame; the mean is not zero."""
    rng = np.random.default_rng(seed)
    x = np.arange(points) / points
    found = []
    for row in range(count):
        a, phase, c = rng.normal(size=3), rng.uniform(size=3), rng.normal()
        u = [
            c + sum(a[k] * np.sin(2 * np.pi * (k + 1) * (x - SHIFT / POINTS * t - phase[k])) for k in range(3))
            for t in range(TIMES)
        ]
        found.append(Trajectory({"u": np.array(u)}, np.arange(TIMES) * 0.1, (x,), (True,), {"c": c}, row=row))
    return found


class Shift(nn.Module):
    """The exact step, in normalised channels too; wrong by `tilt` on purpose."""

    def __init__(self, *, tilt: float = 0.0) -> None:
        super().__init__()
        self.dim = self.in_channels = self.out_channels = 1
        self.n_parameters = 0
        self.arguments = {"tilt": tilt}
        self.tilt = nn.Parameter(torch.tensor(tilt, dtype=torch.float64))

    def forward(self, values, parameters=None):
        return values.roll(SHIFT, -1) + self.tilt


def prepared(model, **selections):
    task = OperatorMap(model, **({"input": "u[t]", "target": "u[t+1]"} | selections)).double()
    task.prepare(waves(20))
    return task


def test_the_exact_step_has_no_error_and_rolls_out_to_the_end():
    task = prepared(Shift())
    data = waves(5, seed=1)
    assert task.evaluate(data).relative_l2 < 1e-12
    found = rollout(task, data)
    assert found.error["u"].shape == (5, TIMES - 1)
    assert found.error["u"].max() < 1e-12
    assert found.persistence["u"].mean() > 0.3
    assert np.allclose(found.times, data[0].times[1:])
    assert np.allclose(found.fields["u"][2], data[2].fields["u"][1:])


def test_teacher_forcing_shows_single_steps_and_autoregression_adds_them_up():
    task, data = prepared(Shift(tilt=0.01)), waves(5, seed=1)
    own, taught = rollout(task, data).error["u"], rollout(task, data, mode="teacher").error["u"]
    assert np.allclose(own[:, 0], taught[:, 0])
    assert np.allclose(own / own[:, :1], 1 + np.arange(TIMES - 1), rtol=1e-6)
    assert np.allclose(taught / taught[:, :1], 1, rtol=1e-6)


def test_a_rollout_goes_beyond_the_data():
    found = rollout(prepared(Shift()), waves(2), steps=8)
    assert found.fields["u"].shape == (2, 8, POINTS)
    assert found.error["u"].shape == (2, 5)
    assert np.allclose(np.diff(found.times), 0.1)


def test_the_mean_is_conserved_where_asked_exactly():
    data = waves(4, seed=2)
    drifting = rollout(prepared(Shift(tilt=0.05)), data)
    held = rollout(prepared(Shift(tilt=0.05), conserve="u"), data)
    assert np.abs(drifting.mean_change["u"]).min() > 1e-3
    assert np.abs(held.mean_change["u"]).max() < 1e-12


def test_a_window_of_frames_is_fed_newest_last():
    class Newest(Shift):
        def forward(self, values, parameters=None):
            return values[:, -1:].roll(SHIFT, -1)

    model = Newest()
    model.in_channels = 3
    task = prepared(model, input="u[t-2:t+1]")
    found = rollout(task, waves(3))
    assert found.error["u"].shape == (3, TIMES - 3)
    assert found.error["u"].max() < 1e-12


@pytest.mark.parametrize("through", ["all", "last"])
def test_the_gradient_runs_through_the_steps_that_were_asked(through):
    """cost = |k tilt| summed over the steps seen; d/dtilt counts how many steps carry a gradient."""
    task = prepared(Shift(tilt=0.1), unroll=3, through=through, loss="mean_squared")
    batch = task.collate([task.gather(waves(4))[i] for i in (0, 4)])
    loss, _ = task.loss(batch, {"u": 1.0})
    loss.backward()
    scale = task.target_scale.item()
    steps = [1, 2, 3] if through == "all" else [3]
    assert math.isclose(loss.item(), scale**2 * np.mean([(k * 0.1) ** 2 for k in steps]), rel_tol=1e-9)
    slope = np.mean([2 * k * 0.1 * k for k in (1, 2, 3)]) if through == "all" else 2 * 3 * 0.1 * 1
    assert math.isclose(task.model.tilt.grad.item(), scale**2 * slope, rel_tol=1e-9)


def test_parameters_reach_the_model_standardised():
    class Told(Shift):
        def forward(self, values, parameters=None):
            return parameters[:, :, None] + 0 * values

    model = Told()
    model.n_parameters = 1
    task = prepared(model, parameters="c")
    said = task.predict(waves(20)).fields["u"][:, 0, 0]
    told = (said - task.target_mean) / task.target_scale
    assert abs(told.mean().item()) < 1e-9
    assert math.isclose(told.std(correction=0).item(), 1.0, rel_tol=1e-9)


def test_a_baseline_leaves_the_rest_to_the_model():
    class Coarse(nn.Module):
        def forward(self, values, parameters=None):
            return 0.9 * values.roll(SHIFT, -1)

    class Nothing(Shift):
        def forward(self, values, parameters=None):
            return 0 * values

    task = prepared(Nothing(), baseline=Coarse())
    assert math.isclose(task.evaluate(waves(5)).relative_l2, 0.1, rel_tol=1e-9)
    whole = prepared(Nothing())
    assert task.target_scale.item() < 0.2 * whole.target_scale.item()


def test_fields_of_vectors_are_scaled_without_breaking_rotations():
    rng = np.random.default_rng(0)
    v = rng.normal(size=(1, 4, 4, 2)) * [1.0, 10.0] + 3.0
    data = [Trajectory({"v": v}, np.zeros(1), (np.arange(4.0), np.arange(4.0)), (True, True))]

    class Same(nn.Module):
        dim, in_channels, out_channels, n_parameters = 2, 2, 2, 0

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, values, parameters=None):
            return values

    task = OperatorMap(Same(), input="v", target="v")
    task.prepare(data)
    assert task.input_mean.tolist() == [0.0, 0.0]
    assert task.input_scale[0] == task.input_scale[1]


def test_training_keeps_resolution_spread_and_file(tmp_path):
    """A small FNO learns the step; its bands cover; what is saved is what is loaded, at another resolution too."""
    train, valid, calibration, test = waves(60, 1), waves(8, 2), waves(40, 3), waves(40, 4)
    tasks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        task = OperatorMap(
            FNO(dim=1, modes=6, width=12, depth=2, in_channels=1, out_channels=1), input="u[t]", target="u[t+1]"
        )
        tasks.append(fit(task, train, valid, plan=Plan(steps=250, batch_size=20, lr=5e-3), seed=seed))
    from surrogates.training import combine

    both = combine(tasks).calibrate(calibration)
    scores = both.evaluate(test)
    assert scores.relative_l2 < 0.05 < scores.relative_l2_persistence
    assert isinstance(both.task, FieldEnsemble)
    assert 0.8 < scores.coverage["u"].coverage <= 1.0
    assert scores.coverage["u"].informative
    found = rollout(both, test)
    error, band = np.abs(found.fields["u"] - found.truth["u"]), 1.645 * found.std["u"]
    assert np.all((error <= band).mean(axis=(0, 2)) > 0.75)  # at every step
    assert band[:, -1].mean() > 1.5 * band[:, 0].mean()  # and it grows
    again = load(both.save(tmp_path / "waves.safetensors"))
    fine = waves(3, 5, points=2 * POINTS)
    before, after = (x.predict(fine, spread=True) for x in (both, again))
    assert torch.equal(before.fields["u"], after.fields["u"])
    assert torch.equal(before.std["u"], after.std["u"])
    with pytest.warns(LeftData, match="trajectory 0"):
        rollout(again, [_times(fine[0], 30.0)])


def _times(trajectory, factor):
    return Trajectory(
        {"u": factor * trajectory.fields["u"]}, trajectory.times, trajectory.axes, trajectory.periodic, {"c": 0.0}
    )


def test_errors_name_what_is_wrong():
    fno = FNO(dim=1, modes=6, width=4, in_channels=2, out_channels=1)
    with pytest.raises(DomainError, match="in_channels=2; make the model with 1"):
        OperatorMap(fno, input="u[0]", target="u[-1]").prepare(waves(2))
    with pytest.raises(DomainError, match="no operator"):
        OperatorMap(nn.Linear(1, 1), input="u[0]", target="u[-1]")
    with pytest.raises(DomainError, match="wants steps"):
        OperatorMap(Shift(), input="u[0]", target="u[-1]", unroll=2)
    model = Shift()
    model.n_parameters = 1
    task = OperatorMap(model, input="u[t]", target="u[t+1]", parameters="nu")
    with pytest.raises(DomainError, match="no parameter 'nu'; they have c"):
        task.prepare(waves(2))
    with pytest.raises(DomainError, match="have 6"):
        OperatorMap(Shift(), input="u[t]", target="u[t+9]").prepare(waves(2))
    bad = waves(2)
    bad[1].fields["u"][3, 4] = np.nan
    with pytest.raises(DomainError, match="trajectory 1"):
        prepared(Shift()).prepare(bad)
    with pytest.raises(TrainingError, match="names 'v'; this task's loss has u"):
        fit(OperatorMap(Shift(), input="u[t]", target="u[t+1]"), waves(3), plan=Plan(weights={"v": 1}))
    with pytest.raises(DomainError, match="makes one prediction"):
        rollout(prepared(Shift(), input="u[0]", target="u[-1]"), waves(2), steps=3)
