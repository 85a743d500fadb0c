"""What a task knows of the meshes it was trained on, and its refusal of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class MeshFacts:
    """Of the training data; plain JSON.

    Args:
        dim: coordinates of a point. inputs, targets: frames and components of each selection. tags: all names of sets
            of nodes; always: those that each mesh has. units: by name, as far as they are given.
        fields, parameters: names that the task reads.
    """

    dim: int
    inputs: list[list[Any]]
    targets: list[list[Any]]
    tags: list[str]
    always: list[str]
    units: dict[str, str]
    fields: list[str]
    parameters: list[str]

    @classmethod
    def of(cls, data: Any, layouts: Sequence[Any], parameters: Sequence[str]) -> MeshFacts:
        """From a data set and the layouts of input and target."""
        tags: dict[str, int] = {}
        for k in range(len(data)):
            for name in data[k].tags:
                tags[name] = tags.get(name, 0) + 1
        fields = list(dict.fromkeys(b.name for layout in layouts for b in layout.blocks))
        units = {**data[0].units, **getattr(data, "units", {})}
        return cls(
            dim=int(data[0].dim),
            inputs=layouts[0].table(),
            targets=layouts[1].table(),
            tags=sorted(tags),
            always=sorted(name for name, count in tags.items() if count == len(data)),
            units={name: str(units[name]) for name in ("points", *fields, *parameters) if name in units},
            fields=fields,
            parameters=list(parameters),
        )

    @classmethod
    def from_plain(cls, facts: Mapping[str, Any]) -> MeshFacts:
        """What `plain` wrote."""
        return cls(**facts)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def refusal(self, sample: Any) -> str | None:
        """Why a mesh is not like the training data; None where it is."""
        if sample.dim != self.dim:
            return f"has points in {sample.dim} dimensions; the training data have {self.dim}"
        new = [name for name, marked in sample.tags.items() if name not in self.tags and np.asarray(marked).any()]
        if new:
            known = ", ".join(self.tags) or "none"
            return (
                f"has the tag {new[0]!r}, which no training mesh has ({known}): what it means was not learned; rename "
                "it, leave it away, or train on meshes that have it"
            )
        lacking = [name for name in self.always if name not in sample.tags]
        if lacking:
            return f"lacks the tag {lacking[0]!r}, which every training mesh has; mark its nodes (n,) bool"
        other = [n for n, unit in sample.units.items() if self.units.get(n, unit) != unit]
        if other:
            name = other[0]
            return (
                f"has {name} in {sample.units[name]!r}; the training data have it in {self.units[name]!r}: convert it"
            )
        return None

    def check(self, sample: Any, row: int) -> None:
        """Raises DomainError for a mesh unlike the training data."""
        if (why := self.refusal(sample)) is not None:
            raise DomainError(f"{named(row)} {why}")


def named(row: int) -> str:
    """How messages name a mesh."""
    return "the mesh" if row < 0 else f"mesh {row}"
