"""Plates with a hole: clamped, loaded and tagged as told; the same whoever makes them; continued after a kill."""

import numpy as np
import pytest

from surrogates.datasets import Meshes, MeshSample
from surrogates.datasets.generators import plate
from surrogates.datasets.generators.plate import plate_designs
from surrogates.physics.errors import DomainError, FileError

FEW = {"samples": 18, "seed": 4, "size": 0.2}


@pytest.fixture(scope="module")
def alone():
    return plate(**FEW)


def boundary_integral(sample: MeshSample, tag: str, values: np.ndarray) -> np.ndarray:
    """Of values (n, ...) over the sides (corner, middle, corner) whose nodes all have a tag: Simpson's rule."""
    cells = sample.cells["triangle6"]
    sides = np.concatenate([cells[:, [0, 3, 1]], cells[:, [1, 4, 2]], cells[:, [2, 5, 0]]])
    sides = sides[sample.tags[tag][sides].all(1)]
    length = np.linalg.norm(sample.points[sides[:, 2]] - sample.points[sides[:, 0]], axis=1)
    return np.einsum("e,ek...,k->...", length, values[sides], np.array([1, 4, 1]) / 6)


def test_designs_are_drawn_clamped_and_tagged(alone):
    assert alone.names == ("displacement", "stress", "von_mises")
    assert alone.parameter_names == ("young", "poisson", "tension", "transverse", "shear")
    assert set(alone.tags) == {"left", "right", "bottom", "top", "hole"}
    assert alone.units["stress"] == "MPa"
    assert 0 < alone.provenance["residual"] < 1e-9
    assert len({s.group for s in alone}) == len(set(alone.row_hashes())) == 18
    poisson = alone.parameter("poisson")
    assert poisson.min() > 0.2
    assert poisson.max() < 0.45
    for sample, design in zip(alone, plate_designs(alone.provenance["settings"], range(18)), strict=True):
        assert not sample.fields["displacement"][sample.tags["left"]].any()
        (hole,) = design.plate.holes
        np.testing.assert_allclose(hole.level(sample.points[sample.tags["hole"]]), 1.0, atol=1e-12)
        x, y = sample.points.T
        for tag, on in (("left", x == 0), ("right", x == 2), ("bottom", y == 0), ("top", y == 1)):
            assert np.array_equal(sample.tags[tag], on)
        assert sample.unused.size == 0
        # corners counter-clockwise, the middles of straight sides in VTK's order
        cells, p = sample.cells["triangle6"], sample.points
        a, b = p[cells[:, 1]] - p[cells[:, 0]], p[cells[:, 2]] - p[cells[:, 0]]
        assert (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).min() > 0
        inner = ~sample.tags["hole"][cells[:, 3:]]
        ends = (p[cells[:, :3]] + p[np.roll(cells[:, :3], -1, axis=1)]) / 2
        np.testing.assert_allclose(p[cells[:, 3:]][inner], ends[inner], atol=1e-12)


def test_the_clamp_bears_the_load(alone):
    for sample in alone[:4]:
        xx, _, xy = boundary_integral(sample, "left", sample.fields["stress"])
        assert xx == pytest.approx(sample.parameters["tension"], rel=0.06)  # projected stress on coarse triangles
        assert xy == pytest.approx(sample.parameters["shear"], abs=4)
        s, hole = sample.fields["stress"], sample.tags["hole"]
        mises = np.sqrt(s[:, 0] ** 2 - s[:, 0] * s[:, 1] + s[:, 1] ** 2 + 3 * s[:, 2] ** 2)
        np.testing.assert_allclose(sample.fields["von_mises"], mises, rtol=1e-12)
        assert hole[mises.argmax()]


def test_finer_meshes_are_of_the_same_designs(alone):
    finer = plate(samples=3, seed=4, size=0.12)
    for a, b in zip(alone, finer, strict=False):
        assert (a.parameters, a.group) == (b.parameters, b.group)
        assert len(b) > 1.5 * len(a)
        corner = [np.abs(s.points - [2, 1]).sum(1).argmin() for s in (a, b)]
        ua, ub = (s.fields["displacement"][k] for s, k in zip((a, b), corner, strict=True))
        np.testing.assert_allclose(ua, ub, rtol=5e-3, atol=5e-3 * np.abs(ub).max())


def test_a_stiff_set_is_scaled():
    one, two = (plate(samples=1, seed=1, size=0.25, young=e, poisson=0.3) for e in (70e3, 140e3))
    np.testing.assert_allclose(one[0].fields["displacement"], 2 * two[0].fields["displacement"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one[0].fields["stress"], two[0].fields["stress"], rtol=1e-8, atol=1e-6)


def test_kept_on_disk_and_continued(alone, tmp_path):
    made = plate(**FEW, directory=tmp_path)
    assert made.hash == Meshes.open(tmp_path).hash == alone.hash
    assert made.provenance == alone.provenance
    blocks = sorted(tmp_path.glob("block-*.h5"))
    assert len(blocks) == 2
    kept = blocks[1].stat().st_mtime_ns
    blocks[0].write_bytes(blocks[0].read_bytes()[:-50])
    told = []
    assert plate(**FEW, directory=tmp_path, progress=lambda n, total: told.append((n, total))).hash == alone.hash
    assert told == [(18, 18)]
    assert blocks[1].stat().st_mtime_ns == kept
    with pytest.raises(FileError, match="other settings"):
        plate(**(FEW | {"seed": 5}), directory=tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(FileError, match="no generator has listed"):
        plate(**FEW, directory=tmp_path)


@pytest.mark.slow
def test_processes_make_the_same_data(alone):
    told = []
    shared = plate(**FEW, workers=2, progress=lambda n, total: told.append((n, total)))
    assert shared.hash == alone.hash
    assert told[-1] == (18, 18)


@pytest.mark.parametrize(
    "given",
    [{"poisson": 0.5}, {"young": (-1, 2)}, {"size": 0.4}, {"samples": 0}, {"workers": 0}, {"shear": (2.0, 1.0)}],
)
def test_bad_numbers_are_told(given):
    with pytest.raises(DomainError, match=r"give|ask|exceed"):
        plate(**(FEW | given))
