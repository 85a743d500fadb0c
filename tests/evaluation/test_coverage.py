"""Coverage reports tell a spread from a constant."""

import numpy as np
import pytest
from scipy import stats

from surrogates.evaluation.coverage import coverage, energy_band, force_band, radius, spearman, spread_scores
from surrogates.physics.errors import DomainError


@pytest.fixture
def errors():
    """Norms of errors whose size varies threefold, the true 90 % radius of each, and frames of nine atoms."""
    rng = np.random.default_rng(0)
    size = np.exp(rng.normal(0, 0.6, 4500))
    error = np.linalg.norm(rng.normal(size=(4500, 3)) * size[:, None], axis=1)
    return error, radius(0.9, 3) * size, np.arange(4500) // 9


def test_a_true_band_covers_in_every_tercile_and_is_informative(errors):
    error, width, frame = errors
    found = coverage(error, width, group=frame)
    assert found.coverage == pytest.approx(0.9, abs=3 * found.coverage_error)
    assert all(abs(t - 0.9) < 0.03 for t in found.terciles)
    assert found.rank_correlation == pytest.approx(stats.spearmanr(width, error).statistic, abs=1e-12)
    assert found.informative
    assert "no spread" not in str(found)


def test_a_constant_band_is_no_spread_however_well_it_covers(errors):
    error, width, frame = errors
    flat = np.full_like(width, np.quantile(error, 0.9))
    found = coverage(error, flat, group=frame)
    assert found.coverage == pytest.approx(0.9, abs=1e-3)
    assert not found.informative
    assert "no spread" in str(found)
    shuffled = coverage(error, np.random.default_rng(1).permutation(width), group=frame)
    assert not shuffled.informative


def test_a_missing_label_is_no_miss():
    rng = np.random.default_rng(3)
    arrays = {"sizes": np.ones(6, int), "energy": rng.normal(size=6), "energy_std": np.full(6, 9.0)}
    arrays["energy_reference"] = np.array([0.0, np.nan, 0.0, np.nan, 0.0, 0.0])
    found = spread_scores(arrays).energy
    assert (found.n, found.coverage) == (4, 1.0)
    arrays["energy_reference"][:4] = np.nan
    assert spread_scores(arrays).energy is None


def test_a_narrow_band_is_caught_by_its_coverage(errors):
    error, width, frame = errors
    assert coverage(error, width / 2, group=frame).coverage < 0.6


def test_the_error_of_the_coverage_counts_frames_not_atoms():
    """Nine copies of one error say no more than one of them."""
    rng = np.random.default_rng(2)
    error, width = np.abs(rng.normal(size=400)), np.full(400, 1.6)
    one = coverage(error, width)
    nine = coverage(error.repeat(9), width.repeat(9), group=np.arange(400).repeat(9))
    assert nine.coverage_error == pytest.approx(one.coverage_error, rel=1e-9)
    assert coverage(error.repeat(9), width.repeat(9)).coverage_error < 0.5 * one.coverage_error


def test_bands_and_standard_deviations_are_one_thing():
    assert radius(0.9, 1) == pytest.approx(stats.norm.ppf(0.95))
    assert radius(0.9, 3) == pytest.approx(np.sqrt(stats.chi2.ppf(0.9, 3)))
    rng = np.random.default_rng(3)
    forces, std = rng.normal(size=(20000, 3)), np.ones((20000, 3))
    assert (np.linalg.norm(forces, axis=1) <= force_band(std)).mean() == pytest.approx(0.9, abs=0.01)
    assert (np.abs(forces[:, 0]) <= energy_band(std[:, 0])).mean() == pytest.approx(0.9, abs=0.01)


def test_scores_of_a_prediction():
    rng = np.random.default_rng(4)
    arrays = {
        "sizes": np.full(50, 4),
        "forces": rng.normal(size=(200, 3)),
        "forces_reference": np.zeros((200, 3)),
        "forces_std": np.ones((200, 3)),
        "energy": rng.normal(size=50),
        "energy_reference": np.zeros(50),
        "energy_std": np.ones(50),
    }
    found = spread_scores(arrays)
    assert found.forces.n == 200
    assert found.forces.groups == 50
    assert found.energy.n == 50
    assert spread_scores({"sizes": arrays["sizes"]}).forces is None


def test_ties_share_their_rank_and_constants_have_none():
    x = np.array([1.0, 1, 2, 3])
    assert spearman(x, x**2) == pytest.approx(1.0)
    assert np.isnan(spearman(np.ones(4), x))


def test_lengths_must_agree():
    with pytest.raises(DomainError, match="give as many of each"):
        coverage(np.ones(4), np.ones(3))
