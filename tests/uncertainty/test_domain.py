"""The out-of-data detector: invariant, quiet inside the data, loud outside."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from linear_density import molecules
from scipy.spatial.transform import Rotation

from surrogates.datasets.collate import collate
from surrogates.physics.errors import DomainError
from surrogates.uncertainty import Domain


@pytest.fixture(scope="module")
def domain():
    class Reach:
        r_max = 4.0

    return Domain.fit(Reach(), molecules(300, seed=0), molecules(300, seed=1))


def batch(samples):
    return collate(samples, r_max=4.0, dtype=torch.float64).atoms


def moved(samples, atoms, shift):
    """The same structures with some atoms displaced by `shift` (Å)."""
    found = []
    for sample in samples:
        positions = sample.positions.copy()
        positions[atoms] += shift
        found.append(replace(sample, positions=positions))
    return found


def test_false_alarms_inside_the_data_are_as_rare_as_promised(domain):
    alarms = domain.foreign(batch(molecules(400, seed=2))).double().mean()
    assert alarms <= domain.false_alarms + 3 * (domain.false_alarms / 300) ** 0.5
    assert domain.false_alarms == pytest.approx(0.03)


def test_stretched_torn_and_strange_structures_are_found(domain):
    usual = molecules(60, seed=3)
    assert domain.foreign(batch(moved(usual, [1, 4], [1.2, 0, 0]))).double().mean() > 0.95  # the C-C bond
    assert domain.foreign(batch(moved(usual, [2], [-0.9, 1.3, 0.4]))).double().mean() > 0.8  # a C-H bond
    assert domain.foreign(batch(moved(usual, [2, 3], [60.0, 0, 0]))).all()
    assert domain.foreign(batch(molecules(60, seed=4, spread=0.8))).double().mean() > 0.8
    element = [replace(s, numbers=np.array([6, 8, 1, 1, 1])) for s in usual]
    assert torch.isinf(domain.score(batch(element))).all()


def test_the_score_does_not_see_rotation_translation_or_order(domain):
    samples = molecules(5, seed=5)
    turn, order = Rotation.random(random_state=0).as_matrix(), [4, 2, 0, 3, 1]
    other = [replace(s, positions=(s.positions @ turn.T + 7.0)[order], numbers=s.numbers[order]) for s in samples]
    torch.testing.assert_close(domain.score(batch(other)), domain.score(batch(samples)), rtol=1e-10, atol=1e-12)


def test_longer_edges_and_company_change_nothing(domain):
    samples = molecules(6, seed=6)
    together = domain.score(batch(samples))
    torch.testing.assert_close(domain.score(batch(samples).with_edges(6.0)), together)
    torch.testing.assert_close(torch.cat([domain.score(batch([s])) for s in samples]), together)


def test_state_goes_through_json_and_back(domain):
    tensors, plain = domain.state()
    again = Domain.from_state(tensors, json.loads(json.dumps(plain, allow_nan=False)))
    atoms = batch(molecules(5, seed=7))
    torch.testing.assert_close(again.score(atoms), domain.score(atoms), rtol=0, atol=0)
    assert again.threshold == domain.threshold


def test_few_calibration_structures_promise_less():
    class Reach:
        r_max = 4.0

    few = Domain.fit(Reach(), molecules(100, seed=0), molecules(9, seed=1))
    assert few.false_alarms == pytest.approx(0.1)
    assert np.isfinite(few.threshold)
    with pytest.raises(DomainError, match="at least one each"):
        Domain.fit(Reach(), [], molecules(9, seed=1))
