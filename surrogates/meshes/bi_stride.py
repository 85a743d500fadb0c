"""Efficient Learning of Mesh-Based Physical Simulation with BSMS-GNN (arXiv:2210.02573): levels by bi-stride pooling.

Kept: every other ring of a breadth-first search from the node nearest to the middle of each connected part, the smaller
half of the two; coarse neighbours are kept nodes at most two steps apart; down and up between levels without learned
parameters, by weights that start at one and are shared out evenly among neighbours; one message passing block a level
on the way down and up, edges with vectors and lengths only, a sum with what came down on the way up.
Changed: nodes without neighbours stay on every level (the authors' program divides by zero there); LayerNorm has its
scale and shift, as in MeshGraphNets. Contact edges between coarse nodes, which the paper treats and its program no
longer has, are not here: use MeshGraphNet where meshes touch.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components, dijkstra
from torch import Tensor, nn

from surrogates.blocks.field_inputs import check_sizes
from surrogates.blocks.mlp import MLP
from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.meshes.edges import EdgeNorm, edge_vectors
from surrogates.meshes.graph_inputs import check_graph, check_radius, places
from surrogates.meshes.message_passing import MemorylessBlock, NormedMLP, edge_sum, stepped
from surrogates.physics.errors import DomainError


class BiStrideMeshGraphNet(nn.Module):
    """Nodes -> nodes by messages on the mesh and on ever coarser graphs of it, down and up again.

    Each level has about half the nodes and lets a block reach twice as far: for meshes of many nodes. Rings are cut out
    whole, so that coarse nodes have more neighbours than fine ones; edges become fewer, but slower than nodes do.

    Args:
        dim: coordinates of a point. in_channels, out_channels: of nodes. width: of every layer.
        levels: coarser graphs; 2 levels + 1 blocks in all.
        world_radius: None for meshes that stay where they are, 0 for meshes that move.
        lean: keep only what goes from block to block for the gradient, and compute the rest again.
    Raises DomainError for sizes that make no sense, and a positive world_radius.
    """

    def __init__(
        self,
        *,
        dim: int,
        in_channels: int,
        out_channels: int,
        width: int = 128,
        levels: int = 4,
        world_radius: float | int | None = None,
        lean: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(dim=dim, in_channels=in_channels, out_channels=out_channels, width=width, levels=levels)
        self.world_radius = check_radius(world_radius)
        if self.world_radius:
            raise DomainError(f"world_radius={world_radius}; levels know no contact, use MeshGraphNet, or give 0")
        self.arguments = {
            "dim": dim,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "width": width,
            "levels": levels,
            "world_radius": self.world_radius,
            "lean": lean,
        }
        self.dim, self.in_channels, self.out_channels, self.lean = dim, in_channels, out_channels, lean
        self.levels = levels
        features = (dim + 1) * (1 if self.world_radius is None else 2)
        self.norms = nn.ModuleList(EdgeNorm(features) for _ in range(levels + 1))
        self.encode = NormedMLP(in_channels, width)
        self.down = nn.ModuleList(MemorylessBlock(features, width) for _ in range(levels))
        self.bottom = MemorylessBlock(features, width)
        self.up = nn.ModuleList(MemorylessBlock(features, width) for _ in range(levels))
        self.decode = MLP([width, width, width, out_channels], activation=nn.ReLU)

    def patterns(self, points: np.ndarray, edges: Csr, tags: Mapping[str, np.ndarray]) -> dict[str, Csr]:
        """ "level_k", neighbours on the k-th coarser graph, and "pool_k", from which nodes of level k - 1 each of its
        nodes gathers."""
        found: dict[str, Csr] = {}
        for k in range(1, self.levels + 1):
            kept, coarse, pool = coarsened(points, edges)
            found |= {f"level_{k}": coarse, f"pool_{k}": pool}
            points, edges = points[kept], coarse
        return found

    def forward(self, values: Float[Tensor, "nodes channels"], graph: MeshGraph) -> Float[Tensor, "nodes outputs"]:
        """Raises DomainError where channels, coordinates or patterns do not fit."""
        check_graph(values, graph, self, *(f"{word}_{k + 1}" for k in range(self.levels) for word in ("level", "pool")))
        graphs = [graph.edges, *(graph.patterns[f"level_{k + 1}"] for k in range(self.levels))]
        pools = [graph.patterns[f"pool_{k + 1}"] for k in range(self.levels)]
        shares = transition_weights(graphs, pools, like=values)
        features = self._features(places(graph), graphs, pools, shares)
        nodes, came_down = self.encode(values), []
        for k, block in enumerate(self.down):
            nodes = stepped(block, nodes, features[k], graphs[k], lean=self.lean)
            came_down.append(nodes)
            nodes = gathered(nodes, pools[k], shares[k])
        nodes = stepped(self.bottom, nodes, features[-1], graphs[-1], lean=self.lean)
        for k in reversed(range(self.levels)):
            nodes = returned(nodes, pools[k], shares[k])
            nodes = stepped(self.up[k], nodes, features[k], graphs[k], lean=self.lean) + came_down[k]
        result: Tensor = self.decode(nodes)
        return result

    def _features(
        self, where: list[Tensor], graphs: list[Csr], pools: list[Csr], shares: list[Tensor]
    ) -> list[Float[Tensor, "entries features"]]:
        """Edge vectors of each level; a coarse node lies where those that it gathers from lie on average."""
        found = []
        for k, norm in enumerate(self.norms):
            found.append(norm(torch.cat([edge_vectors(x, graphs[k]) for x in where], dim=1)))
            if k < self.levels:
                where = [gathered(x, pools[k], shares[k]) for x in where]
        return found


def coarsened(points: np.ndarray, edges: Csr) -> tuple[Int[np.ndarray, "kept"], Csr, Csr]:
    """One level up: nodes that stay, their neighbours, and which nodes below each gathers from.

    Rings are those of a breadth-first search in each connected part from its node nearest to the mean of its points.
    The even or the odd ones stay, whichever are fewer (the even ones of a single node). Kept nodes are neighbours where
    one or two steps lead from one to the other, so that connected parts stay connected.
    """
    n = edges.rows
    starts, senders = edges.starts.cpu().numpy(), edges.senders.cpu().numpy()
    matrix = sp.csr_array((np.ones(len(senders), dtype=np.int8), senders, starts), shape=(n, n))
    parts, part = connected_components(matrix, directed=False)
    rings = dijkstra(matrix, indices=_middles(points, part, parts), unweighted=True, min_only=True).astype(np.int64)
    sizes = np.stack([np.bincount(part[rings % 2 == odd], minlength=parts) for odd in (0, 1)])
    odd = (sizes[1] < sizes[0]) & (sizes[1] > 0)
    kept = np.flatnonzero(rings % 2 == odd[part])
    lone = (np.diff(starts) == 0).astype(float)
    pool = (matrix + sp.csr_array(sp.diags(lone))).tocsr()[kept]
    near = (matrix + sp.csr_array(sp.identity(n))).tocsr()
    two = (near[kept] @ near[:, kept]).tocoo()
    apart = two.row != two.col
    return kept, _pattern(two.row[apart], two.col[apart], len(kept), len(kept)), _pattern(*pool.nonzero(), *pool.shape)


def transition_weights(graphs: list[Csr], pools: list[Csr], *, like: Tensor) -> list[Float[Tensor, "entries"]]:
    """Weight of each entry of each pool; those of a row sum to one.

    Every node of the mesh has weight 1, shares it out evenly among its neighbours, and a kept node's new weight is what
    it is given; the shares that it is given, over their sum, weigh what it gathers.
    """
    found, weight = [], like.new_ones(graphs[0].rows)
    for graph, pool in zip(graphs, pools, strict=False):
        given = (weight / graph.degrees.clamp(min=1)).index_select(0, pool.senders)
        weight = weight.new_zeros(pool.rows).index_add(0, pool.receivers, given)
        found.append(given / weight.index_select(0, pool.receivers))
    return found


def gathered(
    x: Float[Tensor, "fine width"], pool: Csr, shares: Float[Tensor, "entries"]
) -> Float[Tensor, "coarse width"]:
    """Weighted means over what coarse nodes gather from."""
    return edge_sum(x.index_select(0, pool.senders) * shares[:, None], pool)


def returned(
    x: Float[Tensor, "coarse width"], pool: Csr, shares: Float[Tensor, "entries"]
) -> Float[Tensor, "fine width"]:
    """The transpose of `gathered`: what was gathered along an entry goes back along it."""
    sent = x.index_select(0, pool.receivers) * shares[:, None]
    return sent.new_zeros(pool.columns, x.shape[1]).index_add(0, pool.senders, sent)


def _middles(points: np.ndarray, part: np.ndarray, parts: int) -> Int[np.ndarray, "parts"]:
    """The node of each part that is nearest to the mean of its points; the first of several."""
    count = np.bincount(part, minlength=parts)
    mean = np.stack([np.bincount(part, x, minlength=parts) for x in points.T], axis=1) / count[:, None]
    distance = np.linalg.norm(points - mean[part], axis=1)
    order = np.lexsort((distance, part))
    return order[np.searchsorted(part[order], np.arange(parts))]


def _pattern(receivers: np.ndarray, senders: np.ndarray, rows: int, columns: int) -> Csr:
    pairs = (torch.from_numpy(x.astype(np.int64)) for x in (receivers, senders))
    return Csr.of_pairs(*pairs, rows=rows, columns=columns)
