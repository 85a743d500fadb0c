"""Learning Mesh-Based Simulation with Graph Networks (arXiv:2010.03409): the network, MeshGraphNet.

Kept: relative places and distances on mesh edges, at rest and, where the mesh moves, in the world; world edges between
nodes within r_W that are no neighbours in the mesh, with networks of their own; encoders, 15 blocks without shared
weights and with residuals, sums over neighbours, a decoder without LayerNorm (section 3.2, appendix A.1).
Changed: the first layer on edges is split over its three inputs, the same function at fewer products (`EdgeMLP`); sums
run over edges with their residual, as equation 2 reads, where the authors' program sums before it is added.
Increments, second order in time, noise and the loss belong to the task; remeshing (section 3.3) is not here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.field_inputs import check_sizes
from surrogates.blocks.mlp import MLP
from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.meshes.edges import EdgeNorm, edge_vectors, world_edges
from surrogates.meshes.graph_inputs import check_graph, check_radius, places
from surrogates.meshes.message_passing import GraphBlock, NormedMLP, stepped


class MeshGraphNet(nn.Module):
    """Nodes -> nodes by messages along the sides of cells, and between nodes that come close.

    Args:
        dim: coordinates of a point. in_channels, out_channels: of nodes.
        width: of every layer. depth: blocks, each lets a node see one more ring of neighbours.
        world_radius: None for meshes that stay where they are; r_W, in the units of the points, for meshes that move
            and may touch; 0 for meshes that move and never touch.
        lean: keep only what goes from block to block for the gradient, and compute the rest again: a third of the
            memory for 1.4 times the time.
    Raises DomainError for sizes and radii that make no sense.
    """

    symmetry = ("translation",)  # places come in as differences; a promise of the law kit

    def __init__(
        self,
        *,
        dim: int,
        in_channels: int,
        out_channels: int,
        width: int = 128,
        depth: int = 15,
        world_radius: float | int | None = None,
        lean: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(dim=dim, in_channels=in_channels, out_channels=out_channels, width=width, depth=depth)
        self.world_radius = check_radius(world_radius)
        self.arguments = {
            "dim": dim,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "width": width,
            "depth": depth,
            "world_radius": self.world_radius,
            "lean": lean,
        }
        self.dim, self.in_channels, self.out_channels, self.lean = dim, in_channels, out_channels, lean
        features = {"edges": (dim + 1) * (1 if self.world_radius is None else 2)}
        if self.world_radius:
            features["world"] = dim + 1
        self.norms = nn.ModuleDict({kind: EdgeNorm(n) for kind, n in features.items()})
        self.encode_edges = nn.ModuleDict({kind: NormedMLP(n, width) for kind, n in features.items()})
        self.encode = NormedMLP(in_channels, width)
        self.blocks = nn.ModuleList(GraphBlock(list(features), width) for _ in range(depth))
        self.decode = MLP([width, width, width, out_channels], activation=nn.ReLU)

    def patterns(self, points: np.ndarray, edges: Csr, tags: Mapping[str, np.ndarray]) -> dict[str, Csr]:
        """None beside the mesh's own."""
        return {}

    def moving_patterns(self, points: np.ndarray, moved: np.ndarray, edges: Csr) -> dict[str, Csr]:
        """Of "world": pairs within the radius that are no neighbours; none where there is no radius."""
        return {"world": world_edges(moved, edges, self.world_radius)} if self.world_radius else {}

    def forward(self, values: Float[Tensor, "nodes channels"], graph: MeshGraph) -> Float[Tensor, "nodes outputs"]:
        """Raises DomainError where channels, coordinates or world edges do not fit."""
        check_graph(values, graph, self, *self.norms)
        nodes, edges = self.encode(values), self._encoded_edges(graph)
        for block in self.blocks:
            nodes, edges = stepped(block, nodes, edges, graph.patterns, lean=self.lean)
        result: Tensor = self.decode(nodes)
        return result

    def _encoded_edges(self, graph: MeshGraph) -> dict[str, Tensor]:
        """Latent edges by kind: those of the mesh know their places at rest and now, those of the world only now."""
        found = {"edges": torch.cat([edge_vectors(x, graph.edges) for x in places(graph)], dim=1)}
        if "world" in self.norms:
            found["world"] = edge_vectors(places(graph)[-1], graph.patterns["world"])
        return {kind: self.encode_edges[kind](self.norms[kind](x)) for kind, x in found.items()}
