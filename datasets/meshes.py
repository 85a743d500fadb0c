"""Data sets of meshes with fields, each mesh of its own size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from torch.utils.data import Dataset

from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.mesh_store import open_meshes, save_meshes
from surrogates.datasets.split import split_rows
from surrogates.physics.errors import DomainError, FileError


class Meshes(Dataset[MeshSample]):
    """Meshes: map-style, picklable; an index gives a `MeshSample`, a slice or array a `Meshes`.

    Args:
        samples: alike in dimension, in the names and components of fields, and in the names of parameters; tags may
            be missing in some. A sequence is kept as it is, so it may read from files when it is looked at.
        provenance: JSON-able facts on where they come from; `description` is its text for people.
        units: of fields, parameters and "points", as text by name; those of the samples are added.
    Raises DomainError where samples do not fit together, naming the first that does not.
    """

    def __init__(
        self,
        samples: Iterable[MeshSample],
        *,
        provenance: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        self._samples: Sequence[MeshSample] = list(samples)
        self._rows = np.arange(len(self._samples))
        self.provenance = dict(provenance or {})
        self.units = {k: v for sample in self._samples[:1] for k, v in sample.units.items()} | dict(units or {})
        for k, sample in enumerate(self._samples):
            if (told := unlike(self._samples[0], sample)) is not None:
                raise DomainError(f"mesh {k} {told}; a data set holds meshes that are alike in all but size")

    @classmethod
    def open(cls, path: str | Path) -> Meshes:
        """The data set that was saved at `path`, a file or a folder; samples are read when they are looked at.

        Raises FileError where it is missing, damaged or of another kind.
        """
        stored = open_meshes(Path(path).absolute())
        firsts = stored.samples.firsts
        for k, first in enumerate(firsts):
            if (told := unlike(firsts[0], first)) is not None:
                raise FileError(f"{path}: the meshes of file {k} do not fit: the first {told}; make the data again")
        made = cls.__new__(cls)
        rows = np.arange(len(stored.samples))
        told_of = {"provenance": dict(stored.provenance), "units": dict(stored.units)}
        made.__setstate__({"samples": stored.samples, "rows": rows, **told_of})
        return made

    def save(self, path: str | Path) -> Path:
        """Write all rows to a file (.h5), or to a folder of files (a name without a suffix), whole or not at all.

        Raises FileError (disk full, for one), DomainError without rows.
        """
        return save_meshes(Path(path), self, provenance=self.provenance, units=self.units)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> MeshSample: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> Meshes: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self._samples[int(self._rows[index])]
        if not isinstance(index, slice):
            index = np.asarray(index) if len(index) else np.zeros(0, dtype=int)
        return self._like(self._rows[index])

    def __iter__(self) -> Iterator[MeshSample]:
        return (self[k] for k in range(len(self)))

    def __add__(self, other: Any) -> Meshes:  # type: ignore[override]
        if not isinstance(other, Meshes):
            return NotImplemented
        texts = [p.get("description", "") for p in (self.provenance, other.provenance)]
        provenance = {"description": "\n".join(t for t in texts if t)}
        return Meshes([*self, *other], provenance=provenance, units={**other.units, **self.units})

    def __repr__(self) -> str:
        if not len(self):
            return "Meshes(0 meshes)"
        sizes = [len(s) for s in self]
        nodes = f"{min(sizes)} to {max(sizes)}" if min(sizes) < max(sizes) else f"{sizes[0]}"
        return f"Meshes({len(self)} meshes in {self.dim} dimensions, {nodes} nodes, {', '.join(self.names)})"

    # what all meshes share

    @property
    def names(self) -> tuple[str, ...]:
        """Fields at nodes."""
        return tuple(self[0].fields) if len(self) else ()

    @property
    def cell_names(self) -> tuple[str, ...]:
        """Fields on cells."""
        return tuple(self[0].cell_fields) if len(self) else ()

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Named sets of nodes, of any of the meshes."""
        return tuple(dict.fromkeys(name for sample in self for name in sample.tags))

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Numbers that each mesh has."""
        return tuple(self[0].parameters) if len(self) else ()

    @property
    def dim(self) -> int:
        """Coordinates of a point."""
        return self._samples[0].dim if self._samples else 0

    @property
    def description(self) -> str:
        """Where the data come from, as text."""
        return str(self.provenance.get("description", f"{len(self)} meshes"))

    @property
    def quarantined(self) -> tuple[dict[str, str], ...]:
        """Files that a reader left out: file, place and reason of each."""
        return tuple(self.provenance.get("quarantined", ()))

    def parameter(self, name: str) -> np.ndarray:
        """A parameter of all meshes, (n,). Raises DomainError for a name that there is not."""
        if name not in self.parameter_names:
            known = ", ".join(self.parameter_names) or "none"
            raise DomainError(f"there is no parameter {name!r} in the data; there are {known}")
        return np.array([sample.parameters[name] for sample in self])

    # parts

    def split(self, *sizes: float | int, seed: int = 0) -> tuple[Meshes, ...]:
        """Parts of the given fractions or counts, disjoint, drawn at random; each keeps the order of the rows.

        A whole design goes to one part: meshes of one `group`, and those without one that have the same points.
        Raises DomainError where there are too few.
        """
        together = [sample.group or geometry_hash(sample) for sample in self]
        try:
            found = split_rows(together, together, sizes, seed=seed, method="group", gap=0)
        except DomainError as error:
            raise DomainError(str(error).replace("structures", "meshes")) from None
        return tuple(self._like(self._rows[rows]) for rows in found)

    def distinct(self) -> Meshes:
        """The first of each problem, repetitions left out."""
        first = {digest: row for row, digest in reversed(list(enumerate(self.row_hashes())))}
        return self[np.array(sorted(first.values()), dtype=int)]

    def in_memory(self, most: int) -> list[MeshSample] | Meshes:
        """The samples as a list, where there are no more than `most`."""
        return list(self) if len(self) <= most else self

    # identity

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all meshes and fields to the last bit, in order."""
        digest = hashlib.sha256()
        for sample in self:
            _problem(digest, sample)
            for name, values in sorted(sample.fields.items()):
                _add(digest, f"field {name}", values)
            for name, kinds in sorted({**sample.cell_fields, **sample.cell_tags}.items()):
                for kind, values in sorted(kinds.items()):
                    _add(digest, f"cells {name} {kind}", values)
        return digest.hexdigest()

    def row_hashes(self) -> list[str]:
        """SHA-256 of what determines each solution: mesh, tags, parameters, and how a history starts."""
        found = []
        for sample in self:
            digest = hashlib.sha256()
            _problem(digest, sample)
            if sample.times is not None:
                for name, values in sorted(sample.fields.items()):
                    _add(digest, f"start {name}", np.asarray(values)[0])
            elif not sample.parameters:  # loads may then be given as fields only
                for name, values in sorted(sample.fields.items()):
                    _add(digest, f"field {name}", values)
            found.append(digest.hexdigest())
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {"samples": self._samples, "rows": self._rows, "provenance": self.provenance, "units": self.units}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._samples, self._rows = state["samples"], state["rows"]
        self.provenance, self.units = state["provenance"], state["units"]

    def _like(self, rows: np.ndarray) -> Meshes:
        made = Meshes.__new__(Meshes)
        made.__setstate__({**self.__getstate__(), "rows": rows})
        return made


def unlike(first: MeshSample, other: MeshSample) -> str | None:
    """How `other` differs from `first` in what all meshes of a data set share; None where it does not."""
    if other.dim != first.dim:
        return f"has points in {other.dim} dimensions, the first {first.dim}"
    if (other.times is None) != (first.times is None):
        return "has times and the first has not, or the other way round"
    lead = 1 if first.times is None else 2
    for what, mine, theirs in (
        ("fields", set(first.fields), set(other.fields)),
        ("fields on cells", set(first.cell_fields), set(other.cell_fields)),
        ("parameters", set(first.parameters), set(other.parameters)),
    ):
        if mine != theirs:
            missing, more = ", ".join(sorted(mine - theirs)), ", ".join(sorted(theirs - mine))
            return " and ".join(
                [f"lacks the {what} {missing}"] * bool(missing) + [f"has the {what} {more} besides"] * bool(more)
            )
    for name, values in first.fields.items():
        if np.shape(other.fields[name])[lead:] != np.shape(values)[lead:]:
            return (
                f"has {np.shape(other.fields[name])[lead:]} components of {name}, the first {np.shape(values)[lead:]}"
            )
    return None


def geometry_hash(sample: MeshSample) -> str:
    """SHA-256 of points and cells: the design."""
    digest = hashlib.sha256()
    _geometry(digest, sample)
    return digest.hexdigest()


def _geometry(digest: Any, sample: MeshSample) -> None:
    _add(digest, "points", sample.points)
    for kind, cells in sorted(sample.cells.items()):
        _add(digest, kind, np.asarray(cells, dtype=np.int64))


def _problem(digest: Any, sample: MeshSample) -> None:
    _geometry(digest, sample)
    for name, marked in sorted(sample.tags.items()):
        _add(digest, f"tag {name}", marked)
    for name, value in sorted(sample.parameters.items()):
        _add(digest, f"parameter {name}", np.float64(value))


def _add(digest: Any, name: str, values: Any) -> None:
    array = np.ascontiguousarray(values)
    digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
