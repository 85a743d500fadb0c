"""Signs of trouble at the nodes of a mesh, before any error is known.

At each node: how far the members disagree, how steep and how large the predicted field is, how coarse the mesh is, how
near and how far the border and each tagged set of nodes are. For the whole mesh: disagreement and size of the field.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.physics.meshes.boundary import boundary_nodes
from surrogates.tasks.mesh_inputs import distance, node_mass

_NEAR = 0.01  # of the mesh's size: distances below it are alike


@dataclass(frozen=True)
class _Places:
    """What a mesh brings: masses (nodes,), neighbours, their distances, and columns (nodes, k)."""

    mass: Tensor
    receivers: Tensor
    senders: Tensor
    apart: Tensor
    size: float
    columns: Tensor


@dataclass(frozen=True)
class MeshSignals:
    """Makes the table of signs.

    Args:
        tags: sets of nodes whose distance counts; a mesh that lacks one is far from it.
    """

    tags: tuple[str, ...]
    _kept: Any = field(default_factory=weakref.WeakKeyDictionary, repr=False, compare=False)

    @property
    def count(self) -> int:
        """Columns of the table."""
        return 6 + 2 * (len(self.tags) + 1)

    def __call__(self, said: Sequence[Tensor], sample: Any) -> Tensor:
        """(nodes, channels, count), positive, of what members say (nodes, channels) of a mesh; one has no scatter."""
        place = self._place(sample)
        stacked = torch.stack([s.double().cpu() for s in said])
        mean = stacked.mean(dim=0)
        apart = stacked.std(dim=0, correction=0) if len(stacked) > 1 else torch.zeros_like(mean)

        def whole(x: Tensor) -> Tensor:
            return ((place.mass[:, None] * x.square()).sum(dim=0) / place.mass.sum()).sqrt().expand_as(x)

        slopes = ((mean[place.senders] - mean[place.receivers]) / place.apart[:, None]).square()
        degrees = torch.bincount(place.receivers, minlength=len(mean)).clamp_min(1)
        steep = torch.zeros_like(mean).index_add(0, place.receivers, slopes) / degrees[:, None]
        floor = 1e-3 * whole(mean) + 1e-12
        own = [
            apart + 1e-2 * whole(apart),
            whole(apart),
            place.size * steep.sqrt() + floor,
            mean.abs() + 10 * floor,
            whole(mean),
        ]
        shared = place.columns[:, None, :].expand(-1, mean.shape[1], -1)
        return torch.cat([torch.stack(own, dim=-1), shared], dim=-1)

    def _place(self, sample: Any) -> _Places:
        if sample not in self._kept:
            self._kept[sample] = _places(sample, self.tags)
        found: _Places = self._kept[sample]
        return found

    def __deepcopy__(self, memo: Any) -> MeshSignals:
        return MeshSignals(self.tags)

    def __reduce__(self) -> tuple[Any, ...]:
        return MeshSignals, (self.tags,)


def _places(sample: Any, tags: Sequence[str]) -> _Places:
    senders, starts = sample.edges()
    receivers = np.repeat(np.arange(len(sample)), np.diff(starts))
    apart = np.linalg.norm(sample.points[senders] - sample.points[receivers], axis=1)
    size = float(np.linalg.norm(np.ptp(sample.points, axis=0))) or 1.0
    apart = np.maximum(apart, 1e-12 * size)
    degrees = np.maximum(np.diff(starts), 1)
    coarse = np.bincount(receivers, weights=apart, minlength=len(sample)) / degrees / size + 1e-6
    border = boundary_nodes(sample.cells, len(sample)) if sample.cells else np.zeros(len(sample), dtype=bool)
    sets = [border, *(sample.tags.get(name, np.zeros(len(sample), dtype=bool)) for name in tags)]
    columns = [coarse]
    for marked in sets:
        away = distance(sample, np.asarray(marked, dtype=bool)) / size + _NEAR
        columns += [away, 1 / away]
    return _Places(
        torch.from_numpy(node_mass(sample)),
        torch.from_numpy(receivers),
        torch.from_numpy(senders),
        torch.from_numpy(apart),
        size,
        torch.from_numpy(np.stack(columns, axis=1)),
    )
