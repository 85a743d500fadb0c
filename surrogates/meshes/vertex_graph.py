"""The same graph network on the nodes of the finite elements, which the plate graph of arXiv:2309.13022 is measured by.

A vertex is a node of the mesh: what is known of the plates around it, whether it is held, where it lies. Edges are the
sides of cells, both ways, with the vector between their ends. A panel is hundreds of sides across, so no affordable
depth spans it: that is what plates as vertices are for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.mlp import MLP
from surrogates.datasets import MeshSample
from surrogates.meshes.graph_sage import AGGREGATORS, GraphSAGE, PanelGraph
from surrogates.meshes.plate_features import KINDS, plate_features
from surrogates.meshes.plates import find_plates
from surrogates.physics.errors import DomainError


class VertexGraphNet(nn.Module):
    """Nodes of panels -> von Mises stress at nodes over the largest pressure; see PlateGraphNet for the arguments."""

    def __init__(
        self, *, width: int = 64, depth: int = 10, hidden: int = 128, aggregators: Sequence[str] = AGGREGATORS
    ) -> None:
        super().__init__()
        self.arguments = {"width": width, "depth": depth, "hidden": hidden, "aggregators": list(aggregators)}
        self.n_features, self.n_edge_features, self.depth = 3 + len(KINDS) + 3 + 6 + 6, 4, depth
        self.trunk = GraphSAGE(
            features=self.n_features,
            edge_features=self.n_edge_features,
            width=width,
            depth=depth,
            aggregators=aggregators,
        )
        self.decode = MLP([width, hidden, 1])

    def forward(self, graph: PanelGraph) -> Float[Tensor, "vertices 1"]:
        return self.decode(self.trunk(graph)).mean(dim=1)

    def graph(self, sample: MeshSample, field: str | None = None) -> PanelGraph:
        """The graph of one panel; with `field`, its values at nodes as the target. DomainError as of plate graphs."""
        told = plate_features(sample, find_plates(sample), (1, 1))
        senders, starts = sample.edges()
        receivers = np.repeat(np.arange(len(sample)), np.diff(starts))
        apart = (sample.points[senders] - sample.points[receivers]) / told.length
        words = np.concatenate([apart, np.linalg.norm(apart, axis=1, keepdims=True)], axis=1)
        target = None
        if field is not None:
            if field not in sample.fields or np.ndim(sample.fields[field]) != 1:
                raise DomainError(
                    f"the mesh has no field {field!r} of one number a node; it has {', '.join(sample.fields)}"
                )
            target = torch.from_numpy(np.array(sample.fields[field], dtype=np.float64)[:, None])
        return PanelGraph(
            torch.from_numpy(_at_vertices(sample, told.pressure, told.length)[:, None]),
            torch.from_numpy(words[:, None]),
            torch.from_numpy(senders.astype(np.int64)),
            torch.from_numpy(receivers),
            torch.zeros(len(sample), 1, 3, dtype=torch.bool),
            torch.zeros(len(sample), dtype=torch.long),
            torch.tensor([told.pressure], dtype=torch.float64),
            target,
            torch.tensor([sample.row]),
        )

    def at_nodes(self, sample: MeshSample, values: np.ndarray) -> np.ndarray:
        """(nodes, 1) -> (nodes,)."""
        return values[:, 0]


def _at_vertices(sample: MeshSample, pressure: float, length: float) -> np.ndarray:
    """(nodes, features): thickness (mean, largest), pressure, kinds and normals of cells around, supports, ends."""
    quads, points = sample.cells["quad"], sample.points
    corners = points[quads]
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    thickness, load = (np.asarray(sample.cell_fields[n]["quad"]).ravel() for n in ("thickness", "pressure"))
    tags = [np.asarray(sample.cell_tags.get(k, {}).get("quad", np.zeros(len(quads))), dtype=float) for k in KINDS]
    cells = np.column_stack(
        [
            np.log(thickness / length),
            load / pressure,
            *tags,
            np.abs(normal) / np.linalg.norm(normal, axis=1, keepdims=True),
        ]
    )
    total, count = np.zeros((len(points), cells.shape[1])), np.zeros(len(points))
    largest = np.full(len(points), -np.inf)
    for corner in range(4):
        np.add.at(total, quads[:, corner], cells)
        np.add.at(count, quads[:, corner], 1.0)
        np.maximum.at(largest, quads[:, corner], cells[:, 0])
    apart = np.concatenate([points - points.min(axis=0), points.max(axis=0) - points], axis=1) / length
    return np.column_stack([total / count[:, None], largest, np.asarray(sample.fields["fixed"]), apart / (apart + 1)])
