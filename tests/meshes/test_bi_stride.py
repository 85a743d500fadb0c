"""Bi-stride levels on graphs that can be worked out by hand, and what holds on any."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from meshgraphs import graph_of, of_pairs, triangulated
from scipy.sparse.csgraph import connected_components

from surrogates.meshes.bi_stride import BiStrideMeshGraphNet, coarsened, gathered, returned, transition_weights


def path(n):
    return np.stack([np.arange(float(n)), np.zeros(n)], axis=1), of_pairs([(k, k + 1) for k in range(n - 1)], n)


def pairs(pattern):
    return {(int(i), int(j)) for i, j in zip(pattern.receivers, pattern.senders, strict=True)}


def matrix(pattern):
    return sp.csr_array(
        (np.ones(len(pattern)), pattern.senders.numpy(), pattern.starts.numpy()), shape=(pattern.rows, pattern.columns)
    )


def test_a_path_keeps_every_second_node():
    points, edges = path(9)  # rings from node 4: even 0 2 4 6 8, odd 1 3 5 7
    kept, coarse, pool = coarsened(points, edges)
    assert kept.tolist() == [1, 3, 5, 7]
    assert pairs(coarse) == {(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)}
    assert pairs(pool) == {(k, node) for k in range(4) for node in (2 * k, 2 * k + 2)}
    kept, coarse, _ = coarsened(points[kept], coarse)  # 4 nodes from the second: rings 1 0 1 2
    assert kept.tolist() == [1, 3]
    assert pairs(coarse) == {(0, 1), (1, 0)}


def test_a_star_keeps_its_middle():
    points = np.array([[0.0, 0], *([np.cos(a), np.sin(a)] for a in np.arange(6))])
    kept, coarse, pool = coarsened(points, of_pairs([(0, k) for k in range(1, 7)], 7))
    assert kept.tolist() == [0]
    assert len(coarse) == 0
    assert pairs(pool) == {(0, k) for k in range(1, 7)}


def test_a_square_grid_is_a_chess_board():
    n = 5
    points = np.stack(np.meshgrid(np.arange(n), np.arange(n)), axis=-1).reshape(-1, 2).astype(float)
    sides = [(k, k + 1) for k in range(n * n) if k % n < n - 1] + [(k, k + n) for k in range(n * (n - 1))]
    kept, coarse, _ = coarsened(points, of_pairs(sides, n * n))
    assert (points[kept].sum(1) % 2 == 1).all()
    assert len(kept) == 12
    hops = np.abs(points[kept][:, None] - points[kept]).sum(-1)
    assert pairs(coarse) == {(i, j) for i, j in zip(*np.nonzero(hops == 2), strict=True)}


def test_parts_are_coarsened_apart_and_single_nodes_stay():
    points = np.concatenate([path(5)[0], path(3)[0] + [0, 7.0], [[50.0, 50]]])
    edges = of_pairs([(0, 1), (1, 2), (2, 3), (3, 4), (5, 6), (6, 7)], 9)
    kept, coarse, pool = coarsened(points, edges)
    assert kept.tolist() == [1, 3, 6, 8]
    assert pairs(coarse) == {(0, 1), (1, 0)}
    assert pairs(pool) == {(0, 0), (0, 2), (1, 2), (1, 4), (2, 5), (2, 7), (3, 8)}


@pytest.mark.parametrize("dim", [2, 3])
def test_levels_of_a_mesh_halve_stay_connected_and_close_over_two_hops(dim):
    points, edges = triangulated(300, dim=dim)
    for _ in range(5):
        kept, coarse, pool = coarsened(points, edges)
        assert 0 < len(kept) <= len(points) / 2
        near = matrix(edges).toarray() + np.eye(len(points))
        two = (near @ near)[np.ix_(kept, kept)] > 0
        np.fill_diagonal(two, False)
        assert np.array_equal(matrix(coarse).toarray() > 0, two)
        assert np.array_equal(matrix(pool).toarray() > 0, matrix(edges).toarray()[kept] > 0)
        parts = [connected_components(matrix(p), directed=False)[0] for p in (edges, coarse)]
        assert parts[0] == parts[1] == 1
        points, edges = points[kept], coarse
        if len(points) == 1:
            break


def test_what_is_gathered_is_a_mean_by_shared_weights_and_goes_back_transposed():
    points, edges = path(5)
    _, coarse, pool = coarsened(points, edges)  # 1 and 3 stay; ends have one neighbour, the middle two
    (shares,) = transition_weights([edges, coarse], [pool], like=torch.zeros((), dtype=torch.float64))
    assert shares.tolist() == pytest.approx([2 / 3, 1 / 3, 1 / 3, 2 / 3])
    x = torch.arange(5.0, dtype=torch.float64)[:, None]
    assert gathered(x, pool, shares).ravel().tolist() == pytest.approx([2 / 3, 1 / 3 * 2 + 2 / 3 * 4])
    up = returned(torch.tensor([[1.0], [10.0]], dtype=torch.float64), pool, shares)
    assert up.ravel().tolist() == pytest.approx([2 / 3, 0, 11 / 3, 0, 20 / 3])


def test_constants_survive_all_levels_and_the_way_up_is_the_transpose():
    points, edges = triangulated(200)
    graphs, pools = [edges], []
    for _ in range(4):
        kept, coarse, pool = coarsened(points, graphs[-1])
        points = points[kept]
        graphs.append(coarse)
        pools.append(pool)
    shares = transition_weights(graphs, pools, like=torch.zeros((), dtype=torch.float64))
    x, y = torch.full((graphs[0].rows, 1), 3.0).double(), torch.randn(graphs[-1].rows, 1).double()
    down, up = x, y
    for pool, share in zip(pools, shares, strict=True):
        down = gathered(down, pool, share)
    for pool, share in zip(reversed(pools), reversed(shares), strict=True):
        up = returned(up, pool, share)
    torch.testing.assert_close(down, torch.full_like(down, 3.0))
    torch.testing.assert_close((up * x).sum(), (y * down).sum())  # transposes of each other


def test_a_few_levels_reach_across_a_mesh_where_as_many_blocks_do_not():
    points, edges = path(64)
    model = BiStrideMeshGraphNet(dim=2, in_channels=1, out_channels=1, width=8, levels=4).double()
    graph = graph_of(model, points, edges)
    values = torch.randn(64, 1, dtype=torch.float64)
    slopes = torch.autograd.functional.jacobian(lambda v: model(v, graph)[0], values)
    assert slopes[..., 40, :].abs().max() > 0  # nine blocks on the path itself reach nine nodes
    learned = {name.split(".")[0] for name, _ in model.named_parameters()}
    assert learned == {"encode", "down", "bottom", "up", "decode"}  # nothing between levels
