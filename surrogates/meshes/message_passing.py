"""Message passing on the edges of a mesh: the networks of edges and nodes that MeshGraphNets are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from surrogates.blocks.mlp import MLP
from surrogates.datasets.batch import Csr


class NormedMLP(nn.Sequential):
    """Two hidden layers with ReLU, then LayerNorm: every network of the paper but the decoder."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(MLP([inputs, width, width, width], activation=nn.ReLU), nn.LayerNorm(width))


class EdgeMLP(nn.Module):
    """LayerNorm(MLP([e_ij, v_j, v_i])), i receives; never joined, since the first layer acts on edges and nodes apart.

    W [e, v_j, v_i] = W_e e + W_s v_j + W_r v_i, and there are some six times fewer nodes than edges: the two products
    with nodes are made before they are gathered. The numbers are those of the joined form, columns in this order.

    Args:
        features: of an edge. width: of nodes, hidden layers and result.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.features = features
        self.first = nn.Linear(features + 2 * width, width)
        self.rest = nn.Sequential(MLP([width] * 3, activation=nn.ReLU), nn.LayerNorm(width))

    def forward(
        self, edges: Float[Tensor, "entries features"], nodes: Float[Tensor, "nodes width"], pattern: Csr
    ) -> Float[Tensor, "entries width"]:
        of_edge, of_nodes = self.first.weight.split([self.features, 2 * nodes.shape[1]], dim=1)
        of_sender, of_receiver = of_nodes.chunk(2, dim=1)
        hidden = nn.functional.linear(edges, of_edge, self.first.bias)
        hidden = hidden + (nodes @ of_sender.T).index_select(0, pattern.senders)
        hidden = hidden.add_((nodes @ of_receiver.T).index_select(0, pattern.receivers))
        result: Tensor = self.rest(hidden.relu_())
        return result


class NodeMLP(nn.Module):
    """LayerNorm(MLP([v_i, sum_j e_ij, ...])), one sum for each kind of edges."""

    def __init__(self, kinds: int, width: int) -> None:
        super().__init__()
        self.mlp = NormedMLP((1 + kinds) * width, width)

    def forward(
        self, nodes: Float[Tensor, "nodes width"], edges: Sequence[Tensor], patterns: Sequence[Csr]
    ) -> Float[Tensor, "nodes width"]:
        sums = [edge_sum(e, pattern) for e, pattern in zip(edges, patterns, strict=True)]
        result: Tensor = self.mlp(torch.cat([nodes, *sums], dim=1))
        return result


def edge_sum(edges: Float[Tensor, "entries width"], pattern: Csr) -> Float[Tensor, "rows width"]:
    """What each receiver gets, summed."""
    return edges.new_zeros(pattern.rows, edges.shape[1]).index_add(0, pattern.receivers, edges)


class GraphBlock(nn.Module):
    """e'_ij = e_ij + MLP(e_ij, v_j, v_i) for each kind of edges, then v'_i = v_i + MLP(v_i, sum_j e'_ij, ...)."""

    def __init__(self, kinds: Sequence[str], width: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict({kind: EdgeMLP(width, width) for kind in kinds})
        self.nodes = NodeMLP(len(kinds), width)

    def forward(
        self, nodes: Tensor, edges: Mapping[str, Tensor], patterns: Mapping[str, Csr]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        updated = {kind: e + self.edges[kind](e, nodes, patterns[kind]) for kind, e in edges.items()}
        return nodes + self.nodes(nodes, list(updated.values()), [patterns[kind] for kind in updated]), updated


class MemorylessBlock(nn.Module):
    """v'_i = v_i + MLP(v_i, sum_j MLP(features of ij, v_j, v_i)): edges keep nothing from block to block."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.edges = EdgeMLP(features, width)
        self.nodes = NodeMLP(1, width)

    def forward(
        self, nodes: Float[Tensor, "nodes width"], features: Float[Tensor, "entries features"], pattern: Csr
    ) -> Float[Tensor, "nodes width"]:
        return nodes + self.nodes(nodes, [self.edges(features, nodes, pattern)], [pattern])


def stepped(block: nn.Module, *inputs: Any, lean: bool) -> Any:
    """block(*inputs); where `lean`, the gradient keeps its inputs only and computes it again."""
    if lean and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
    return block(*inputs)
