"""A mesh that moves: where its nodes are now, and the patterns that follow from it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from torch import Tensor

from surrogates.datasets.batch import Csr, MeshGraph


def moved(graph: MeshGraph, displacement: Tensor, model: Any) -> MeshGraph:
    """The graph with its nodes displaced (nodes, dim), and with the model's `moving_patterns` of each mesh.

    No gradient goes through where the nodes are.
    """
    now = graph.points + displacement.detach()
    if not hasattr(model, "moving_patterns"):
        return replace(graph, moved=now)
    ends = graph.offsets.tolist()
    points, places = graph.points.cpu().numpy(), now.cpu().numpy()
    each = [model.moving_patterns(points[a:b], places[a:b], _edges(graph, a, b)) for a, b in pairwise(ends)]
    found = {name: Csr.joined([e[name] for e in each]).to(now.device) for name in each[0]}
    return replace(graph, moved=now, patterns={**graph.patterns, **found})


def _edges(graph: MeshGraph, begin: int, end: int) -> Csr:
    """Those of one of the meshes."""
    starts = graph.edges.starts[begin : end + 1].cpu()
    senders = graph.edges.senders[int(starts[0]) : int(starts[-1])].cpu()
    return Csr(senders - begin, starts - starts[0], end - begin)
