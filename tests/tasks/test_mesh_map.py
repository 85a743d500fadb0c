"""MeshMap: what goes in and out, normalisation, increments, noise, prescribed nodes, refusals, files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skfem import MeshTri
from torch import nn

from surrogates.datasets import Meshes, MeshSample
from surrogates.datasets.batch import Csr
from surrogates.physics.errors import DomainError
from surrogates.tasks.mesh_map import MeshMap
from surrogates.testing.mesh_saboteurs import Smoothing
from surrogates.training import FineTune, Plan, fit
from surrogates.training.checkpoint import load

FRAMES = 6
STEP = {"input": "velocity[t]", "target": ["velocity[t+1]", "pressure[t+1]"], "tags": ["left", "right"]}


class Said(nn.Module):
    """Answers what it is told to, and keeps what it was asked."""

    def __init__(self, *, dim=2, in_channels=4, out_channels=3, answer=0.0):
        super().__init__()
        self.dim, self.in_channels, self.out_channels = dim, in_channels, out_channels
        self.answer = nn.Parameter(torch.full((out_channels,), float(answer)))
        self.arguments = {}
        self.built = 0

    def patterns(self, points, edges, tags):
        self.built += 1
        return {"self": Csr.of_pairs(torch.arange(len(points)), torch.arange(len(points)), rows=len(points))}

    def forward(self, values, graph):
        self.asked, self.graph = values.detach().clone(), graph
        return self.answer.expand(len(values), -1)


def channel(k: int) -> MeshSample:
    """A wave that moves over a rectangle; one place a group."""
    rng = np.random.default_rng(k)
    mesh = MeshTri.init_tensor(np.linspace(0, 1 + 0.3 * rng.random(), 5 + k % 3), np.linspace(0, 1, 5))
    p, speed = mesh.p.T.copy(), float(rng.uniform(0.5, 1.5))
    times = 0.1 * np.arange(FRAMES)
    u = np.stack([np.stack([np.sin(3 * p[:, 0] - speed * t), np.cos(2 * p[:, 1] + t)], axis=1) for t in times])
    left = p[:, 0] == 0
    u[:, left] = [speed, 0.0]
    return MeshSample(
        p,
        {"triangle": mesh.t.T.astype(np.int64)},
        {"velocity": u, "pressure": u[..., 0] ** 2 + 5},
        tags={"left": left, "right": p[:, 0] >= p[:, 0].max()},
        parameters={"speed": speed},
        times=times,
        units={"velocity": "m/s", "points": "m"},
        group=str(k),
    )


@pytest.fixture(scope="module")
def data():
    return Meshes([channel(k) for k in range(8)])


def made(data, model=None, **changes):
    told = STEP | changes
    n_in, n_out = MeshMap.channels(
        data, **{k: v for k, v in told.items() if k in ("input", "target", "tags", "parameters", "coordinates")}
    )
    model = model or Said(in_channels=n_in, out_channels=n_out)
    task = MeshMap(model, **told).double()
    task.prepare(data)
    return task


def test_channels_are_fields_tags_places_parameters(data):
    task = made(data, parameters="speed", coordinates=["centred", "distance:left"])
    sample = data[0]
    window = task.gather(data)[0]
    batch = task.collate([window])
    assert batch.values.shape == (len(sample), 2 + 2 + 2 + 1 + 1)
    np.testing.assert_allclose(batch.values[:, :2], sample.fields["velocity"][0])
    np.testing.assert_array_equal(batch.values[:, 2], sample.tags["left"])
    mass = batch.mass.numpy()
    assert mass.sum() == pytest.approx(np.prod(np.ptp(sample.points, axis=0)))
    np.testing.assert_allclose(mass @ batch.values[:, 4:6].numpy(), 0, atol=1e-12)
    np.testing.assert_allclose(batch.values[:, 6], sample.points[:, 0], atol=1e-12)
    np.testing.assert_allclose(batch.values[:, 7], sample.parameters["speed"])
    np.testing.assert_allclose(batch.target[:, 2], sample.fields["pressure"][1])
    assert float(batch.parameters) == pytest.approx(sample.parameters["speed"])
    assert MeshMap.channels(data, **STEP) == (4, 3)


def test_normalised_inputs_and_increments_have_unit_moments(data):
    task = made(data, parameters="speed", coordinates="points")
    windows = task.gather(data)
    asked, rest = [], []
    for k in range(len(windows)):
        batch = task.collate([windows[k]])
        task.step(batch.values, batch.graph)
        asked.append(task.model.asked)
        rest.append((batch.target - task.increments.base(batch.values, 3) - task.target_mean) / task.target_scale)
    for found in (torch.cat(asked)[:, [0, 1, 4, 5, 6]], torch.cat(rest)):
        torch.testing.assert_close(found.mean(dim=0), torch.zeros(found.shape[1]).double(), atol=1e-10, rtol=0)
        torch.testing.assert_close(found.std(dim=0, correction=0), torch.ones(found.shape[1]).double())
    assert set(torch.cat(asked)[:, 2].tolist()) == {0.0, 1.0}
    weighted = made(data, weighting="mass")
    assert not torch.allclose(weighted.value_mean, task.value_mean[:4])


def test_orders_zero_one_and_two(data):
    sample = data[0]
    u = sample.fields["velocity"]
    still = made(data, Said(answer=0.0))
    still.target_mean.zero_()
    said = still.predict(sample)
    np.testing.assert_allclose(said.fields["velocity"], u[0])  # no increment
    np.testing.assert_allclose(said.fields["pressure"], 0)  # the value itself
    line = made(
        data, Said(in_channels=4, out_channels=2), input="velocity[t-1:t+1]", target="velocity[t+1]", tags=(), order=2
    )
    line.target_mean.zero_()
    np.testing.assert_allclose(line.predict(sample).fields["velocity"], 2 * u[1] - u[0])
    straight = made(data, Said(answer=1.0), order={"velocity": 0})
    velocity = straight.predict(sample).fields["velocity"]
    np.testing.assert_allclose(
        velocity, np.broadcast_to((straight.target_mean + straight.target_scale)[:2], u[0].shape)
    )
    with pytest.raises(DomainError, match=r"velocity\[t-1\]"):
        made(data, order=2).step(torch.zeros(1, 4), None)
    with pytest.raises(DomainError, match="order names"):
        made(data, order={"heat": 1})


def test_prescribed_nodes_do_not_count_and_are_known(data):
    task = made(data, prescribed={"velocity": ["left"]})
    window = task.gather(data)[0]
    batch = task.collate([window])
    left = torch.from_numpy(data[0].tags["left"])
    assert torch.equal(batch.counted[:, 0], ~left)
    assert bool(batch.counted[:, 2].all())
    loss = task.loss(batch, task.default_weights)[0]
    spoilt = replace(batch, target=torch.where(batch.counted, batch.target, 1e3))
    assert task.loss(spoilt, task.default_weights)[0] == loss
    said = task.predict(data[0])
    np.testing.assert_allclose(said.fields["velocity"][left], data[0].fields["velocity"][1][left])
    one = made(data, prescribed={"velocity": {"left": [1]}})
    assert one.collate([window]).counted.sum(dim=0).tolist() == [len(data[0]), int((~left).sum()), len(data[0])]
    last = replace(task.gather(data)[FRAMES - 2], t=FRAMES - 1)  # beyond the data's end the wall stays
    known = task.prescribed.values(last, task.target_layout)
    np.testing.assert_allclose(known[left, :2], data[0].fields["velocity"][-1][left])
    with pytest.raises(DomainError, match="component 2 of velocity"):
        made(data, prescribed={"velocity": {"left": [2]}})


def test_one_shot_maps_of_steady_problems(data):
    steady = Meshes([replace(s, fields={"stress": s.fields["velocity"][0]}, times=None) for s in data])
    told = {"input": (), "target": "stress", "coordinates": True, "parameters": "speed"}
    task = MeshMap(Said(in_channels=3, out_channels=2), **told, prescribed={"stress": "left"}).double()
    task.prepare(steady)
    assert not task.relative
    said = task.predict(steady)
    assert len(said) == len(steady)
    np.testing.assert_allclose(said[1].fields["stress"][0], steady[1].fields["stress"][0])
    bare = replace(steady[0], fields={})
    with pytest.raises(DomainError, match="no field 'stress', whose values on left are prescribed"):
        task.predict(bare)
    given = replace(bare, fields={"stress": np.where(bare.tags["left"][:, None], [7.0, 7.0], np.nan)})
    assert (task.predict(given).fields["stress"][bare.tags["left"]] == 7).all()
    with pytest.raises(DomainError, match="no rollout"):
        task.advance(torch.zeros(1, 3), torch.zeros(1, 2))


def test_noise_is_on_free_nodes_of_dynamic_inputs_while_the_truth_stays(data):
    torch.manual_seed(0)
    task = made(data, prescribed={"velocity": ["left"]}, noise={"velocity": 0.3}, parameters="speed")
    windows = task.gather(data)
    batch = task.collate([windows[k] for k in range(len(windows))])
    scale = task.value_scale
    task.eval().loss(batch, {})
    clean = task.model.asked * scale
    task.train().loss(batch, {})
    noise = task.model.asked * scale - clean
    free = batch.counted[:, 0]
    assert float(noise[~free].abs().max()) < 1e-12
    assert float(noise[:, 2:].abs().max()) < 1e-12
    assert noise[free, :2].std().item() == pytest.approx(0.3, rel=0.05)
    # an exact network corrects: prediction = noised state + its increment, compared with the true next state
    exact = batch.target[:, :2] - (task.model.asked * scale + task.value_mean)[:, :2]
    corrected = task.model.asked[:, :2] * scale[:2] + task.value_mean[:2] + exact
    torch.testing.assert_close(corrected, batch.target[:, :2])
    share = made(data, noise=0.5)
    walk = next(share._walks())
    rises = [s.fields["velocity"][1:] - s.fields["velocity"][:-1] for s in data]
    change = np.sqrt(np.mean(np.square(np.concatenate([r.reshape(-1, 2) for r in rises])), axis=0))
    np.testing.assert_allclose(walk.scale, 0.5 * change)
    share.fade_noise(type("State", (), {"fraction": 0.5}))
    assert share.noise_level == pytest.approx(10)
    with pytest.raises(DomainError, match="noise"):
        made(data, noise={"pressure": 0.1})


def test_noise_walks_along_a_history(data):
    torch.manual_seed(0)
    task = made(
        data, Said(in_channels=6, out_channels=2), input="velocity[t-2:t+1]", target="velocity[t+1]", tags=(), noise=1.0
    )
    windows = task.gather(data)
    batch = task.collate([windows[k] for k in range(len(windows))])
    task.train().loss(batch, {})
    noise = (task.model.asked * task.value_scale + task.value_mean - batch.values).reshape(-1, 3, 2)
    std = noise.std(dim=0) / task.change
    torch.testing.assert_close(
        std, torch.tensor([1 / 3, 2 / 3, 1.0]).sqrt()[:, None].expand(3, 2).double(), rtol=0.1, atol=0
    )
    assert torch.corrcoef(noise[:, :, 0].T)[0, 1] > 0.5


def test_patterns_are_made_once_and_joined(data):
    task = made(data)
    task.model.built = 0
    windows = task.gather(data)
    batch = task.collate([windows[0], windows[FRAMES - 1], windows[0]])
    task.collate([windows[1]])
    assert task.model.built == 0  # known from preparation
    assert len(batch.graph.patterns["self"]) == 2 * len(data[0]) + len(data[1])
    assert batch.graph.offsets.tolist() == np.cumsum([0, len(data[0]), len(data[1]), len(data[0])]).tolist()
    assert int(batch.graph.edges.senders.max()) < len(batch.values)


def test_weights_of_meshes_and_nodes_in_the_loss(data):
    task = made(data, Said(answer=0.3), weighting="mass")
    windows = task.gather(data)
    one, two = task.collate([windows[0]]), task.collate([windows[FRAMES]])
    both = task.collate([windows[0], windows[FRAMES]])
    each = [task.loss(b, {"velocity": 1.0})[0] for b in (one, two)]
    torch.testing.assert_close(task.loss(both, {"velocity": 1.0})[0], sum(each) / 2)
    error = (task.step(one.values, one.graph) - one.target) / task.target_scale
    expected = (one.mass[:, None] * error[:, :2].square()).sum() / one.mass.sum() / 2
    torch.testing.assert_close(each[0], expected)


def test_other_meshes_are_refused(data):
    task = made(data, parameters="speed")
    sample = data[3]
    for spoilt, said in (
        (replace(sample, tags=sample.tags | {"crack": sample.tags["left"]}), "the tag 'crack', which no training mesh"),
        (replace(sample, tags={"left": sample.tags["left"]}), "lacks the tag 'right'"),
        (replace(sample, units={"velocity": "mm/s"}), "velocity in 'mm/s'; the training data have it in 'm/s'"),
        (replace(sample, parameters={}), "no parameter 'speed'"),
        (replace(sample, fields={"pressure": sample.fields["pressure"]}), "no field 'velocity'"),
        (replace(sample, points=np.pad(sample.points, ((0, 0), (0, 1)))), "points in 3 dimensions"),
        (replace(sample, fields=sample.fields | {"velocity": sample.fields["velocity"] * np.nan}), "not finite"),
        (replace(sample, fields=sample.fields | {"velocity": sample.fields["pressure"]}), "components"),
    ):
        with pytest.raises(DomainError, match=said.replace("(", r"\(")):
            task.predict(spoilt)
    harmless = replace(sample, tags=sample.tags | {"empty": np.zeros(len(sample), dtype=bool)})
    assert task.predict(harmless).fields["velocity"].shape == (len(sample), 2)
    loose = np.vstack([sample.points, [[9.0, 9.0]]])
    grown = {n: np.concatenate([v, v[:, :1]], axis=1) for n, v in sample.fields.items()}
    alone = replace(sample, points=loose, fields=grown, tags={n: np.append(v, False) for n, v in sample.tags.items()})
    with pytest.raises(DomainError, match="belong"):
        task.predict(alone)


def test_bad_tasks_are_refused(data):
    with pytest.raises(DomainError, match="make the model with 4"):
        made(data, Said(in_channels=5))
    with pytest.raises(DomainError, match="no mesh has the tag 'lid'"):
        made(data, tags=["left", "lid"])
    with pytest.raises(DomainError, match="coordinates='polar'"):
        made(data, coordinates="polar")
    with pytest.raises(DomainError, match="weighting"):
        made(data, weighting="cells")
    with pytest.raises(DomainError, match="prescribed names 'heat'"):
        made(data, prescribed={"heat": ["left"]})
    with pytest.raises(DomainError, match="no network on meshes"):
        MeshMap(nn.Linear(2, 2), target="velocity")
    with pytest.raises(DomainError, match="no displacement field"):
        made(data, moving="pressure")
    with pytest.raises(DomainError, match="seen no data"):
        MeshMap(Said(), **STEP).predict(data)
    with pytest.raises(DomainError, match="at least one"):
        made(data).predict([])


def test_moving_meshes_have_their_patterns_made_of_where_they_are(data):
    class Near(Said):
        def moving_patterns(self, points, moved, edges):
            self.moved = moved
            here = np.flatnonzero(moved[:, 0] > 0)
            return {"near": Csr.of_pairs(torch.from_numpy(here), torch.from_numpy(here), rows=len(points))}

    task = made(data, Near(), moving="velocity")
    batch = task.collate([task.gather(data)[0], task.gather(data)[FRAMES]])
    task.step(batch.values, batch.graph)
    graph = task.model.graph
    torch.testing.assert_close(graph.moved, batch.graph.points + batch.values[:, :2])
    assert torch.equal(torch.bincount(graph.patterns["near"].senders, minlength=len(graph)) > 0, graph.moved[:, 0] > 0)


def test_trained_saved_loaded_and_trained_on(data, tmp_path):
    torch.manual_seed(0)
    train, test = data[:5], data[5:]
    network = Smoothing(dim=2, in_channels=5, out_channels=3, width=16)
    task = MeshMap(network, **STEP, parameters="speed", prescribed={"velocity": ["left"]}, noise=0.1)
    plan = Plan(steps=80, batch_size=5, lr=0.03, validations=4)
    fitted = fit(task, train, test, plan=plan, seed=1)
    scores = fitted.evaluate(test)
    assert scores.samples == 3 * (FRAMES - 1)
    assert scores.relative_l2 < 0.5 * scores.relative_l2_trivial
    fitted.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors", trust=["surrogates.testing.mesh_saboteurs"])
    one, two = fitted.predict(test), again.predict(test)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.fields["velocity"], b.fields["velocity"])
    assert again.task.facts == task.facts
    assert again.task.card()["units"] == {"points": "m", "velocity": "m/s"}
    with pytest.raises(DomainError, match="crack"):
        again.predict(replace(test[0], tags=test[0].tags | {"crack": test[0].tags["left"]}))
    means = again.task.value_mean.clone()
    further = fit(again, train, plan=Plan(steps=2, batch_size=2), start=FineTune(), seed=0)
    torch.testing.assert_close(further.task.value_mean, means, rtol=0, atol=0)
    again_same = fit(
        MeshMap(Smoothing(dim=2, in_channels=4, out_channels=3), **STEP), train, plan=Plan(steps=2), seed=0
    )
    assert again_same.train_rows.shape[0] == 5
