"""Graphs of small meshes for the tests of mesh networks."""

import numpy as np
import torch
from scipy.spatial import Delaunay

from surrogates.datasets.batch import Csr, MeshGraph


def triangulated(n, seed=0, dim=2, grid=1 / 64):
    """Random points on a fine grid (so that shifts by its multiples are exact) and the sides of their triangles."""
    points = np.unique(np.round(np.random.default_rng(seed).random((n, dim)) / grid), axis=0) * grid
    cells = Delaunay(points).simplices
    pairs = np.concatenate([cells[:, [a, b]] for a in range(dim + 1) for b in range(dim + 1) if a != b])
    return points, Csr.of_pairs(*torch.from_numpy(pairs.astype(np.int64)).T, rows=len(points))


def of_pairs(pairs, n):
    """The pattern of undirected edges, both ways."""
    pairs = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    return Csr.of_pairs(*torch.cat([pairs, pairs.flip(1)]).T, rows=n)


def graph_of(model, points, edges, moved=None, tags=None):
    """One mesh as the network wants it."""
    patterns = {"edges": edges, **model.patterns(points, edges, tags or {})}
    if moved is not None:
        patterns |= model.moving_patterns(points, moved, edges) if hasattr(model, "moving_patterns") else {}
    where = None if moved is None else torch.from_numpy(moved)
    return MeshGraph(torch.from_numpy(points), patterns, torch.tensor([0, len(points)]), where)
