"""Bands on meshes: their promise, that they know where errors are, foreign meshes, files, ensembles."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from skfem import MeshTri
from torch import nn

from surrogates.datasets import Meshes, MeshSample
from surrogates.evaluation.coverage import coverage, energy_band
from surrogates.physics.errors import DomainError
from surrogates.tasks.mesh_map import MeshMap
from surrogates.testing.mesh_saboteurs import Smoothing
from surrogates.training import Plan, fit
from surrogates.training.checkpoint import load
from surrogates.training.fitted import combine
from surrogates.uncertainty import MeshEnsemble, MeshSpread, UnlikeTraining
from surrogates.uncertainty.mesh_spread import calibrate, class_of


class Linear(nn.Module):
    """Answers its one input channel."""

    dim, in_channels, out_channels = 2, 1, 1

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.arguments = {}

    def patterns(self, points, edges, tags):
        return {}

    def forward(self, values, graph):
        return self.weight * values


def noisy(k: int, spread=0.3) -> MeshSample:
    """What is asked is answered with an error that grows towards the hole side x = 0."""
    rng = np.random.default_rng(k)
    mesh = MeshTri.init_tensor(np.linspace(0, 1, 8), np.linspace(0, 1 + 0.2 * rng.random(), 7))
    p = mesh.p.T.copy()
    shown = np.sin(3 * p[:, 1] + k)
    left = p[:, 0] == 0
    error = spread * rng.normal(size=len(p)) * np.exp(-4 * p[:, 0]) * rng.lognormal(0, 0.3)
    fields = {"shown": shown, "true": shown + error}
    cells = {"triangle": mesh.t.T.astype(np.int64)}
    return MeshSample(p, cells, fields, tags={"left": left}, parameters={"load": rng.random()}, group=str(k))


@pytest.fixture(scope="module")
def task():
    found = MeshMap(Linear(), input="shown", target="true").double()
    found.prepare(Meshes([noisy(k) for k in range(5)]))
    for name, value in (("value_mean", 0.0), ("value_scale", 1.0), ("target_mean", 0.0), ("target_scale", 1.0)):
        getattr(found, name).fill_(value)
    return found


@pytest.fixture(scope="module")
def spread(task):
    return calibrate(task, Meshes([noisy(k) for k in range(30)]), Meshes([noisy(k) for k in range(100, 160)]))


def test_the_band_holds_what_it_promises_and_follows_the_errors(spread):
    test = Meshes([noisy(k) for k in range(300, 360)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnlikeTraining)
        said = spread.predict(test, spread=True)
    error = np.concatenate([p.fields["true"] - p.sample.fields["true"] for p in said])
    width = energy_band(np.concatenate([p.std["true"] for p in said]))
    found = coverage(error, width, group=np.repeat(np.arange(len(said)), [len(p.sample) for p in said]))
    assert 0.87 < found.coverage < 0.96
    assert min(found.terciles) > 0.8
    assert found.rank_correlation > 0.6
    assert found.widest_over_narrowest > 5


def test_foreign_meshes_are_named(spread, task):
    sample = noisy(400)
    usual = [w for k in range(500, 530) if (w := spread.domain.foreign(task, task.gather([noisy(k)])[0]))]
    assert len(usual) <= 4
    for spoilt, why in (
        (replace(sample, parameters={"load": 9.0}), "parameter load = 9"),
        (replace(sample, points=sample.points * [1, 3]), "extent y"),
        (replace(sample, tags={"left": sample.points[:, 0] > 0.9}), "of tag left"),
        (replace(sample, fields=sample.fields | {"shown": sample.fields["shown"] * 100}), "of shown channel 0"),
        (replace(sample, cells={"triangle": np.delete(sample.cells["triangle"], 40, axis=0)}), "Euler"),
    ):
        with pytest.warns(UnlikeTraining, match=why):
            spread.predict(spoilt)


def test_steps_of_rollouts_have_classes_of_their_own():
    steps = (1, 2, 3, 5, 8)
    assert [class_of(k, steps) for k in (0, 1, 2, 3, 4, 5, 6, 8, 9, 99)] == [0, 1, 2, 3, 4, 4, 5, 5, 5, 5]


def test_too_few_meshes_are_refused(task):
    few = Meshes([replace(noisy(k), group="one") for k in range(30)])
    with pytest.raises(DomainError, match="1 independent calibration meshes"):
        calibrate(task, few, few)


def test_ensembles_calibrate_save_and_load(tmp_path):
    told = {"input": "shown", "target": "true", "tags": "left"}
    data = Meshes([noisy(k, spread=0.05) for k in range(34)])
    train, calibration = data[:12], data[12:]
    members = []
    for seed in range(2):
        torch.manual_seed(seed)
        network = Smoothing(dim=2, in_channels=2, out_channels=1, width=4, depth=1)
        task = MeshMap(network, **told, prescribed={"true": "left"})
        members.append(fit(task, train, plan=Plan(steps=10, batch_size=4), seed=seed))
    fitted = combine(members).calibrate(calibration)
    assert isinstance(fitted.spread, MeshSpread)
    said = fitted.predict(calibration[0], spread=True)
    assert (said.std["true"] > 0).sum() == (~calibration[0].tags["left"]).sum()
    mean = np.mean([m.predict(calibration[0]).fields["true"] for m in members], axis=0)
    np.testing.assert_allclose(said.fields["true"], mean, rtol=1e-6)
    scores = fitted.evaluate(calibration)
    assert scores.coverage["true"].n == sum((~s.tags["left"]).sum() for s in calibration)
    assert scores.coverage["true"].groups == len(calibration)
    fitted.save(tmp_path / "e.safetensors")
    again = load(tmp_path / "e.safetensors", trust=["surrogates.testing.mesh_saboteurs"])
    np.testing.assert_array_equal(again.predict(calibration[0], spread=True).std["true"], said.std["true"])
    raw = MeshEnsemble([m.task for m in members])
    assert raw.predict(calibration[0], spread=True).std["true"].shape == said.std["true"].shape
    with pytest.raises(DomainError, match="no scatter"):
        MeshEnsemble([members[0].task]).predict(calibration[0], spread=True)
