"""Batches made from samples equal batches made from atoms, and edges are searched once."""

import numpy as np
import pytest
import torch

from surrogates.datasets import Structures
from surrogates.datasets import collate as module
from surrogates.datasets.adapters import from_ase, sample_of
from surrogates.datasets.collate import collate
from surrogates.physics.errors import DomainError


@pytest.fixture
def mixed(frames, crystals):
    return [*frames[:3], *crystals[:2]]


def of(structures) -> Structures:
    return Structures([sample_of(a, row=k, energy=k, forces=a.get_forces()) for k, a in enumerate(structures)])


def edge_set(batch):
    rows = torch.cat([batch.edges.T.double(), batch.shift.double().round(decimals=6)], dim=1) + 0.0
    return sorted(map(tuple, rows.tolist()))


def test_a_batch_has_the_edges_and_labels_of_its_samples(mixed):
    data = of(mixed)
    batch = collate(data, r_max=4.0, dtype=torch.float64)
    direct = from_ase(mixed, dtype=torch.float64).with_edges(4.0)
    assert edge_set(batch.atoms) == edge_set(direct)
    assert batch.atoms.r_max == 4.0
    np.testing.assert_array_equal(batch.labels.forces, np.concatenate([a.get_forces() for a in mixed]))
    assert batch.labels.energy.tolist() == [0, 1, 2, 3, 4]
    assert batch.labels.stress is None
    assert batch.rows.tolist() == [0, 1, 2, 3, 4]


def test_edges_are_searched_once_for_each_cutoff(mixed, monkeypatch):
    data = of(mixed)
    searches = []
    monkeypatch.setattr(module, "neighbor_list", lambda *a: searches.append(a[-1]) or found(*a))
    from surrogates.physics.atoms.neighbors import neighbor_list as found

    part = data[1:4]
    for _ in range(3):
        collate(part, r_max=4.0)
        collate([data[2], data[1]], r_max=4.0, dtype=torch.float64)
    assert searches == [4.0] * 3
    collate(part, r_max=3.0)
    assert searches == [4.0] * 3 + [3.0] * 3


def test_the_cache_is_bounded_and_forgets_with_the_data(mixed, monkeypatch):
    before = module._cached_bytes
    data = of(mixed)
    collate(data, r_max=4.0)
    assert module._cached_bytes > before
    del data
    assert module._cached_bytes == before
    monkeypatch.setattr(module, "CACHE_BYTES", 0)
    data = of(mixed)
    first, second = collate(data, r_max=4.0), collate(data, r_max=4.0)
    assert torch.equal(first.atoms.shift, second.atoms.shift)
    assert module._cached_bytes == before


def test_an_empty_batch_is_an_error():
    with pytest.raises(DomainError, match="at least one structure"):
        collate([], r_max=3.0)
