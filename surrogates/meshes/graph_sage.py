"""Inductive Representation Learning on Large Graphs (arXiv:1706.02216): GraphSAGE layers, with words on the edges.

Kept: h_v <- act(W [h_v ; mean or max over neighbours]), neighbours through a layer of their own before the maximum
(section 3.3, pooling aggregator), every neighbour used.
Changed: what an edge says (which sides of two plates meet) is added to the neighbour before its activation; residual
steps and LayerNorm, so that a depth above the diameter of the graph trains; no L2 normalisation of h, which would hide
sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from surrogates.blocks.mlp import MLP
from surrogates.physics.errors import DomainError

AGGREGATORS = ("mean", "max")


@dataclass(frozen=True, eq=False)
class PanelGraph:
    """Graphs of one or more panels side by side, and what is asked at their vertices.

    Args:
        features: of the vertices, seen in `images` mirrors. edges: of the edges. senders, receivers: of the edges.
        turned: which of a vertex's axes e1, e2, n each mirror turns around. graph: which panel a vertex belongs to.
        scale: of each panel, what network outputs are multiplied by (its largest pressure). target: in the field's
            unit; None where only the panel is known. rows: of the data set, for messages.
    """

    features: Float[Tensor, "vertices images f"]
    edges: Float[Tensor, "edges images w"]
    senders: Int[Tensor, "edges"]
    receivers: Int[Tensor, "edges"]
    turned: Bool[Tensor, "vertices images 3"]
    graph: Int[Tensor, "vertices"]
    scale: Float[Tensor, "panels"]
    target: Float[Tensor, "vertices *values"] | None
    rows: Int[Tensor, "panels"] | None = None

    def __len__(self) -> int:
        return self.scale.shape[0]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> PanelGraph:
        """The same graphs on `device`, floating-point tensors in `dtype`."""
        moved: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor):
                moved[entry.name] = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
        return replace(self, **moved)

    @classmethod
    def joined(cls, parts: Sequence[PanelGraph]) -> PanelGraph:
        """Side by side, without edges between them; at least one."""
        sizes = torch.tensor([0, *[len(p.features) for p in parts]]).cumsum(0)
        panels = torch.tensor([0, *[len(p) for p in parts]]).cumsum(0)
        targets = [p.target for p in parts if p.target is not None]
        rows = [p.rows for p in parts if p.rows is not None]
        shifted = list(zip(parts, sizes.tolist(), panels.tolist(), strict=False))
        return cls(
            torch.cat([p.features for p in parts]),
            torch.cat([p.edges for p in parts]),
            torch.cat([p.senders + n for p, n, _ in shifted]),
            torch.cat([p.receivers + n for p, n, _ in shifted]),
            torch.cat([p.turned for p in parts]),
            torch.cat([p.graph + k for p, _, k in shifted]),
            torch.cat([p.scale for p in parts]),
            torch.cat(targets) if len(targets) == len(parts) else None,
            torch.cat(rows) if len(rows) == len(parts) else None,
        )

    @property
    def diameter(self) -> int:
        """Longest of the shortest ways between vertices of one panel, in edges; by breadth from every vertex."""
        n = len(self.features)
        reached = torch.eye(n, dtype=torch.bool)
        for steps in range(n):
            more = reached.clone().float().index_add_(0, self.receivers, reached[self.senders].float()) > 0
            if bool((more == reached).all()):
                return steps
            reached = more
        return n


class SageLayer(nn.Module):
    """h + W [h ; aggregates of sigma(A h_u + B e_uv)], from normalised h."""

    def __init__(self, width: int, edge_width: int, aggregators: Sequence[str]) -> None:
        super().__init__()
        self.aggregators = tuple(aggregators)
        self.norm = nn.LayerNorm(width)
        self.neighbour, self.edge = nn.Linear(width, width), nn.Linear(edge_width, width, bias=False)
        self.update = MLP([width * (1 + len(self.aggregators)), width, width])

    def forward(self, h: Tensor, graph: PanelGraph) -> Tensor:
        """(vertices, images, width) -> the same."""
        x = self.norm(h)
        said = nn.functional.silu(self.neighbour(x)[graph.senders] + self.edge(graph.edges))
        found = [x]
        for name in self.aggregators:
            found.append(_mean(said, graph, len(x)) if name == "mean" else _largest(said, graph, len(x)))
        updated: Tensor = self.update(torch.cat(found, dim=-1))
        return h + updated


class GraphSAGE(nn.Module):
    """Vertices with features -> vertices with `width` numbers, through `depth` layers.

    Raises DomainError for sizes below one and unknown aggregators.
    """

    def __init__(
        self, *, features: int, edge_features: int, width: int, depth: int, aggregators: Sequence[str] = AGGREGATORS
    ) -> None:
        super().__init__()
        if width < 1 or depth < 1 or not aggregators or not set(aggregators) <= set(AGGREGATORS):
            raise DomainError(
                f"width={width}, depth={depth}, aggregators={list(aggregators)}; give whole numbers from 1 and some of "
                f"{', '.join(AGGREGATORS)}"
            )
        self.embed = MLP([features, width, width])
        self.layers = nn.ModuleList(SageLayer(width, edge_features, aggregators) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, graph: PanelGraph) -> Float[Tensor, "vertices images width"]:
        h = self.embed(graph.features)
        for layer in self.layers:
            h = layer(h, graph)
        found: Tensor = self.norm(h)
        return found


def _mean(said: Tensor, graph: PanelGraph, count: int) -> Tensor:
    degree = torch.bincount(graph.receivers, minlength=count).clamp(min=1).to(said.dtype)
    total = said.new_zeros(count, *said.shape[1:]).index_add(0, graph.receivers, said)
    return total / degree[:, None, None]


def _largest(said: Tensor, graph: PanelGraph, count: int) -> Tensor:
    where = graph.receivers[:, None, None].expand_as(said)
    zeros = said.new_zeros(count, *said.shape[1:])
    return zeros.scatter_reduce(0, where, said, "amax", include_self=False)
