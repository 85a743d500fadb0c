"""Training Transformers for Mesh-Based Simulations (arXiv:2508.18051): the mesh graph transformer.

Kept: an encoder, blocks of attention masked by the mesh and of gated networks three times as wide, each behind an
RMSNorm and beside a residual, a decoder; no features of edges; hops, dilated windows and global nodes as masks
(`AttentionPattern`); positions as more inputs or as rotations of queries and keys (`Positions`).
Changed: attention is normalised over the entries of a row, as the authors' program does; the printed formula masks a
dense softmax, whose rows do not sum to one. Each block is normalised once, where that program does it twice.
Increments, noise and the loss belong to the task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from surrogates.blocks.field_inputs import check_sizes
from surrogates.blocks.mlp import MLP
from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.kernels.csr_attention import csr_attention
from surrogates.meshes.patterns import ORDER, AttentionPattern
from surrogates.meshes.positions import Positions, turned
from surrogates.physics.errors import DomainError

SIZES = {"S": (32, 5, 4), "M": (64, 10, 4), "L": (128, 15, 4)}
"""Width, depth and heads by name."""

Turns = tuple[Tensor, Tensor] | None


class MeshTransformer(nn.Module):
    """Nodes -> nodes by attention along a sparse pattern.

    Args:
        dim: coordinates of a point. in_channels, out_channels: of nodes.
        size: "S", "M" or "L"; width, depth, heads: in place of those of the size.
        pattern: who attends to whom: an `AttentionPattern`, its arguments, or None for the edges of the mesh.
        positions: what the network is told of places, see `Positions`.
        gate: multiply what attention brings by a sigmoid of its input. lean: keep only what goes from block to block
            for the gradient, and compute the rest again. bfloat16: matrix products in half precision.
    Raises DomainError for sizes, patterns and positions that make no sense.
    """

    def __init__(
        self,
        *,
        dim: int,
        in_channels: int,
        out_channels: int,
        size: str = "S",
        width: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        pattern: Any = None,
        positions: str | Sequence[str] = "coordinates",
        gate: bool = False,
        lean: bool = False,
        bfloat16: bool = False,
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise DomainError(f"size={size!r}; there are {', '.join(SIZES)}, or give width, depth and heads")
        given = (width, depth, heads)
        width, depth, heads = (own if x is None else x for own, x in zip(SIZES[size], given, strict=True))
        check_sizes(dim=dim, in_channels=in_channels, out_channels=out_channels, width=width, depth=depth, heads=heads)
        if width % heads:
            raise DomainError(f"width={width} cannot be shared by heads={heads}; make it a multiple")
        self.pattern = AttentionPattern.of(pattern)
        self.positions = Positions(positions, dim, width // heads)
        self.row_stochastic = self.positions.features == 0  # promises of the law kit
        self.symmetry = () if "coordinates" in self.positions.words else ("translation",)
        self.arguments = {
            "dim": dim,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "size": size,
            "width": width,
            "depth": depth,
            "heads": heads,
            "pattern": self.pattern.plain(),
            "positions": self.positions.words,
            "gate": gate,
            "lean": lean,
            "bfloat16": bfloat16,
        }
        self.dim, self.in_channels, self.out_channels = dim, in_channels, out_channels
        self.lean, self.half_products = lean, bfloat16
        inputs = in_channels + self.positions.features
        self.encode = nn.Sequential(MLP([inputs, width, width], activation=nn.GELU), nn.LayerNorm(width))
        names = [[self.pattern.name(head, layer) for head in range(heads)] for layer in range(depth)]
        self.blocks = nn.ModuleList(Block(width, own, gate=gate) for own in names)
        self.decode = MLP([width, width, out_channels], activation=nn.GELU)

    def patterns(self, points: np.ndarray, edges: Csr, tags: Mapping[str, np.ndarray]) -> dict[str, Csr]:
        """What the heads of one mesh follow, by name."""
        return self.pattern(points, edges, tags)

    def forward(self, values: Float[Tensor, "nodes channels"], graph: MeshGraph) -> Float[Tensor, "nodes outputs"]:
        """Raises DomainError where channels, coordinates or patterns do not fit."""
        return self.finish(self.process(*self.start(values, graph), graph.patterns), graph)

    def start(self, values: Float[Tensor, "nodes channels"], graph: MeshGraph) -> tuple[Tensor, Turns]:
        """What goes into the first block, and the turns of queries and keys, in the order of the patterns."""
        self._check(values, graph)
        features, turns = self.positions(graph)
        encoded = self.encode(torch.cat([values, features.to(values)], dim=1))
        if ORDER not in graph.patterns:
            return encoded, turns
        order = graph.patterns[ORDER].senders
        return encoded[order], None if turns is None else (turns[0][order], turns[1][order])

    def process(
        self, nodes: Float[Tensor, "nodes width"], turns: Turns, patterns: Mapping[str, Csr]
    ) -> Float[Tensor, "nodes width"]:
        """All blocks."""
        for block in self.blocks:
            with torch.autocast(nodes.device.type, torch.bfloat16, enabled=self.half_products or _autocast(nodes)):
                if self.lean and torch.is_grad_enabled():
                    nodes = checkpoint(block, nodes, turns, patterns, use_reentrant=False, preserve_rng_state=False)
                else:
                    nodes = block(nodes, turns, patterns)
        return nodes

    def finish(self, nodes: Float[Tensor, "nodes width"], graph: MeshGraph) -> Float[Tensor, "nodes outputs"]:
        """What comes out of the last block, decoded, in the order of the mesh."""
        result: Tensor = self.decode(nodes)
        if ORDER not in graph.patterns:
            return result
        return torch.empty_like(result).index_copy(0, graph.patterns[ORDER].senders, result)

    @property
    def heads_of_blocks(self) -> list[list[str]]:
        """The pattern of each head, block by block."""
        return [block.names for block in self.blocks if isinstance(block, Block)]

    def _check(self, values: Tensor, graph: MeshGraph) -> None:
        points = tuple(graph.points.shape)
        if tuple(values.shape) != (points[0], self.in_channels) or points[1] != self.dim:
            raise DomainError(
                f"MeshTransformer got values of shape {tuple(values.shape)} at points of shape {points}; it reads "
                f"(nodes, {self.in_channels} channels) at (nodes, {self.dim} coordinates): make it with dim and "
                "in_channels of your data, or select other fields"
            )
        wanted = {name for names in self.heads_of_blocks for name in names} | (
            {ORDER} if self.pattern.reorder else set()
        )
        missing = sorted(wanted - set(graph.patterns))
        if missing:
            raise DomainError(
                f"MeshTransformer needs the pattern {missing[0]!r} and the graph has {', '.join(graph.patterns)}; add "
                "what its `patterns` gives for each mesh"
            )


class Block(nn.Module):
    """z + W_o attention(norm z), then z + W_d (GELU(W_l n) * W_r n) with n = norm z.

    Args:
        width: channels. names: the pattern of each head. gate: multiply attention by sigmoid(W_g norm z).
    """

    def __init__(self, width: int, names: Sequence[str], *, gate: bool = False) -> None:
        super().__init__()
        self.names, self.heads = list(names), len(names)
        self.groups = [[h for h, own in enumerate(names) if own == name] for name in dict.fromkeys(names)]
        self.first, self.second = nn.RMSNorm(width), nn.RMSNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.gate = nn.Linear(width, width) if gate else None
        self.out = nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 6 * width), nn.Linear(3 * width, width)

    def forward(
        self, nodes: Float[Tensor, "nodes width"], turns: Turns, patterns: Mapping[str, Csr]
    ) -> Float[Tensor, "nodes width"]:
        normed = self.first(nodes)
        brought = self._attend(normed, turns, patterns)
        if self.gate is not None:
            brought = brought * self.gate(normed).sigmoid()
        nodes = nodes + self.out(brought)
        left, right = self.widen(self.second(nodes)).chunk(2, dim=1)
        return nodes + self.narrow(nn.functional.gelu(left) * right)

    def _attend(self, normed: Tensor, turns: Turns, patterns: Mapping[str, Csr]) -> Tensor:
        n = len(normed)
        q, k, v = self.project(normed).view(n, 3, self.heads, -1).unbind(1)
        q, k = turned(q, turns), turned(k, turns)
        if len(self.groups) == 1:
            return csr_attention(q, k, v, patterns[self.names[0]]).view(n, -1)
        parts: dict[int, Tensor] = {}
        for group in self.groups:
            found = csr_attention(q[:, group], k[:, group], v[:, group], patterns[self.names[group[0]]])
            parts |= dict(zip(group, found.unbind(1), strict=True))
        return torch.cat([parts[h] for h in range(self.heads)], dim=1)


def _autocast(nodes: Tensor) -> bool:
    return torch.is_autocast_enabled(nodes.device.type)
