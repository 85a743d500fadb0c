"""One HDF5 file of meshes behind a checksum: there wholly or not at all, read sample by sample.

A file has a group for each column of `mesh_columns`: `values` of all samples one behind the other, `rows`, the samples
that they belong to, and `shapes` of each one's array; and as JSON in `about` groups, units and provenance.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from surrogates.datasets.adapters.whole_files import MESHES, proved, written_whole
from surrogates.datasets.mesh_columns import ROLES, Column, Key, entries, sample_of
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.shard import BLOCK
from surrogates.physics.errors import DomainError, FileError

FORMAT = 1
_WAITING = 2**25  # bytes that are kept before they are written
_CHUNK = 2**16  # numbers that HDF5 writes, reads and checks together


def write_file(
    path: Path, samples: Iterable[MeshSample], provenance: Mapping[str, Any], units: Mapping[str, str]
) -> None:
    """Write samples to `path`, replacing it. Raises DomainError for none or what cannot be stored, FileError."""
    columns: dict[Key, Column] = {}
    groups: list[str] = []
    sample_units: dict[str, int] = {}
    units_of = []
    with written_whole(path, MESHES) as temporary, h5py.File(temporary, "w", userblock_size=BLOCK) as file:
        waiting = 0
        for row, sample in enumerate(samples):
            for key, values in entries(sample):
                waiting += columns.setdefault(key, Column()).add(row, values)
            groups.append(sample.group)
            units_of.append(sample_units.setdefault(json.dumps(dict(sample.units)), len(sample_units)))
            if waiting > _WAITING:
                _flush(file, columns)
                waiting = 0
        if not groups:
            raise DomainError("a data set without meshes cannot be stored; keep at least one")
        _flush(file, columns)
        for number, (key, column) in enumerate(columns.items()):
            folder = file[f"{number:03d}"]
            folder.attrs.update(
                {"role": key.role, "name": key.name, "kind": key.kind, "units": units.get(key.name, "")}
            )
            folder.create_dataset("rows", data=np.array(column.rows, dtype=np.int64))
            folder.create_dataset(
                "shapes", data=np.array(column.shapes, dtype=np.int64).reshape(len(column.rows), key.axes)
            )
        about = {
            "format": FORMAT,
            "columns": [list(key) for key in columns],
            "groups": groups,
            "sample_units": [json.loads(u) for u in sample_units],
            "units_of": units_of,
            "units": dict(units),
            "provenance": dict(provenance),
        }
        try:
            text = json.dumps(about)
        except (TypeError, ValueError) as error:
            raise DomainError(f"provenance or units cannot be stored as JSON ({error}); keep plain values") from error
        file.create_dataset("about", data=text, dtype=h5py.string_dtype())


def _flush(file: h5py.File, columns: Mapping[Key, Column]) -> None:
    """Append what is waiting."""
    for number, (key, column) in enumerate(columns.items()):
        if not column.waiting:
            continue
        values = np.concatenate(column.waiting)
        column.waiting.clear()
        name = f"{number:03d}/values"
        if name not in file:
            chunk = -(-len(values) // -(-len(values) // _CHUNK)) if len(values) else 1
            narrow = key.role == "cells" and values.dtype == np.int64  # nodes are fewer than 2^31
            kind = np.dtype(np.int32) if narrow else values.dtype
            file.create_dataset(name, data=values, dtype=kind, maxshape=(None,), chunks=(chunk,), fletcher32=True)
        else:
            stored = file[name]
            stored.resize(len(stored) + len(values), axis=0)
            stored[len(stored) - len(values) :] = values


class StoredFile:
    """One of our files. Raises FileError where it is missing, damaged or foreign. Picklable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = _proved(path)
        self._file: h5py.File | None = None
        self._process = 0
        try:
            self._read_index()
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise FileError(f"{path}: not a readable data set of meshes ({error}); make it again") from error

    def __len__(self) -> int:
        return len(self._groups)

    def sample(self, index: int, *, row: int | None = None) -> MeshSample:
        """The sample at `index` of this file; `row` is its place in the whole data set. Raises FileError."""
        found = []
        try:
            for number, (key, rows, shapes, starts) in enumerate(self._columns):
                k = int(np.searchsorted(rows, index))
                if k < len(rows) and rows[k] == index:
                    flat = self._dataset(f"{number:03d}/values")[int(starts[k]) : int(starts[k + 1])]
                    values = flat.astype(np.dtype(key.dtype), copy=False).reshape(tuple(shapes[k]))
                    values.setflags(write=False)
                    found.append((key, values))
            units = self._units[self._units_of[index]]
            return sample_of(found, units=units, group=self._groups[index], row=index if row is None else row)
        except (OSError, KeyError, ValueError, TypeError, IndexError, DomainError) as error:
            raise FileError(f"{self.path}: mesh {index} cannot be read ({error}); make the file again") from error

    def _read_index(self) -> None:
        about = json.loads(self._dataset("about")[()])
        self.provenance, self.units = dict(about["provenance"]), dict(about["units"])
        self._groups = [str(g) for g in about["groups"]]
        self._units, self._units_of = list(about["sample_units"]), list(about["units_of"])
        if len(self._units_of) != len(self._groups):
            raise ValueError(f"{len(self._units_of)} units for {len(self._groups)} meshes")
        self._columns = []
        for number, told in enumerate(about["columns"]):
            key = Key(*told)
            if key.role not in ROLES or np.dtype(key.dtype).kind not in "fiubc":
                raise ValueError(f"column {number} is {told}")
            rows, shapes = (np.asarray(self._dataset(f"{number:03d}/{part}")[()]) for part in ("rows", "shapes"))
            sizes = shapes.reshape(len(rows), key.axes).prod(axis=1, dtype=np.int64)
            starts = np.concatenate([[0], np.cumsum(sizes)])
            total = self._dataset(f"{number:03d}/values").shape
            in_order = (np.diff(rows) > 0).all() and (not len(rows) or 0 <= rows[0] <= rows[-1] < len(self))
            if (shapes < 0).any() or total != (starts[-1],) or not in_order:
                raise ValueError(f"column {number} {key.role} {key.name} does not fit")
            self._columns.append((key, rows, shapes, starts))

    def _dataset(self, name: str) -> h5py.Dataset:
        if self._file is None or self._process != os.getpid():
            self._file, self._process = h5py.File(self.path, "r"), os.getpid()
        folder, _, last = name.rpartition("/")
        for link in (folder, name) if folder else (last,):
            if not isinstance(self._file.get(link, getlink=True), h5py.HardLink):
                raise ValueError(f"{link} is a link or missing, where an array is expected")
        found = self._file[name]
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise ValueError(f"{name} is no array of this file")
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}


def _proved(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(BLOCK)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not head.startswith(MESHES):
        raise FileError(
            f"{path}: not a data set of meshes of surrogates; meshes are read from our .h5 files or, by read_meshes, "
            "from vtu, vtk, msh, xdmf, inp and stl"
        )
    return proved(path)
