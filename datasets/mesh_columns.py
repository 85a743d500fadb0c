"""Meshes as flat columns: every named array of all samples in one row of numbers, with where each sample's begins.

A column holds one kind of array (the points, the triangles, a field, a tag, a parameter) of all samples that have it in
one type and number of axes; so meshes of any size, cells of any kinds and arrays that some lack fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from surrogates.datasets.mesh_sample import MeshSample
from surrogates.physics.errors import DomainError

ROLES = ("points", "cells", "fields", "cell_fields", "tags", "cell_tags", "parameters", "times")
_BY_KIND = ("cell_fields", "cell_tags")
_PLAIN = "fiubc"  # kinds of numbers that are stored


class Key(NamedTuple):
    """What a column holds: its role in the sample, the name, the kind of cell, the type and the number of axes."""

    role: str
    name: str
    kind: str
    dtype: str
    axes: int


@dataclass
class Column:
    """Arrays of some samples: `rows` are theirs, `shapes` those of their arrays, `waiting` what is not written yet."""

    rows: list[int] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    waiting: list[np.ndarray] = field(default_factory=list)

    def add(self, row: int, values: np.ndarray) -> int:
        """Bytes that are waiting more."""
        self.rows.append(row)
        self.shapes.append(values.shape)
        self.waiting.append(np.ascontiguousarray(values).ravel())
        return int(values.nbytes)


def entries(sample: MeshSample) -> Iterator[tuple[Key, np.ndarray]]:
    """Every array of a sample, with the column it belongs to. Raises DomainError for arrays of other than numbers."""
    yield _entry("points", "", "", sample.points)
    for kind, cells in sample.cells.items():
        yield _entry("cells", "", kind, cells)
    for name, values in sample.fields.items():
        yield _entry("fields", name, "", values)
    for name, values in sample.tags.items():
        yield _entry("tags", name, "", values)
    for role, named in (("cell_fields", sample.cell_fields), ("cell_tags", sample.cell_tags)):
        for name, kinds in named.items():
            if not kinds:  # a name on no cells
                yield _entry(role, name, "", np.zeros(0))
            for kind, values in kinds.items():
                yield _entry(role, name, kind, values)
    for name, number in sample.parameters.items():
        yield _entry("parameters", name, "", np.float64(number))
    if sample.times is not None:
        yield _entry("times", "", "", sample.times)


def sample_of(found: Sequence[tuple[Key, np.ndarray]], *, units: Mapping[str, str], group: str, row: int) -> MeshSample:
    """The sample whose arrays these are. Raises DomainError where they do not fit together."""
    parts: dict[str, Any] = {role: {} for role in ROLES}
    for key, values in found:
        if key.role in ("points", "times"):
            parts[key.role] = values
        elif key.role == "cells":
            parts["cells"][key.kind] = values
        elif key.role in _BY_KIND:
            kinds = parts[key.role].setdefault(key.name, {})
            if key.kind:
                kinds[key.kind] = values
        else:
            parts[key.role][key.name] = float(values) if key.role == "parameters" else values
    if isinstance(parts["points"], dict):
        raise DomainError(f"mesh {row} has no points")
    parts["times"] = None if isinstance(parts["times"], dict) else parts["times"]
    return MeshSample(**parts, units=dict(units), group=group, row=row)


def _entry(role: str, name: str, kind: str, values: Any) -> tuple[Key, np.ndarray]:
    array = np.asarray(values)
    if array.dtype.kind not in _PLAIN or array.dtype.itemsize > 16:
        raise DomainError(f"{role} {name or kind} are of type {array.dtype}; numbers and booleans can be stored")
    return Key(role, str(name), str(kind), array.dtype.str, array.ndim), array
