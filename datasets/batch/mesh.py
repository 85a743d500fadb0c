"""Meshes of different sizes side by side, as one graph without edges between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from surrogates.datasets.batch.csr import Csr


@dataclass(frozen=True, eq=False)
class MeshGraph:
    """Where the nodes are and who is whose neighbour.

    Args:
        points: at rest. patterns: sparse patterns by name; "edges", the sides of cells both ways, is always there.
        offsets: nodes offsets[k]:offsets[k + 1] belong to mesh k. moved: where the nodes are now, None where the mesh
            does not move.
    """

    points: Float[Tensor, "nodes dim"]
    patterns: Mapping[str, Csr]
    offsets: Int[Tensor, "_"]
    moved: Float[Tensor, "nodes dim"] | None = None

    def __len__(self) -> int:
        return self.points.shape[0]

    @property
    def edges(self) -> Csr:
        """The mesh's sides."""
        return self.patterns["edges"]

    @property
    def meshes(self) -> int:
        """How many there are."""
        return self.offsets.shape[0] - 1

    @cached_property
    def mesh_of(self) -> Int[Tensor, "nodes"]:
        """Which mesh each node belongs to."""
        return torch.repeat_interleave(torch.arange(self.meshes, device=self.offsets.device), self.offsets.diff())

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> MeshGraph:
        """The same on `device`, coordinates in `dtype`; itself where nothing changes, so that caches stay."""
        same_device = device is None or torch.device(device) == self.points.device
        if same_device and (dtype is None or dtype == self.points.dtype):
            return self
        return MeshGraph(
            self.points.to(device=device, dtype=dtype),
            {name: pattern.to(device) for name, pattern in self.patterns.items()},
            self.offsets.to(device=device),
            None if self.moved is None else self.moved.to(device=device, dtype=dtype),
        )

    @classmethod
    def joined(cls, parts: Sequence[MeshGraph]) -> MeshGraph:
        """Side by side; patterns are joined by name. At least one part, all with the same names."""
        ends = torch.stack([p.offsets[-1] for p in parts]).cumsum(0)
        begins = torch.cat([ends.new_zeros(1), ends[:-1]])
        offsets = [p.offsets[:-1] + b for p, b in zip(parts, begins, strict=True)]
        moved = [p.moved for p in parts if p.moved is not None]
        return cls(
            torch.cat([p.points for p in parts]),
            {name: Csr.joined([p.patterns[name] for p in parts]) for name in parts[0].patterns},
            torch.cat([*offsets, ends[-1:]]),
            torch.cat(moved) if len(moved) == len(parts) else None,
        )


@dataclass(frozen=True, eq=False)
class MeshBatch:
    """What a network on meshes reads, and what it shall answer.

    Args:
        values: input channels at nodes. graph: places and neighbours. target: channels wanted; None where only the
            input is known. counted: where an error counts; None for everywhere (values that are prescribed do not).
        mass: share of the domain that each node stands for, so that errors do not depend on refinement.
        parameters: numbers of each mesh; (meshes, 0) where there are none. rows: of the data set, for messages.
    """

    values: Float[Tensor, "nodes channels"]
    graph: MeshGraph
    target: Float[Tensor, "nodes targets"] | None
    counted: Bool[Tensor, "nodes targets"] | None
    mass: Float[Tensor, "nodes"]
    parameters: Float[Tensor, "meshes parameters"]
    rows: Int[Tensor, "meshes"] | None = field(default=None)

    def __len__(self) -> int:
        return self.graph.meshes

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> MeshBatch:
        """The same batch on `device`, its floating-point tensors in `dtype`."""
        moved: dict[str, Any] = {"graph": self.graph.to(device, dtype)}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor):
                moved[entry.name] = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
        return replace(self, **moved)
