"""Training on panels: learns, predicts more stiffeners than it has seen, calibrates, is saved and loaded."""

import warnings

import numpy as np
import pytest
import torch

from surrogates.datasets import MeshSample
from surrogates.datasets.generators import panels
from surrogates.meshes.plate_graph import PlateGraphNet
from surrogates.meshes.vertex_graph import VertexGraphNet
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import Resolution
from surrogates.tasks.plate_stress import PlateStress
from surrogates.training import Plan, fit
from surrogates.training.checkpoint import load
from surrogates.uncertainty import UnlikeTraining
from surrogates.uncertainty.panel_ensemble import PanelEnsemble

COARSE = Resolution(6, 3, 3, 2)
PLAN = Plan(steps=250, batch_size=8, lr=5e-3)


@pytest.fixture(scope="module")
def data():
    return panels(64, (1, 2), seed=0, resolution=COARSE).split(24, 40, seed=0)


@pytest.fixture(scope="module")
def fitted(data):
    torch.manual_seed(0)
    model = PlateGraphNet(width=16, depth=5, grid=(8, 6), hidden=32, mirrors=("y",))
    return fit(PlateStress(model), data[0], plan=PLAN, seed=0)


def test_generator_is_repeatable_and_grows():
    """Sample k is the same design in a larger set; stresses of a finer mesh are near by."""
    few, more = panels(2, 2, seed=3, resolution=COARSE), panels(5, 2, seed=3, resolution=COARSE)
    assert few.row_hashes() == more.row_hashes()[:2]
    fine = panels(2, 2, seed=3)
    peaks = [[s.fields["von_mises"].max() for s in d] for d in (few, fine)]
    np.testing.assert_allclose(*peaks, rtol=0.08)
    sample = more[0]
    assert sample.fields["von_mises"].max() == sample.cell_fields["von_mises"]["quad"].max()
    assert sum(v["quad"].sum() for v in sample.cell_tags.values()) == len(sample.cells["quad"])


def test_generator_refuses_what_has_no_solution():
    for settings, told in (
        ({"stiffeners": (3, 2)}, "fewest <= most"),
        ({"spacing": -1.0}, "spacing from -1"),
        ({"supports": {"x0": "glued"}}, "supports clamped, simply"),
        ({"supports": dict.fromkeys(("x0", "x1", "y0", "y1"), "free")}, "no edge holds"),
    ):
        with pytest.raises(DomainError, match=told):
            panels(1, **settings)


def test_it_learns_and_scores(fitted, data):
    scores = fitted.evaluate(data[1])
    assert scores.relative_l2 < 0.5 * scores.relative_l2_trivial
    assert scores.peak_error < 0.7 * scores.peak_error_trivial
    assert scores.rank_correlation > 0.8
    exact = fitted.members[0].evaluate(data[1], predict=lambda chunk: [_truth(s) for s in chunk])
    assert (exact.relative_l2, exact.peak_error, exact.rank_correlation) == (0, 0, pytest.approx(1))


def _truth(sample: MeshSample):
    from surrogates.datasets import MeshPrediction

    known = sample.fields["von_mises"]
    return MeshPrediction(sample, {"von_mises": known}, None, {"peak_von_mises": (float(known.max()), None)})


def test_more_stiffeners_than_in_training(fitted, tmp_path):
    """Panels of four stiffeners after training on one and two: better than the trivial prediction, and written."""
    far = panels(6, 4, seed=5, resolution=COARSE)
    scores = fitted.evaluate(far)
    assert scores.relative_l2 < 0.7 * scores.relative_l2_trivial
    said = fitted.predict(far[0])
    assert said.fields["von_mises"].shape == (len(far[0]),)
    assert said.quantities["peak_von_mises"] == (said.fields["von_mises"].max(), None)
    assert said.write(tmp_path / "panel.vtu").exists()


def test_bands_of_field_and_peak(fitted, data, tmp_path):
    """Calibrated on 30 panels: the bands cover those they were calibrated on, are wide where errors are large, come
    back from a file to the bit, and panels of other kinds are told."""
    calibrated = fitted.calibrate(data[1])
    scores = calibrated.evaluate(data[1])
    for name in ("von_mises", "peak_von_mises"):
        assert 0.82 < scores.coverage[name].coverage <= 1
    assert scores.coverage["von_mises"].rank_correlation > 0.2
    said = calibrated.predict(data[1][0], spread=True)
    again = load(calibrated.save(tmp_path / "panels.safetensors")).predict(data[1][0], spread=True)
    np.testing.assert_array_equal(said.std["von_mises"], again.std["von_mises"])
    assert said.quantities == again.quantities
    assert said.quantities["peak_von_mises"][1] > 0
    with pytest.warns(UnlikeTraining, match="unlike the training data"):
        calibrated.predict(panels(1, 6, seed=6, resolution=COARSE), spread=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnlikeTraining)
        calibrated.predict(data[0][0], spread=True)


def test_vertex_graphs_train_too(data):
    torch.manual_seed(0)
    task = PlateStress(VertexGraphNet(width=8, depth=3, hidden=16))
    start = task.loss(_prepared(task, data[0]), task.default_weights)[0]
    found = fit(task, data[0], plan=Plan(steps=25, batch_size=4, lr=1e-2), seed=0)
    end = found.members[0].loss(_prepared(found.members[0], data[0]), task.default_weights)[0]
    assert end.item() < 0.5 * start.item()


def _prepared(task, data):
    graphs = task.gather(data)
    if not task.trained:
        task.prepare(graphs)
    return task.collate([graphs[k] for k in range(8)])


def test_ensembles(fitted, data):
    """The mean of members, and their scatter."""
    one = fitted.members[0]
    pair = PanelEnsemble([one, one])
    said = pair.predict(data[1][0], spread=True)
    np.testing.assert_allclose(said.fields["von_mises"], one.predict(data[1][0]).fields["von_mises"])
    assert said.std["von_mises"].max() == 0
    with pytest.raises(DomainError, match="no scatter"):
        PanelEnsemble([one]).predict(data[1], spread=True)


def test_bad_input_is_named(fitted, data):
    with pytest.raises(DomainError, match="no network on graphs of panels"):
        PlateStress(torch.nn.Linear(2, 2))
    with pytest.raises(DomainError, match="has seen no data"):
        PlateStress(PlateGraphNet()).predict(data[0])
    with pytest.raises(DomainError, match="panel 0: the mesh has no cell field 'stress'"):
        fit(PlateStress(PlateGraphNet(), field="stress"), data[0], plan=PLAN)
    with pytest.raises(DomainError, match="give at least one"):
        fitted.predict([])
