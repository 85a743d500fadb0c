"""Whether the meshes of a folder fit each other, and what is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from surrogates.datasets.adapters.door import Quarantined
from surrogates.datasets.adapters.mesh_tables import MeshTable
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.physics.errors import DomainError

_SCALE = 100.0  # between sizes of meshes in one unit


@dataclass(frozen=True)
class Fits:
    """What most meshes have, and all must.

    Args:
        dim, timed: coordinates, and whether there are times. kinds: of cells. fields, cell_fields: components by name.
        parameters, tags: names. size: middle one of the meshes' extents.
    """

    dim: int
    timed: bool
    kinds: tuple[str, ...]
    fields: Mapping[str, tuple[int, ...]]
    cell_fields: Mapping[str, tuple[int, ...]]
    parameters: tuple[str, ...]
    tags: tuple[str, ...]
    size: float

    @classmethod
    def of(cls, samples: Sequence[MeshSample], fields: Sequence[str] | None, tags: Sequence[str]) -> Fits:
        """By majority. Raises DomainError for fields and tags that no mesh has."""
        if not samples:
            return cls(0, False, (), {}, {}, (), (), 0.0)
        present = list(dict.fromkeys(n for s in samples for n in (*s.fields, *s.cell_fields)))
        marked = {n for s in samples for n in s.tags}
        for what, wanted, known in (("fields", fields or (), set(present)), ("tags", tags, marked)):
            if strangers := [n for n in wanted if n not in known]:
                raise DomainError(
                    f"no mesh has the {what} {', '.join(strangers)}; there are {', '.join(sorted(known)) or 'none'}"
                )
        half = len(samples) / 2
        chosen = present if fields is None else list(fields)
        node = {n: sum(n in s.fields for s in samples) for n in chosen}
        cell = {n: sum(n in s.cell_fields for s in samples) for n in chosen}
        named = Counter(n for s in samples for n in s.parameters)
        return cls(
            dim=_most(s.dim for s in samples),
            timed=_most(s.times is not None for s in samples),
            kinds=_most(tuple(sorted(s.cells)) for s in samples),
            fields={
                n: _most(_components(s, n) for s in samples if n in s.fields)
                for n, count in node.items()
                if count > half or (fields is not None and count >= max(1, cell[n]))
            },
            cell_fields={
                n: _most(_cell_components(s, n) for s in samples if n in s.cell_fields)
                for n, count in cell.items()
                if count > half or (fields is not None and count > node[n])
            },
            parameters=tuple(n for n, count in named.items() if count > half),
            tags=tuple(tags),
            size=float(np.median([_extent(s) for s in samples])),
        )

    def fault(self, sample: MeshSample) -> str | None:
        """Why a mesh does not fit; None where it does."""
        if sample.dim != self.dim:
            return f"has points in {sample.dim} dimensions, most have {self.dim}"
        if (sample.times is not None) != self.timed:
            return "has no times, where most have" if self.timed else "has times, where most have none"
        if (kinds := tuple(sorted(sample.cells))) != self.kinds:
            return f"has {' and '.join(kinds)} cells, most have {' and '.join(self.kinds)}"
        for wanted, has, components in (
            (self.fields, sample.fields, _components),
            (self.cell_fields, sample.cell_fields, _cell_components),
        ):
            for name, shape in wanted.items():
                if name not in has:
                    return f"lacks the field {name}; it has {', '.join(has) or 'none'}"
                if components(sample, name) != shape:
                    return f"has {components(sample, name) or 'no'} components of {name}, most have {shape or 'none'}"
        for what, needed, there in (
            ("parameter", self.parameters, sample.parameters),
            ("tag", self.tags, sample.tags),
        ):
            if missing := [n for n in needed if n not in there]:
                return f"lacks the {what} {missing[0]}; it has {', '.join(there) or 'none'}"
        extent = _extent(sample)
        if not self.size / _SCALE < extent < self.size * _SCALE:
            return f"is {extent:.4g} long, where others are {self.size:.4g}: perhaps in another unit"
        return None

    def trimmed(self, sample: MeshSample) -> MeshSample:
        """The mesh with what all have."""
        return replace(
            sample,
            fields={n: sample.fields[n] for n in self.fields},
            cell_fields={n: sample.cell_fields[n] for n in self.cell_fields},
            parameters={n: sample.parameters[n] for n in self.parameters},
        )


def told_of(
    samples: Sequence[MeshSample],
    names: Sequence[str],
    units: Mapping[str, str],
    table: MeshTable | None,
    out: Sequence[Quarantined],
    fits: Fits,
) -> list[str]:
    """Lines for people: what was read, in which units, and what was not."""
    nodes = [len(s) for s in samples]
    suffixes = dict.fromkeys(name.rpartition(".")[2] for name in names)
    lines = [
        f"{len(samples)} meshes ({', '.join(suffixes)}) in {fits.dim} dimensions, "
        f"{min(nodes)} to {max(nodes)} nodes, {' and '.join(fits.kinds)} cells"
    ]
    lines.append(f"points: {_span(s.points for s in samples)}, {_unit(units, 'points')}")
    for name, shape in fits.fields.items():
        lines.append(f"field {name}: {_count(shape)}, {_span(s.fields[name] for s in samples)}, {_unit(units, name)}")
    for name, shape in fits.cell_fields.items():
        values = (v for s in samples for v in s.cell_fields[name].values())
        lines.append(f"field {name} on cells: {_count(shape)}, {_span(values)}, {_unit(units, name)}")
    for name in fits.parameters:
        lines.append(
            f"parameter {name}: {_span(np.array([s.parameters[name]]) for s in samples)}, {_unit(units, name)}"
        )
    for name in dict.fromkeys(t for s in samples for t in s.tags):
        missing = [n for n, s in zip(names, samples, strict=True) if name not in s.tags]
        lines.append(f"tag {name}" + (f": not in {len(missing)} meshes, such as {missing[0]}" if missing else ""))
    if fits.timed:
        frames = [len(s.times) for s in samples if s.times is not None]
        lines.append(f"{min(frames)} to {max(frames)} frames, {_unit(units, 'time')}")
    if table is not None:
        used = {table.row(n) for n in (*names, *(q.file for q in out))}
        if spare := [k for k in table.rows if k not in used]:
            lines.append(f"{table.path.name} has {len(spare)} rows without a mesh, such as {spare[0]}")
    lines += [f"{len(out)} file{'s' * (len(out) > 1)} left out"] * bool(out)
    return lines + [f"  {q.file}: {q.reason}" for q in out[:5]] + ["  ..."] * (len(out) > 5)


def _most(values: Iterable[Hashable]) -> Any:
    return Counter(values).most_common(1)[0][0]


def _components(sample: MeshSample, name: str) -> tuple[int, ...]:
    return sample.fields[name].shape[1 if sample.times is None else 2 :]


def _cell_components(sample: MeshSample, name: str) -> tuple[int, ...]:
    return next(iter(sample.cell_fields[name].values())).shape[1:]


def _extent(sample: MeshSample) -> float:
    return float(np.ptp(sample.points, axis=0).max())


def _count(shape: tuple[int, ...]) -> str:
    return f"{' x '.join(map(str, shape))} components" if shape else "a number"


def _span(values: Iterable[np.ndarray]) -> str:
    ends = [(float(v.min()), float(v.max())) for v in values if v.size]
    return f"from {min(e[0] for e in ends):.4g} to {max(e[1] for e in ends):.4g}" if ends else "empty"


def _unit(units: Mapping[str, str], name: str) -> str:
    return f"in {units[name]}" if name in units else "unit not told"
