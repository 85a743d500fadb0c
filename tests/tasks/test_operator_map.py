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


def test_inputs_at_any_distance_are_fed_the_frames_they_mean():
    """u[t] and u[t-2] as two selections: the step needs both at their own places."""

    class Back(Shift):
        def forward(self, values, parameters=None):
            return values[:, 2:].roll(3 * SHIFT, -1)  # u[t-2] moves three frames

    model = Back()
    model.in_channels = 3
    task = prepared(model, input=["u[t]", "u[t-1]", "u[t-2]"])
    found = rollout(task, waves(3))
    assert found.error["u"].max() < 1e-12
    assert np.allclose(found.times, 0.1 * np.arange(3, TIMES))
    gap = Shift()
    gap.in_channels = 2
    task = prepared(gap, input="u[t-1:t+1]", target="u[t+2]")  # the next input lacks t+1
    assert not task.relative
    with pytest.raises(DomainError, match=r"u\[t-1:t\+1\].*neither predicted"):
        task.advance(torch.zeros(1, 2, POINTS), torch.zeros(1, 1, POINTS))
    assert task.stride == 2


def test_two_target_selections_make_one_step_with_two_times():
    class Two(Shift):
        def forward(self, values, parameters=None):
            return torch.cat([values.roll(SHIFT, -1), values.roll(2 * SHIFT, -1)], dim=1)

    model = Two()
    model.out_channels = 2
    found = rollout(prepared(model, target=["u[t+1]", "u[t+2]"]), waves(3))
    assert found.error["u"].shape == (3, 2)  # steps of two frames
    assert found.error["u"].max() < 1e-12
    assert np.allclose(found.times, 0.1 * np.arange(1, 5))


def test_a_map_between_fields_at_one_time_is_no_step_and_can_be_calibrated():
    data = [
        Trajectory({"u": t.fields["u"], "v": 2 * t.fields["u"]}, t.times, t.axes, t.periodic) for t in waves(40, seed=3)
    ]
    model = Shift()
    model.forward = lambda values, parameters=None: values + model.tilt
    task = OperatorMap(model, input="u[t]", target="v[t]").double()
    task.prepare(data[:10])
    assert not task.relative
    from surrogates.uncertainty import calibrate

    spread = calibrate(task, data[:10], data[10:])
    assert spread.predict(data[:2], spread=True).std["v"].shape == (2, 1, POINTS)
    with pytest.raises(DomainError, match="one prediction"):
        rollout(task, data, steps=2)


def test_nothing_outside_a_mask_matters_and_nothing_is_said_there():
    def masked(outside):
        found = []
        for k, t in enumerate(waves(6, seed=4)):
            mask = np.arange(POINTS) < 20 + k  # of each trajectory its own
            u = np.where(mask, t.fields["u"], outside)
            found.append(Trajectory({"u": u}, t.times, t.axes, t.periodic, mask=mask, row=k))
        return found

    class Told(Shift):
        def forward(self, values, parameters=None):
            return values[:, :1] + 0.1 * values[:, 1:]

    model = Told()
    model.in_channels = 2
    scores = []
    for outside in (0.0, np.nan):
        task = OperatorMap(model, input="u[t]", target="u[t+1]", conserve="u").double()
        task.prepare(masked(outside))
        assert (task.predict(masked(outside)[0]).fields["u"][0, 0, 20:] == 0).all()
        scores.append(task.evaluate(masked(outside)))
        found = rollout(task, masked(outside))
        assert np.isfinite(found.error["u"]).all()
        assert np.abs(found.mean_change["u"]).max() < 1e-12
    assert scores[0] == scores[1]
    for k, t in enumerate(masked(0.0)):  # and each sample counts its own points
        own, said = t.fields["u"][1][: 20 + k], task.predict(t).fields["u"][0, 0].numpy()[: 20 + k]
        want = np.linalg.norm(said - own) / np.linalg.norm(own)
        assert math.isclose(scores[0].arrays["relative_l2"][5 * k], want, rel_tol=1e-9)
    assert torch.equal(  # without a mask all is inside
        task.predict(waves(1)).fields["u"],
        task.predict(
            [
                Trajectory(
                    {"u": waves(1)[0].fields["u"]},
                    waves(1)[0].times,
                    waves(1)[0].axes,
                    (True,),
                    mask=np.ones(POINTS, dtype=bool),
                )
            ]
        ).fields["u"],
    )


def test_fields_that_turn_have_no_mean_and_one_scale():
    """A pseudoscalar minus its mean is no pseudoscalar; the components of a vector given as two scalars go together."""
    rng = np.random.default_rng(0)
    w, vx, vy, p = (rng.normal(size=(3, 4, 4)) * s + 5.0 for s in (1.0, 1.0, 10.0, 1.0))
    data = [Trajectory({"w": w, "vx": vx, "vy": vy, "p": p}, np.arange(3.0), (np.arange(4.0),) * 2, (True, True))]

    class Turning(Shift):
        in_ranks, out_ranks = ("pseudoscalar", "vector", "scalar"), ("pseudoscalar",)

    model = Turning()
    model.dim, model.in_channels = 2, 4
    task = OperatorMap(model, input=["w[t]", "vx[t]", "vy[t]", "p[t]"], target="w[t+1]").double()
    task.prepare(data)
    assert task.input_mean[:3].tolist() == [0.0, 0.0, 0.0] == [*task.target_mean.tolist() * 3]
    assert task.input_mean[3].item() == pytest.approx(p[:2].mean())
    assert task.input_scale[1] == task.input_scale[2]


def test_moments_keep_the_digits_of_a_small_spread_far_from_zero():
    u = 1e6 + 1e-3 * np.random.default_rng(0).normal(size=(50, 1, 32))
    data = [Trajectory({"u": row}, np.zeros(1), (np.arange(32.0),), (True,)) for row in u]
    task = OperatorMap(Shift(), input="u", target="u").double()
    task.prepare(data)
    assert task.input_scale.item() == pytest.approx(u.std(), rel=1e-6)


def test_frames_of_a_training_set_are_sampled_alike():
    """7,000 windows of 1,000 trajectories: even steps of seven, for one, would see first frames only."""
    from surrogates.tasks.windows import Windows

    seen = Windows(waves(1) * 1750, (0, 2)).some(2000)
    counts = np.bincount([w.t for w in seen])
    assert len(seen) == 2000
    assert counts.min() > 300


def test_data_unlike_those_trained_on_are_refused():
    task = prepared(Shift())
    flat = Trajectory({"u": np.zeros((3, 8, 8))}, np.arange(3.0), (np.arange(8.0),) * 2, (True, True))
    with pytest.raises(DomainError, match="2 axes of space, the model dim=1"):
        task.predict([flat])
    with pytest.raises(DomainError, match="differ in grid"):
        task.predict([*waves(1), *waves(1, points=64)])
    for steps in (0, -1):
        with pytest.raises(DomainError, match="steps"):
            rollout(task, waves(2), steps=steps)


def test_a_start_alone_is_rolled_out():
    whole = waves(3)
    starts = [Trajectory({"u": t.fields["u"][:1]}, t.times[:1], t.axes, t.periodic) for t in whole]
    found = rollout(prepared(Shift()), starts, steps=5)
    assert np.allclose(found.fields["u"], [t.fields["u"][1:] for t in whole])
    assert found.error["u"].shape == (3, 0)
    assert "no truth" in str(found)
    with pytest.raises(DomainError, match="say how many steps"):
        rollout(prepared(Shift()), starts)
