"""Data sets of trajectories of fields on one grid, in memory or in files.

A data set is one file in The Well's layout, or a folder of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from torch.utils.data import Dataset

from surrogates.datasets.adapters.field_folders import open_fields
from surrogates.datasets.adapters.the_well_writer import About, write_well
from surrogates.datasets.field_hashes import fields_hash, problem_hash, start_hash
from surrogates.datasets.field_parts import FieldLayout, FieldPart, joined_layout, relaid
from surrogates.datasets.field_parts.arrays import part_of_arrays
from surrogates.datasets.field_parts.checks import check_trajectory
from surrogates.datasets.field_parts.memory import stacked
from surrogates.datasets.field_parts.moments import Moments, moments_of
from surrogates.datasets.split import split_rows
from surrogates.datasets.trajectory import Trajectory
from surrogates.physics.errors import DomainError, FileError


class Fields(Dataset[Trajectory]):
    """Trajectories: map-style, picklable; an index gives a `Trajectory`, a slice or array a `Fields`.

    Args:
        trajectories: at least one, alike in names, ranks, grid and number of frames (DomainError otherwise).
        provenance: JSON-able facts on where they come from; `description` is its text for people.
        units: of fields, parameters, "time" and "space", as text by name.
    """

    def __init__(
        self,
        trajectories: Iterable[Trajectory],
        *,
        provenance: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        given = list(trajectories)
        for k, t in enumerate(given):
            check_trajectory(t, f"trajectory {k}")
        part = stacked(given)
        self._set([part], np.arange(len(part)), provenance or {}, units or {}, (1, 1))

    def _set(
        self,
        parts: Sequence[FieldPart],
        rows: np.ndarray,
        provenance: Mapping[str, Any],
        units: Mapping[str, str],
        strides: tuple[int, int],
    ) -> None:
        self._parts, self._rows = tuple(parts), rows
        self.provenance, self.units = dict(provenance), dict(units)
        self._points, self._frames = strides
        self._ends = np.cumsum([len(p) for p in parts])

    @classmethod
    def of_parts(
        cls,
        parts: Sequence[FieldPart],
        *,
        names: Sequence[str] | None = None,
        provenance: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> Fields:
        """A data set of parts wherever they lie; `names` is what a message calls them. Raises DomainError."""
        joined_layout(parts, names or [f"part {k}" for k in range(len(parts))])
        made = cls.__new__(cls)
        made._set(parts, np.arange(sum(len(p) for p in parts)), provenance or {}, units or {}, (1, 1))
        return made

    @classmethod
    def from_arrays(
        cls,
        fields: Mapping[str, Any],
        *,
        times: Any = None,
        axes: Sequence[Any] | None = None,
        periodic: bool | Sequence[bool] = True,
        parameters: Mapping[str, Any] | None = None,
        constants: Mapping[str, Any] | None = None,
        mask: Any = None,
        provenance: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> Fields:
        """A data set of whole arrays, which are kept as they are (float32 and float64).

        Args:
            fields: (samples, frames, *space, *components) by name.
            times: of the frames; 0, 1, 2 ... if None.
            axes: coordinates along each axis of space; i/n if None, space then being what the field of fewest axes has.
            periodic: of all axes, or of each.
            parameters: one number a sample, or one for all, by name.
            constants: (samples, *space, *components), or (*space, *components) for all samples, by name.
            mask: (samples, *space) or (*space); True inside the domain.

        Raises DomainError where shapes do not fit together or a value is not finite (naming sample and time).
        """
        part = part_of_arrays(fields, times, axes, periodic, parameters or {}, constants or {}, mask)
        return cls.of_parts([part], provenance=provenance, units=units)

    @classmethod
    def open(cls, path: str | Path) -> Fields:
        """The data set at `path`: a file in The Well's layout, ours or another's, or a folder of them.

        Fields are read when they are looked at. Our files are checked against their checksums. Raises FileError.
        """
        stored = open_fields(Path(path).absolute())
        names = [part.name for part in stored.parts]
        return cls.of_parts(stored.parts, names=names, provenance=stored.provenance, units=stored.units)

    def save(self, path: str | Path) -> Path:
        """Write all rows to one file in The Well's layout, whole or not at all, with their statistics.

        Raises FileError (disk full, for one, or a name that does not end in .h5 or .hdf5).
        """
        path = Path(path)
        if path.suffix not in (".h5", ".hdf5"):
            raise FileError(f"{path}: a data set of fields is stored as HDF5; choose a name that ends in .h5 or .hdf5")
        if not len(self):
            raise DomainError("a data set without trajectories cannot be stored; keep at least one")
        shared = self._parts[0].shared if len(self._parts) == 1 else frozenset()
        write_well(path, iter(self), len(self), About(self.provenance, self.units, shared))
        return path

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Trajectory: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> Fields: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self._coarse(self._whole(int(self._rows[index])))
        if not isinstance(index, slice):
            index = np.asarray(index) if len(index) else np.zeros(0, dtype=int)
        return self._like(self._rows[index])

    def __iter__(self) -> Iterator[Trajectory]:
        return (self[k] for k in range(len(self)))

    def __add__(self, other: Any) -> Fields:  # type: ignore[override]
        if not isinstance(other, Fields):
            return NotImplemented
        if (self._points, self._frames) != (other._points, other._frames):
            raise DomainError("data sets thinned by .every(...) in different ways cannot be joined; join, then thin")
        joined_layout([*self._parts, *other._parts], self._part_names() + other._part_names())
        rows = np.concatenate([self._rows, other._rows + sum(len(p) for p in self._parts)])
        texts = [p.get("description", "") for p in (self.provenance, other.provenance)]
        made = Fields.__new__(Fields)
        description = {"description": "\n".join(t for t in texts if t)}
        made._set([*self._parts, *other._parts], rows, description, {**other.units, **self.units}, self._strides)
        return made

    def __repr__(self) -> str:
        fields = ", ".join(f"{k}: rank {r}" for k, r in self.ranks.items())
        space = " x ".join(str(len(axis)) for axis in self.axes)
        return f"Fields({len(self)} trajectories of {len(self.times)} frames, {space} points, {fields})"

    # What all trajectories share

    @property
    def names(self) -> tuple[str, ...]:
        """Fields with time."""
        return tuple(self._layout.fields)

    @property
    def constants(self) -> tuple[str, ...]:
        """Fields without time."""
        return tuple(self._layout.constants)

    @property
    def ranks(self) -> dict[str, int]:
        """0 for scalars, 1 for vectors, 2 for tensors: of every field, with time or without."""
        return {**self._layout.fields, **self._layout.constants}

    @cached_property
    def times(self) -> np.ndarray:
        """Of the frames (of the first trajectory, where they differ)."""
        return self[0].times if len(self) else np.zeros(0)

    @property
    def axes(self) -> tuple[np.ndarray, ...]:
        """Coordinates along each axis of space."""
        return tuple(axis[:: self._points] for axis in self._layout.axes)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Whether each axis closes on itself."""
        return self._layout.periodic

    @property
    def space(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Numbers that each trajectory has."""
        return self._layout.parameters

    @property
    def masked(self) -> bool:
        """Whether the trajectories have a mask."""
        return self._layout.masked

    @property
    def description(self) -> str:
        """Where the data come from, as text."""
        return str(self.provenance.get("description", f"{len(self)} trajectories"))

    # Values

    def stack(self, name: str) -> np.ndarray:
        """A field of all trajectories: (n, frames, *space, *components), without frames for a constant."""
        known = [*self.names, *self.constants]
        if name not in known:
            raise DomainError(f"there is no field {name!r} in the data; there are {', '.join(known)}")
        if not len(self):
            return np.zeros((0, 0, *self.space, *self._layout.components(name)))
        return np.stack([np.asarray(t.fields[name] if name in t.fields else t.constants[name]) for t in self])

    def parameter(self, name: str) -> np.ndarray:
        """A parameter of all trajectories, (n,); fields are not read."""
        if name not in self.parameter_names:
            known = ", ".join(self.parameter_names) or "none"
            raise DomainError(f"there is no parameter {name!r} in the data; there are {known}")
        return np.array([self._parts[p].parameters(r)[name] for p, r in map(self._place, self._rows.tolist())])

    @cached_property
    def statistics(self) -> dict[str, Moments]:
        """Mean and standard deviation of each field and component; as stored, or computed when first asked."""
        if self._is_whole and all(p.statistics is not None for p in self._parts):
            joined: dict[str, Moments] = {}
            for part in self._parts:
                for name, moments in (part.statistics or {}).items():
                    joined[name] = joined[name].joined(moments) if name in joined else moments
            return joined
        return moments_of(self)

    # Parts and thinner sets

    def every(self, points: int = 1, *, frames: int = 1) -> Fields:
        """Each `points`-th grid point along each axis of space, and each `frames`-th frame.

        Raises DomainError where a periodic axis cannot be thinned evenly.
        """
        if points < 1 or frames < 1:
            raise DomainError(f"every({points}, frames={frames}): give numbers from 1 up")
        for k, (n, periodic) in enumerate(zip(self.space, self.periodic, strict=True)):
            if points > 1 and (n < 2 * points or (periodic and n % points)):
                raise DomainError(
                    f"every({points}): axis {k} has {n} points{' and is periodic' if periodic else ''}; choose a "
                    "divisor that leaves two points or more"
                )
        made = self._like(self._rows)
        made._points, made._frames = self._points * points, self._frames * frames
        return made

    def with_periodic(self, periodic: tuple[bool, ...]) -> Fields:
        """The same data with another answer to which axes close on themselves."""
        made = self._like(self._rows)
        made._parts = tuple(relaid(p, replace(p.layout, periodic=periodic)) for p in self._parts)
        return made

    def split(self, *sizes: float | int, seed: int = 0) -> tuple[Fields, ...]:
        """Parts of the given fractions or counts, disjoint, drawn at random; each keeps the order of the rows.

        A trajectory is never cut. Trajectories of one group, and those that start alike (with other parameters, or
        repeated), go to one part. Raises DomainError where there are too few.
        """
        together = [t.group or start_hash(t) for t in (self._whole(int(r)) for r in self._rows)]
        try:
            found = split_rows(together, together, sizes, seed=seed, method="group", gap=0)
        except DomainError as error:
            raise DomainError(str(error).replace("structures", "trajectories")) from None
        return tuple(self._like(self._rows[rows]) for rows in found)

    # Identity

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all trajectories to the last bit, in order."""
        return fields_hash(self)

    def row_hashes(self) -> list[str]:
        """SHA-256 of how each trajectory starts, with its parameters; the same for thinned sets, see `field_hashes`."""
        return [problem_hash(self._whole(int(r))) for r in self._rows]

    def distinct(self) -> Fields:
        """The first row of each problem, repetitions left out."""
        first = {digest: row for row, digest in reversed(list(enumerate(self.row_hashes())))}
        return self[np.array(sorted(first.values()), dtype=int)]

    def __getstate__(self) -> dict[str, Any]:
        return {"set": (self._parts, self._rows, self.provenance, self.units, self._strides)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(*state["set"])

    @property
    def _layout(self) -> FieldLayout:
        return self._parts[0].layout

    @property
    def _strides(self) -> tuple[int, int]:
        return self._points, self._frames

    @property
    def _is_whole(self) -> bool:
        every_row = np.array_equal(self._rows, np.arange(sum(len(p) for p in self._parts)))
        return every_row and self._strides == (1, 1)

    def _part_names(self) -> list[str]:
        return [getattr(p, "name", f"part {k}") for k, p in enumerate(self._parts)]

    def _place(self, row: int) -> tuple[int, int]:
        part = int(np.searchsorted(self._ends, row, side="right"))
        return part, int(row - self._ends[part] + len(self._parts[part]))

    def _whole(self, row: int) -> Trajectory:
        part, inside = self._place(int(row))
        found = self._parts[part].trajectory(inside)
        return found if found.row == row else replace(found, row=row)

    def _coarse(self, t: Trajectory) -> Trajectory:
        if self._strides == (1, 1):
            return t
        points, frames = slice(None, None, self._points), slice(None, None, self._frames)
        space = (points,) * t.dim
        return replace(
            t,
            fields={k: np.asarray(v)[(frames, *space)] for k, v in t.fields.items()},
            times=t.times[frames],
            axes=self.axes,
            constants={k: np.asarray(v)[space] for k, v in t.constants.items()},
            mask=None if t.mask is None else t.mask[space],
        )

    def _like(self, rows: np.ndarray) -> Fields:
        made = Fields.__new__(Fields)
        made._set(self._parts, rows, self.provenance, self.units, self._strides)
        return made
