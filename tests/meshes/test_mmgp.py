"""MMGP as a whole, on analytic fields over plates with a hole: error, band, remeshing, motions, file, refusals."""

from dataclasses import replace

import numpy as np
import pytest

from surrogates.datasets import Meshes
from surrogates.datasets.adapters.scikit_fem import from_skfem
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.meshes.band import NORMAL, calibrated
from surrogates.meshes.mmgp import MMGP
from surrogates.meshes.shape_functions import oriented
from surrogates.physics.errors import DomainError, FileError, TrainingError
from surrogates.physics.meshes import Ellipse, Plate, quadratic, triangulate
from surrogates.training import info, load

TURN = np.array([[np.cos(0.8), -np.sin(0.8)], [np.sin(0.8), np.cos(0.8)]])


def sample(seed, size=0.26):
    """A plate with a hole, a field that peaks around it, and its gradient."""
    draw = np.random.default_rng([seed, 5])
    center, axes = (draw.uniform(0.85, 1.15), draw.uniform(0.45, 0.55)), draw.uniform(0.15, 0.25, 2)
    region, load = Plate(2, 1, (Ellipse(center, tuple(axes), draw.uniform(0, 3)),)), draw.uniform(0.5, 1.5)
    mesh = quadratic(triangulate(region, size, near=0.45 * size), region)
    away = mesh.doflocs.T - center
    level = region.holes[0].level(mesh.doflocs.T)
    field = load * (1 + 2 / level) + 0.3 * away[:, 0] * load**2
    return from_skfem(
        mesh,
        fields={"field": field, "flow": np.stack([field * away[:, 0], field], 1)},
        parameters={"load": load, "young": 2.0},
        units={"load": "N"},
        group=str(seed),
    )


@pytest.fixture(scope="module")
def data():
    return Meshes([sample(k) for k in range(46)])


@pytest.fixture(scope="module")
def model(data):
    return MMGP(["field", "flow"], vectors=["flow"], align=True, restarts=1).fit(data[:36])


@pytest.fixture(scope="module")
def small(data):
    """Fewer shapes, for what does not depend on how good it is."""
    return MMGP(["field", "flow"], vectors=["flow"], align=True, restarts=1).fit(data[:14])


@pytest.mark.slow
def test_it_predicts_new_shapes_and_its_band_holds(data, model):
    assert model.shape_modes == 5  # centre and half axes of a hole
    found = model.evaluate(data[36:]).fields
    assert found["field"].relative_l2 < 0.025 < 0.2 < found["field"].trivial
    assert found["flow"].relative_l2 < 0.06
    assert found["field"].peak_error < 0.05
    for one in found.values():
        assert 0.75 < one.coverage < 0.99
        assert one.rank > 0.3
        assert one.morph <= one.floor < one.relative_l2
    assert 0.3 < model.summary["field"].left_out / found["field"].relative_l2 < 3
    assert "90 % band" in str(model.evaluate(data[36:38]))


@pytest.mark.slow
def test_the_mesh_does_not_matter(data, model):
    """The same design with finer edges: the prediction changes by less than a per cent, at the same nodes."""
    from surrogates.meshes.interpolation import interpolation

    coarse, fine = data[40], sample(40, size=0.17)
    before, after = (model.predict(s).fields["field"] for s in (coarse, fine))
    assert len(fine) > 1.2 * len(coarse)
    carried = interpolation(fine.points, fine.cells, coarse.points) @ after
    assert np.linalg.norm(carried - before) < 0.01 * np.linalg.norm(before)
    order = np.random.default_rng(0).permutation(len(coarse))
    place = np.argsort(order)
    mixed = MeshSample(
        coarse.points[order],
        {"triangle6": place[coarse.cells["triangle6"]]},
        tags={k: v[order] for k, v in coarse.tags.items()},
        parameters=coarse.parameters,
    )
    np.testing.assert_allclose(model.predict(mixed).fields["field"], before[order], atol=1e-8)


def test_rigid_motions_do_not_matter_with_alignment(data, small):
    before = small.predict(data[38])
    turned = small.predict(replace(data[38], points=data[38].points @ TURN.T + [3.0, -2.0]))
    np.testing.assert_allclose(turned.fields["field"], before.fields["field"], atol=1e-7)
    np.testing.assert_allclose(turned.fields["flow"], before.fields["flow"] @ TURN.T, atol=1e-7)
    np.testing.assert_allclose(turned.std["field"], before.std["field"], atol=1e-7)
    assert turned.quantities["peak field"] == pytest.approx(before.quantities["peak field"], rel=1e-7)


def test_a_file_keeps_every_prediction(data, small, tmp_path):
    path = small.save(tmp_path / "plates.safetensors")
    for again in (load(path), MMGP.load(path)):
        before, after = small.predict(data[41]), again.predict(data[41])
        for name in ("field", "flow"):
            np.testing.assert_allclose(after.fields[name], before.fields[name], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(after.std[name], before.std[name], rtol=1e-6)
        assert after.quantities["peak field"] == pytest.approx(before.quantities["peak field"], rel=1e-9)
        assert again.summary == small.summary
    assert "2305.12871" in info(path)
    assert "14 meshes" in info(path)
    with pytest.raises(FileError, match="safetensors"):
        small.save(tmp_path / "plates.bin")
    assert before.write(tmp_path / "plate.vtu").exists()


def test_what_it_was_not_trained_on_is_refused(data, small):
    good = data[42]
    with pytest.raises(DomainError, match="missing: \\['hole'\\]"):
        small.predict(replace(good, tags={k: v for k, v in good.tags.items() if k != "hole"}))
    with pytest.raises(DomainError, match="new: \\['gap'\\]"):
        small.predict(replace(good, parameters={**good.parameters, "gap": 1.0}))
    with pytest.raises(DomainError, match=r"was 2\.0 in all training meshes"):
        small.predict(replace(good, parameters={**good.parameters, "young": 3.0}))
    with pytest.raises(DomainError, match="in kN"):
        small.predict(replace(good, units={"load": "kN"}))
    with pytest.raises(DomainError, match="no field 'field'"):
        small.evaluate([replace(good, fields={})])
    with pytest.raises(DomainError, match="there is no field 'heat'"):
        MMGP(["heat"]).fit(data[:10])
    with pytest.raises(TrainingError, match="give at least"):
        MMGP(["field"]).fit(data[:3])
    with pytest.raises(TrainingError, match="learned nothing"):
        MMGP(["field"]).predict(good)
    with pytest.raises(DomainError, match="tolerance between 0 and 1"):
        MMGP(["field"], modes=0)
    region = Plate(2, 1)
    whole = from_skfem(quadratic(triangulate(region, 0.3), region), fields=dict.fromkeys(("field",)) and {})
    tags = {**whole.tags, "hole": np.zeros(len(whole), dtype=bool)}
    with pytest.raises(DomainError, match="holes do not fit the morph"):
        small.predict(replace(whole, tags=tags, parameters=good.parameters))


def test_discs_by_tutte(data):
    """Meshes without holes on the disc: a field of the shape, from ellipses of different meshes."""
    from scipy.spatial import Delaunay

    def made(seed):
        draw = np.random.default_rng(seed)
        a, b = draw.uniform(0.7, 1.4, 2)
        turn = 2 * np.pi * np.arange(40) / 40
        rings = [
            np.stack([np.cos(turn[::k]), np.sin(turn[::k])], 1) * r for k, r in ((1, 1), (2, 0.75), (2, 0.5), (4, 0.25))
        ]
        points = np.concatenate([*rings, np.zeros((1, 2))])
        inner = np.linalg.norm(points, axis=1) < 0.9
        points = points + 0.04 * inner[:, None] * draw.normal(size=points.shape)
        cells = oriented(points, {"triangle": Delaunay(points).simplices.astype(np.int64)})
        points = points * [a, b]
        return MeshSample(points, cells, {"u": np.exp(points[:, 0]) + b * points[:, 1] ** 2})

    found = MMGP(["u"], morph="tutte", restarts=1).fit(Meshes([made(k) for k in range(24)]))
    scores = found.evaluate([made(k) for k in range(100, 106)]).fields["u"]
    assert scores.relative_l2 < 0.05 < 0.2 < scores.trivial


def test_solids_by_landmarks():
    """Boxes of tetrahedra of different sizes and meshes, their eight corners and middles of edges numbered."""
    from scipy.spatial import Delaunay

    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    marked = np.isin(grid, (0, 0.5, 1)).all(1)
    number = np.where(marked, np.cumsum(marked), 0).astype(float)

    def made(seed):
        draw = np.random.default_rng(seed)
        inner = ((grid > 0) & (grid < 1)).all(1) & ~marked
        points = grid + 0.03 * inner[:, None] * draw.normal(size=grid.shape)
        cells = Delaunay(points + 1e-7 * draw.normal(size=points.shape)).simplices.astype(np.int64)
        corners = points[cells]
        volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
        size = draw.uniform(0.7, 1.4, 3)
        points = points * size
        u = np.sin(points[:, 0]) * size[1] + points[:, 2] ** 2
        return MeshSample(points, {"tetra": cells[volume > 1e-4]}, {"u": u, "place": number})

    found = MMGP(["u"], landmarks="place", restarts=1).fit(Meshes([made(k) for k in range(24)]))
    assert found.shape_modes == 3
    scores = found.evaluate([made(k) for k in range(100, 104)]).fields["u"]
    assert scores.relative_l2 < 0.03 < 0.2 < scores.trivial
    bad = made(5)
    with pytest.raises(DomainError, match="are missing in this mesh"):
        found.predict(replace(bad, fields={"place": np.where(number == 1, 0, number)}))


def test_the_band_finds_its_width_by_part():
    """Errors whose scale follows g where it is large and r elsewhere, with heavy tails: covered in every third."""
    draw = np.random.default_rng(0)
    g, r = draw.uniform(0, 4, 60_000) ** 4, np.full(60_000, 1.0)
    error = np.sqrt(0.25 * g + 2 * r) * draw.standard_t(4, 60_000)
    band = calibrated(error[:30_000], g[:30_000], r[:30_000])
    width = band(g[30_000:], r[30_000:])
    inside = np.abs(error[30_000:]) < NORMAL * width
    thirds = [part.mean() for part in np.array_split(inside[np.argsort(width)], 3)]
    np.testing.assert_allclose(thirds, 0.9, atol=0.015)


@pytest.mark.slow
def test_plates_below_the_bar():
    """Issue's bar: von Mises of 120 training plates below 3.5 %, the band within 0.87 to 0.93 give or take a split."""
    from surrogates.datasets.generators import plate

    train, test = plate(samples=200, seed=0).split(120, 80, seed=0)
    found = MMGP(["von_mises"]).fit(train).evaluate(test).fields["von_mises"]
    assert found.relative_l2 < 0.025
    assert 0.85 < found.coverage < 0.95
    assert all(0.8 < part < 0.97 for part in found.terciles)
