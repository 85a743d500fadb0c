"""Rollouts on meshes: an exact network follows the truth, measures are those of the paper, walls stay known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skfem import MeshTri
from torch import nn

from surrogates.datasets import Meshes, MeshSample
from surrogates.physics.errors import DomainError
from surrogates.simulation.mesh_rollout import rollout
from surrogates.simulation.rollout import LeftData
from surrogates.tasks.mesh_map import MeshMap

RATE, FRAMES = 0.9, 9


class Decay(nn.Module):
    """u(t+1) - u(t) = (rate - 1) u(t)."""

    dim, in_channels, out_channels = 2, 1, 1

    def __init__(self, rate=RATE):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(rate - 1.0, dtype=torch.float64))
        self.arguments = {}

    def patterns(self, points, edges, tags):
        return {}

    def forward(self, values, graph):
        return self.weight * values


def decaying(k: int, frames: int = FRAMES) -> MeshSample:
    mesh = MeshTri.init_tensor(np.linspace(0, 1, 4 + k), np.linspace(0, 1, 4))
    p = mesh.p.T.copy()
    start = 1 + p[:, 0] + 0.1 * k
    u = np.stack([start * RATE**n for n in range(frames)])
    left = p[:, 0] == 0
    u[:, left] = np.cos(np.arange(frames))[:, None]  # a wall that moves by itself
    cells = {"triangle": mesh.t.T.astype(np.int64)}
    return MeshSample(p, cells, {"u": u}, tags={"left": left}, times=0.5 * np.arange(frames), group=str(k))


@pytest.fixture(scope="module")
def data():
    return Meshes([decaying(k) for k in range(4)])


def stepping(data, rate=RATE, **changes):
    task = MeshMap(Decay(rate), input="u[t]", target="u[t+1]", prescribed={"u": ["left"]}, **changes).double()
    task.prepare(data)
    for name, value in (("value_mean", 0.0), ("value_scale", 1.0), ("target_mean", 0.0), ("target_scale", 1.0)):
        getattr(task, name).fill_(value)
    return task


def test_an_exact_network_follows_the_truth(data):
    found = rollout(stepping(data), data)
    assert found.steps == FRAMES - 1
    assert found.over()["u"] < 1e-12
    for said in found.predictions:
        np.testing.assert_allclose(said.fields["u"], said.sample.fields["u"][1:], atol=1e-12)
        np.testing.assert_allclose(said.times, said.sample.times[1:])
    still = found.over(1, of=found.persistence)["u"]
    change = [np.square(s.fields["u"][1] - s.fields["u"][0]).mean() for s in data]
    assert still == pytest.approx(np.sqrt(np.mean(change)))


def test_errors_add_up_and_single_steps_do_not(data, tmp_path):
    task = stepping(data, rate=0.8)
    free, taught = rollout(task, data), rollout(task, data, mode="teacher")
    assert free.over(1) == taught.over(1)
    assert free.over()["u"] > 1.5 * taught.over()["u"]
    k, inside = 2, ~data[2].tags["left"]
    start = data[k].fields["u"][0]
    error = (start * 0.8**5 - start * RATE**5)[inside]
    expected = np.sqrt(np.square(error).sum() / len(start))
    assert free.rmse["u"][k, 4] == pytest.approx(expected)
    assert free.over(3)["u"] == pytest.approx(np.sqrt(np.square(free.rmse["u"][:, :3]).mean()))
    assert "50 steps" in str(free)
    free.predictions[0].write(tmp_path / "last.vtu")


def test_beyond_the_data_walls_stay_and_there_is_no_truth(data):
    found = rollout(stepping(data), data[0], steps=12)
    said = found.predictions[0]
    assert said.fields["u"].shape == (12, len(data[0]))
    np.testing.assert_allclose(said.fields["u"][-1][data[0].tags["left"]], np.cos(FRAMES - 1))
    assert np.isfinite(found.rmse["u"][0]).sum() == FRAMES - 1
    np.testing.assert_allclose(said.times, 0.5 * np.arange(1, 13))
    first = replace(data[0], fields={"u": data[0].fields["u"][:1]}, times=data[0].times[:1])
    alone = rollout(stepping(data), first, steps=3)
    assert np.isnan(alone.rmse["u"]).all()
    with pytest.raises(DomainError, match="say how many steps"):
        rollout(stepping(data), first)


def test_meshes_with_different_histories(data):
    mixed = Meshes([decaying(0), decaying(1, frames=4)])
    found = rollout(stepping(mixed), mixed)
    assert np.isfinite(found.rmse["u"]).sum(axis=1).tolist() == [FRAMES - 1, 3]
    assert found.over()["u"] < 1e-12


def test_second_order_continues_straight_lines():
    def line(k):
        sample = decaying(k)
        u = np.stack([sample.points[:, 0] * n + k for n in range(FRAMES)])
        return replace(sample, fields={"u": u}, tags={})

    data = Meshes([line(k) for k in range(3)])
    network = Decay(rate=1.0)
    network.in_channels = 2
    network.forward = lambda values, graph: 0 * values[:, :1]
    task = MeshMap(network, input="u[t-1:t+1]", target="u[t+1]", order=2).double()
    task.prepare(data)
    found = rollout(task, data)
    assert found.steps == FRAMES - 2
    assert found.over()["u"] < 1e-9


def test_what_diverges_is_told_and_nonsense_refused(data):
    with pytest.warns(LeftData, match="4 of 4 rollouts leave"):
        rollout(stepping(data, rate=1e60), data)
    task = stepping(data)
    for wrong, said in (
        ({"steps": 0}, "steps=0"),
        ({"mode": "free"}, "mode='free'"),
        ({"spread": True}, "no calibrated"),
    ):
        with pytest.raises(DomainError, match=said):
            rollout(task, data, **wrong)
    with pytest.raises(DomainError, match="no network on meshes"):
        rollout(3, data)
    steady = MeshMap(Decay(), input="u[0]", target="u[1]").double()
    steady.prepare(data)
    with pytest.raises(DomainError, match="one prediction, not steps"):
        rollout(steady, data)
