"""A transformer over a large mesh part by part: the same numbers, in less memory.

Each part of the nodes is computed with all that its result can depend on, the halo: as many steps against the pattern
as the network has blocks. Global nodes make every halo the whole mesh.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.meshes.transformer import MeshTransformer
from surrogates.physics.errors import DomainError


@torch.no_grad()
def in_parts(
    model: MeshTransformer, values: Float[Tensor, "nodes channels"], graph: MeshGraph, parts: int
) -> Float[Tensor, "nodes outputs"]:
    """model(values, graph), blocks evaluated for about len(graph) / parts nodes and their halo at a time; no gradients.

    Parts are runs of node numbers: neighbours should have numbers near to each other, as `reorder` of the pattern
    gives them. Raises DomainError for less than one part.
    """
    if parts < 1:
        raise DomainError(f"parts={parts}; give a whole number from 1 up")
    nodes, turns = model.start(values, graph)
    result = torch.empty_like(nodes)
    for own in torch.arange(len(graph), device=nodes.device).tensor_split(parts):
        if not len(own):
            continue
        inside = depends_on(model, own, graph.patterns)
        kept = inside.nonzero().squeeze(1)
        here = None if turns is None else (turns[0][kept], turns[1][kept])
        names = {name for heads in model.heads_of_blocks for name in heads}
        patterns = {name: within(graph.patterns[name], inside) for name in names}
        found = model.process(nodes[kept], here, patterns)
        result[own] = found[torch.searchsorted(kept, own)]
    return model.finish(result, graph)


def depends_on(model: MeshTransformer, own: Int[Tensor, "own"], patterns: Mapping[str, Csr]) -> Bool[Tensor, "nodes"]:
    """The nodes, in the order of the patterns, that results at `own` may depend on."""
    inside = torch.zeros(next(iter(patterns.values())).rows, dtype=torch.bool, device=own.device)
    inside[own] = True
    for heads in reversed(model.heads_of_blocks):
        before = inside.clone()
        for name in set(heads):
            pattern = patterns[name]
            before[pattern.senders[inside[pattern.receivers]]] = True
        inside = before
    return inside


def within(pattern: Csr, inside: Bool[Tensor, "nodes"]) -> Csr:
    """The entries between nodes inside, which are numbered anew."""
    place = inside.long().cumsum(0) - 1
    kept = inside[pattern.receivers] & inside[pattern.senders]
    counts = torch.bincount(place[pattern.receivers[kept]], minlength=int(inside.sum()))
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Csr(place[pattern.senders[kept]], starts, int(inside.sum()))
