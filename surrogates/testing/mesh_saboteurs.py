"""Networks on meshes with one fault each, the faults that real codes have: every law must catch its own.

Each wraps an honest network, adds something small to its answer, and says in `breaks` which laws that must break; it
obeys all others. `Smoothing` is an honest one: what it adds at a node is an average over neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets.batch import Csr, MeshGraph

SMALL = 1e-3


class Smoothing(nn.Module):
    """A small message-passing network: pointwise layers, and between them a step towards the mean of the neighbours.

    Invariant under translations and rotations, local, with averages as messages; little changed by refinement.

    Args:
        dim: coordinates of a point. in_channels, out_channels, width: of a node. depth: rounds of messages.
        strength: of a step towards the mean.
    """

    symmetry = ("translation",)
    row_stochastic = True

    def __init__(
        self,
        *,
        dim: int,
        in_channels: int,
        out_channels: int,
        width: int = 16,
        depth: int = 2,
        strength: float | int = 0.1,
    ) -> None:
        super().__init__()
        self.dim, self.in_channels, self.out_channels = dim, in_channels, out_channels
        self.arguments = {
            "dim": dim,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "width": width,
            "depth": depth,
            "strength": strength,
        }
        self.strength = strength
        self.first = nn.Linear(in_channels, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, out_channels)

    @property
    def reach(self) -> int:
        """Hops beyond which nothing is seen."""
        return len(self.layers)

    def patterns(self, points: np.ndarray, edges: Csr, tags: Mapping[str, np.ndarray]) -> dict[str, Csr]:
        """None beside the mesh's own edges."""
        return {}

    def forward(self, values: Float[Tensor, "nodes channels"], graph: MeshGraph) -> Float[Tensor, "nodes outputs"]:
        h = torch.tanh(self.first(values))
        for layer in self.layers:
            h = h + torch.tanh(layer(h + self.strength * towards_neighbours(h, graph)))
        found: Tensor = self.last(h)
        return found


class _Wrapper(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.arguments = network, {"network": network}
        for name in ("dim", "in_channels", "out_channels", "row_stochastic"):
            setattr(self, name, getattr(network, name))
        self.reach = int(network.reach) + 1  # type: ignore[arg-type]

    def patterns(self, points: np.ndarray, edges: Csr, tags: Mapping[str, np.ndarray]) -> dict[str, Csr]:
        """Those of the network."""
        found: dict[str, Csr] = self.network.patterns(points, edges, tags)  # type: ignore[operator]
        return found


class SeesNumbers(_Wrapper):
    """Smooths more at nodes of high number."""

    breaks = frozenset({"permutation"})

    def forward(self, values: Tensor, graph: MeshGraph) -> Tensor:
        answer: Tensor = self.network(values, graph)
        number = torch.arange(len(values), device=values.device) - graph.offsets[:-1][graph.mesh_of]
        size = graph.offsets.diff()[graph.mesh_of]
        return answer + SMALL * (number / size)[:, None].to(answer) * towards_neighbours(answer, graph)


class SeesPlace(_Wrapper):
    """Smooths more far from the origin."""

    breaks = frozenset({"translation"})

    def forward(self, values: Tensor, graph: MeshGraph) -> Tensor:
        answer: Tensor = self.network(values, graph)
        away = graph.points.norm(dim=1, keepdim=True).to(answer)
        return answer + SMALL * away * towards_neighbours(answer, graph)


class PreferredAxis(_Wrapper):
    """Listens to neighbours along the first axis more."""

    breaks = frozenset({"rotation"})

    def forward(self, values: Tensor, graph: MeshGraph) -> Tensor:
        answer: Tensor = self.network(values, graph)
        edges = graph.edges
        along = (graph.points[edges.senders, :1] - graph.points[edges.receivers, :1]).abs().to(answer)
        rise = along * (answer[edges.senders] - answer[edges.receivers])
        return answer + 0.1 * SMALL * _summed(rise, graph)


class SumsMessages(_Wrapper):
    """Adds up the neighbours instead of averaging them: nodes with more of them get more."""

    breaks = frozenset({"a constant stays constant"})

    def forward(self, values: Tensor, graph: MeshGraph) -> Tensor:
        answer: Tensor = self.network(values, graph)
        return answer + SMALL * _summed(answer[graph.edges.senders], graph)


class FarReaching(_Wrapper):
    """Draws every node a little towards the mesh's mean."""

    breaks = frozenset({"locality"})

    def forward(self, values: Tensor, graph: MeshGraph) -> Tensor:
        answer: Tensor = self.network(values, graph)
        return answer + SMALL * (_means(answer, graph)[graph.mesh_of] - answer)


class SeesBatch(_Wrapper):
    """Draws meshes that lie in one batch towards each other."""

    breaks = frozenset({"batch = one by one"})

    def forward(self, values: Tensor, graph: MeshGraph) -> Tensor:
        answer: Tensor = self.network(values, graph)
        means = _means(answer, graph)
        return answer + SMALL * (means.mean(dim=0) - means)[graph.mesh_of]


class SeesResolution(_Wrapper):
    """Answers more where the mesh is fine."""

    breaks = frozenset({"remeshing"})

    def forward(self, values: Tensor, graph: MeshGraph) -> Tensor:
        answer: Tensor = self.network(values, graph)
        edges = graph.edges
        away = (graph.points[edges.senders] - graph.points[edges.receivers]).norm(dim=1, keepdim=True).to(answer)
        lengths = _means(_summed(away, graph) / edges.degrees.clamp_min(1)[:, None], graph)
        sizes = graph.points.new_zeros(graph.meshes, 1).to(answer)
        for k in range(graph.meshes):
            here = graph.points[graph.offsets[k] : graph.offsets[k + 1]]
            sizes[k] = (here - here.mean(dim=0)).norm(dim=1).max()
        return answer * (1 - 0.1 * (lengths / sizes).log()[graph.mesh_of])


class Remembers(_Wrapper):
    """Answers the same question a little otherwise the second time."""

    breaks = frozenset({"determinism"})

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.last: Tensor | None = None

    def forward(self, values: Tensor, graph: MeshGraph) -> Tensor:
        answer: Tensor = self.network(values, graph)
        same = self.last is not None and torch.equal(self.last, values)
        self.last = None if same else values.clone()
        return answer * (1 + 1e-12) if same else answer


class Forgets(_Wrapper):
    """Keeps a number that no file keeps."""

    breaks = frozenset({"saved = loaded"})
    made = 0

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        Forgets.made += 1
        self.number = Forgets.made

    def forward(self, values: Tensor, graph: MeshGraph) -> Tensor:
        answer: Tensor = self.network(values, graph)
        return answer * (1 + SMALL * self.number)


SABOTEURS: tuple[Any, ...] = (
    SeesNumbers,
    SeesPlace,
    PreferredAxis,
    SumsMessages,
    FarReaching,
    SeesBatch,
    SeesResolution,
    Remembers,
    Forgets,
)


def towards_neighbours(values: Tensor, graph: MeshGraph) -> Tensor:
    """Mean of the neighbours minus the node's own (nodes, channels); 0 at a node without any."""
    edges = graph.edges
    rise = values[edges.senders] - values[edges.receivers]
    return _summed(rise, graph) / edges.degrees.clamp_min(1)[:, None].to(values)


def _summed(messages: Tensor, graph: MeshGraph) -> Tensor:
    return messages.new_zeros(len(graph), messages.shape[1]).index_add(0, graph.edges.receivers, messages)


def _means(values: Tensor, graph: MeshGraph) -> Tensor:
    """Of each mesh, (meshes, channels)."""
    sums = values.new_zeros(graph.meshes, values.shape[1]).index_add(0, graph.mesh_of, values)
    return sums / graph.offsets.diff().clamp_min(1)[:, None].to(values)
