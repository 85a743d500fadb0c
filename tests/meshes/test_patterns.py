"""Who attends to whom, against dense powers of the adjacency matrix and breadth-first search."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from meshgraphs import of_pairs, triangulated
from scipy.sparse.csgraph import shortest_path

from surrogates.datasets.batch import Csr
from surrogates.meshes.patterns import (
    AttentionPattern,
    all_with,
    farthest,
    global_nodes,
    hops,
    jumps,
    nearby_order,
    renumbered,
    rings,
)
from surrogates.meshes.spectral import laplacian_vectors, walk_returns
from surrogates.physics.errors import DomainError


def dense(pattern: Csr) -> np.ndarray:
    matrix = np.zeros((pattern.rows, pattern.columns), dtype=bool)
    matrix[pattern.receivers.numpy(), pattern.senders.numpy()] = True
    assert matrix.sum() == len(pattern)  # no entry twice
    return matrix


def distances(edges: Csr) -> np.ndarray:
    return shortest_path(sp.csr_matrix(dense(edges)), unweighted=True)


@pytest.mark.parametrize("block", [8192, 7])
def test_hops_and_rings_are_those_of_breadth_first_search(block, monkeypatch):
    monkeypatch.setattr("surrogates.meshes.patterns._BLOCK", block)
    _, edges = triangulated(60)
    away = distances(edges)
    for count in (0, 1, 3):
        assert np.array_equal(dense(hops(edges, count)), away <= count)
    assert np.array_equal(dense(hops(edges, 2, loops=False)), (away <= 2) & (away > 0))
    assert np.array_equal(dense(rings(edges, [1, 4])), (away == 1) | (away == 4))
    assert len(rings(edges, [100])) == 0


def test_rings_are_thinned_row_by_row():
    _, edges = triangulated(80)
    away, some = distances(edges), dense(rings(edges, [2, 4], per_ring=3, seed=5))
    for distance in (2, 4):
        there = away == distance
        assert np.array_equal((some & there).sum(1), np.minimum(there.sum(1), 3))
    assert not (some & (away != 2) & (away != 4)).any()
    assert np.array_equal(some, dense(rings(edges, [2, 4], per_ring=3, seed=5)))


def test_windows_differ_from_head_to_head_and_layer_to_layer():
    points, edges = triangulated(60)
    pattern = AttentionPattern(strides=(1, 2, 3), rings=3)
    found, away = pattern(points, edges, {}), distances(edges)
    for stride in (1, 2, 3):
        wanted = np.isin(away, [0, 1, 1 + stride, 1 + 2 * stride])
        assert np.array_equal(dense(found[f"attention {stride}"]), wanted)
    assert [pattern.name(head, 0) for head in range(4)] == [f"attention {s}" for s in (1, 2, 3, 1)]
    assert [pattern.name(0, layer) for layer in range(3)] == [f"attention {s}" for s in (1, 2, 3)]


def test_random_jumps_mix_with_equal_degrees():
    pattern = dense(jumps(500, 3, seed=1))
    assert np.array_equal(pattern, pattern.T)
    assert np.abs(pattern.sum(1) - 6).max() <= 2  # a few coincide
    assert shortest_path(sp.csr_matrix(pattern), unweighted=True).max() <= 7  # expanders have logarithmic diameter


def test_global_nodes_attend_to_all():
    points, edges = triangulated(60)
    wall = points[:, 0] < 0.1
    for chosen in ("farthest", "random", "tag:wall"):
        found = dense(AttentionPattern(globals=3, chosen=chosen)(points, edges, {"wall": wall})["attention"])
        every = np.flatnonzero(found.all(1))
        assert np.array_equal(every, np.flatnonzero(found.all(0)))
        assert len(every) == 3
        assert np.array_equal(found | dense(all_with(every, len(points))), found)
        assert chosen != "tag:wall" or wall[every].all()
    assert len(global_nodes(points, {"wall": wall}, 1000, "tag:wall")) == wall.sum()  # there are no more
    with pytest.raises(DomainError, match="no node of the mesh has it"):
        AttentionPattern(globals=3, chosen="tag:hole")(points, edges, {"wall": wall})


def test_farthest_points_cover_a_line():
    assert sorted(farthest(np.linspace(0, 1, 101)[:, None], 5)) == [0, 25, 50, 75, 100]
    assert len(farthest(np.zeros((3, 2)), 3)) == 3  # points that coincide


def test_reordering_brings_neighbours_together():
    edges = triangulated(400)[1]
    edges = renumbered(edges, np.random.default_rng(0).permutation(edges.rows))
    order = nearby_order(edges)
    assert np.array_equal(np.sort(order), np.arange(edges.rows))
    near = renumbered(edges, order)
    assert np.array_equal(dense(near), dense(edges)[np.ix_(order, order)])
    width = [int((p.receivers - p.senders).abs().max()) for p in (near, edges)]
    assert width[0] < 0.3 * width[1]


def test_walks_and_eigenvectors_are_those_of_dense_matrices(monkeypatch):
    monkeypatch.setattr("surrogates.meshes.spectral._BLOCK", 7)
    _, edges = triangulated(300)
    matrix = dense(edges).astype(float)
    walk = matrix / matrix.sum(1, keepdims=True)
    powers = [np.linalg.matrix_power(walk, k).diagonal() for k in range(1, 8)]
    np.testing.assert_allclose(walk_returns(edges, 7), np.stack(powers, axis=1), rtol=1e-12, atol=1e-15)
    scale = np.sqrt(matrix.sum(1))
    laplacian = np.eye(len(matrix)) - matrix / scale / scale[:, None]
    found, values = laplacian_vectors(edges, 5), np.linalg.eigvalsh(laplacian)
    np.testing.assert_allclose(laplacian @ found, found * values[1:6], atol=1e-9)
    np.testing.assert_allclose(found.T @ found / len(found), np.eye(5), atol=1e-9)


def test_nodes_without_neighbours_and_meshes_of_few_nodes():
    edges = of_pairs([(0, 1)], 3)
    np.testing.assert_allclose(walk_returns(edges, 2), [[0, 1], [0, 1], [0, 0]])
    assert np.isfinite(laplacian_vectors(edges, 8)).all()
    assert np.array_equal(dense(AttentionPattern(hops=3)(np.zeros((3, 2)), edges, {})["attention"])[2], [0, 0, 1])


@pytest.mark.parametrize(
    "given",
    [{"hops": -1}, {"hops": 1.5}, {"strides": [0]}, {"chosen": "wall"}, {"hop": 1}, {"hops": 0, "loops": False}, 3],
)
def test_what_makes_no_sense_is_refused(given):
    with pytest.raises(DomainError, match=r"attention pattern|write 'farthest'|mapping of"):
        AttentionPattern.of(given)


def test_patterns_are_plain():
    pattern = AttentionPattern(hops=2, strides=[1, 2], globals=4, chosen="tag:wall")
    assert AttentionPattern.of(pattern.plain()) == pattern
    assert torch.is_tensor(hops(triangulated(10)[1], 1).senders)
