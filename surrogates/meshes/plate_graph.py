"""Graph Neural Network for Stress Predictions in Stiffened Panels Under Uniform Loading (arXiv:2309.13022).

Kept: each rectangular plate (a bay of plating, a web, a flange) is one vertex, edges where plates meet, GraphSAGE with
more layers than the graph's diameter, the von Mises stress of a plate sampled on a fixed grid in its own coordinates.
Changed: both faces of each plate; edges say which sides meet; lengths and pressures without units, outputs in units of
the largest pressure, which is exact for linear panels; the support of each side and blocks of pressure as features;
mirror images of a panel get mirrored stresses exactly, by the mean over mirrors with each plate's frame turned back.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.mlp import MLP
from surrogates.datasets import MeshSample
from surrogates.meshes.graph_sage import AGGREGATORS, GraphSAGE, PanelGraph
from surrogates.meshes.plate_features import KINDS, contact_features, plate_features, turned_axes
from surrogates.meshes.plate_grid import from_grid, joined, to_grid
from surrogates.meshes.plates import SIDES, contacts, find_plates
from surrogates.physics.errors import DomainError

_FIXED = 5 + len(KINDS) + 6
_NAMES = "xyz"


class PlateGraphNet(nn.Module):
    """Plates of panels -> von Mises stress on a grid of each plate, on both faces, over the largest pressure.

    Args:
        width, depth: of the GraphSAGE layers; depth at least the largest diameter of the panels' graphs.
        grid: points along e1 and e2. blocks: on which the pressure is told. hidden: width of the decoder.
        mirrors: axes of space whose mirrors commute with the network, () for none; the network runs for each image.
        aggregators: "mean", "max" or both.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        depth: int = 10,
        grid: Sequence[int] = (24, 12),
        blocks: Sequence[int] = (4, 4),
        hidden: int = 128,
        mirrors: Sequence[str] = ("x", "y"),
        aggregators: Sequence[str] = AGGREGATORS,
    ) -> None:
        super().__init__()
        if len(grid) != 2 or len(blocks) != 2 or min(grid) < 4 or min(blocks) < 1 or hidden < 1:
            raise DomainError(
                f"grid={list(grid)}, blocks={list(blocks)}, hidden={hidden}; give two numbers from 4, two from 1, "
                "and one from 1"
            )
        if not set(mirrors) <= set(_NAMES) or len(set(mirrors)) < len(mirrors):
            raise DomainError(f"mirrors={list(mirrors)}; give some of {', '.join(_NAMES)}, each once")
        self.arguments = {
            "width": width,
            "depth": depth,
            "grid": list(grid),
            "blocks": list(blocks),
            "hidden": hidden,
            "mirrors": list(mirrors),
            "aggregators": list(aggregators),
        }
        self.grid, self.blocks, self.depth = (int(grid[0]), int(grid[1])), (int(blocks[0]), int(blocks[1])), depth
        axes = [_NAMES.index(name) for name in mirrors]
        self.images = [c for size in range(len(axes) + 1) for c in combinations(axes, size)]
        self.n_features = _FIXED + 6 + self.blocks[0] * self.blocks[1] + 24
        self.n_edge_features = 2 * (SIDES + 2)
        self.trunk = GraphSAGE(
            features=self.n_features,
            edge_features=self.n_edge_features,
            width=width,
            depth=depth,
            aggregators=aggregators,
        )
        self.decode = MLP([width, hidden, 2 * self.grid[0] * self.grid[1]])

    def forward(self, graph: PanelGraph) -> Float[Tensor, "vertices 2 m n"]:
        """Side of n first, then the other."""
        y = self.decode(self.trunk(graph)).reshape(*graph.features.shape[:2], 2, *self.grid)
        for axis, place in ((3, 0), (4, 1), (2, 2)):  # e1 and e2 turned: the grid's axes; n turned: the faces
            turned = graph.turned[:, :, place, None, None, None]
            if bool(turned.any()):
                y = torch.where(turned, y.flip(axis), y)
        return y.mean(dim=1)

    def graph(self, sample: MeshSample, field: str | None = None) -> PanelGraph:
        """The graph of one panel, in double precision; with `field`, its values at the cells' corners as the target.

        Raises DomainError for meshes that are no plates (see plates and plate_features) or lack the field.
        """
        plates = find_plates(sample)
        told, meet = plate_features(sample, plates, self.blocks), contacts(plates, sample.points)
        target = None
        if field is not None:
            values = _corners(sample, field)
            target = torch.from_numpy(np.stack([to_grid(p, p.nodal(values), self.grid) for p in plates]))
        return PanelGraph(
            torch.from_numpy(np.stack([told.told(m) for m in self.images], axis=1)),
            torch.from_numpy(np.stack([contact_features(meet, told.axes, m) for m in self.images], axis=1)),
            torch.from_numpy(meet.senders),
            torch.from_numpy(meet.receivers),
            torch.from_numpy(np.stack([turned_axes(told.axes, m) for m in self.images], axis=1)),
            torch.zeros(len(plates), dtype=torch.long),
            torch.tensor([told.pressure], dtype=torch.float64),
            target,
            torch.tensor([sample.row]),
        )

    def at_nodes(self, sample: MeshSample, values: np.ndarray) -> np.ndarray:
        """Grids (plates, 2, m, n) -> the largest value at each node, of both faces of all plates there, (nodes,)."""
        plates = find_plates(sample)
        return joined(plates, [from_grid(p, v) for p, v in zip(plates, values, strict=True)], len(sample))


def _corners(sample: MeshSample, field: str) -> np.ndarray:
    found = sample.cell_fields.get(field, {}).get("quad")
    if found is None or np.shape(found)[1:] != (8,):
        raise DomainError(
            f"the mesh has no cell field {field!r} of eight numbers, the corners' values on the outer and inner face; "
            f"it has {', '.join(sample.cell_fields) or 'none'}"
        )
    return np.asarray(found, dtype=np.float64).reshape(-1, 4, 2)
