"""Bands of fields: their promise at every step and for groups, and a detector that no unit blinds."""

import numpy as np
import pytest
import torch
from torch import nn

from surrogates.datasets.trajectory import Trajectory
from surrogates.simulation.rollout import rollout
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training.fitted import Fitted
from surrogates.uncertainty import FieldDomain
from surrogates.uncertainty.field_spread import calibrate, restore

POINTS = 64


class Same(nn.Module):
    """Nothing changes, says the model."""

    def __init__(self, channels=1, n_parameters=0) -> None:
        super().__init__()
        self.dim, self.in_channels, self.out_channels, self.n_parameters = 1, channels, 1, n_parameters
        self.weight = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, values, parameters=None):
        return self.weight * values[:, :1]


def kicked(count, seed, group=lambda row: "", nu=lambda row: 0.0):
    """Two kicks: the first uniform, so that few errors are far from their mean, the second with a long tail."""
    rng = np.random.default_rng(seed)
    found = []
    for row in range(count):
        u = np.zeros((3, POINTS))
        u[0] = rng.normal(size=POINTS)
        u[1] = u[0] + rng.uniform(-1, 1, size=POINTS)
        u[2] = u[1] + rng.choice([-1, 1], size=POINTS) * np.exp(2.5 * rng.normal(size=POINTS))
        x = np.arange(POINTS) / POINTS
        found.append(Trajectory({"u": u}, np.arange(3.0), (x,), (True,), {"nu": nu(row)}, group=group(row), row=row))
    return found


def prepared(**settings):
    task = OperatorMap(Same(n_parameters=len(settings)), input="u[t]", target="u[t+1]", **settings).double()
    task.prepare(kicked(20, 0, nu=lambda row: 1e-3 + 1e-5 * row))
    return task


def test_every_step_keeps_the_promise_by_itself():
    task, train, test = prepared(), kicked(20, 0), kicked(200, 2)
    spread = calibrate(task, train, kicked(90, 1))
    fitted = Fitted((task,), {}, spread=spread)
    found = rollout(fitted, test)
    inside = np.abs(found.fields["u"] - found.truth["u"]) <= 1.6449 * found.std["u"]
    assert inside.mean(axis=(0, 2)) == pytest.approx([0.9, 0.9], abs=0.025)
    assert fitted.evaluate(test).coverage["u"].coverage == pytest.approx(0.9, abs=0.025)
    tensors, plain = spread.state()
    again = restore((task,), tensors, plain)
    assert torch.equal(again.predict(test[:2], spread=True).std["u"], spread.predict(test[:2], spread=True).std["u"])
    taught = rollout(fitted, test, mode="teacher")  # single predictions, whatever the step
    assert np.array_equal(taught.std["u"][:, 0], spread.predict(test, spread=True).std["u"].numpy()[:, 0])


def test_trajectories_of_a_group_count_once():
    alike = kicked(60, 1, group=lambda row: f"run {row // 6}")
    with pytest.warns(match="10 independent"):
        assert Fitted((prepared(),), {}, train_data=kicked(20, 0)).calibrate(alike).spread is None
    apart = Fitted((prepared(),), {}, train_data=kicked(20, 0)).calibrate(kicked(60, 1, group=lambda row: f"{row}"))
    assert apart.spread is not None


def test_a_small_parameter_far_from_the_training_range_is_foreign():
    """nu from 0.001 to 0.0012 in training: 0.01 is fifty times the range away, small as both numbers are."""
    task = prepared(parameters="nu")
    train = kicked(20, 0, nu=lambda row: 1e-3 + 1e-5 * row)
    domain = FieldDomain.fit(task, train, kicked(60, 1, nu=lambda row: 1e-3 + 1e-5 * (row % 20)))
    for nu, wanted in ((1.1e-3, 0.0), (1e-2, 1.0)):
        (batch,) = task.batches(kicked(40, 3, nu=lambda row, nu=nu: nu))
        assert domain.foreign(batch.values, batch.parameters).double().mean().item() == pytest.approx(wanted, abs=0.1)


def test_no_more_trajectories_are_flagged_than_promised():
    """The whole of a rollout counts as one: otherwise a long one is called foreign by one of its many inputs."""
    task = prepared()
    domain = FieldDomain.fit(task, kicked(200, 0), kicked(200, 1))
    (batch,) = task.batches(kicked(400, 2), targets=True)
    flagged = domain.foreign(batch.values, batch.parameters).reshape(400, 2).any(dim=1)
    assert flagged.double().mean().item() <= domain.false_alarms + 0.02
