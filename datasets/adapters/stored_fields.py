"""Trajectories in an HDF5 file, read when they are looked at and no sooner.

The Well's files and PDEBench's are both described by what each field is made of.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from surrogates.datasets.adapters.door import door
from surrogates.datasets.field_parts.layout import FieldLayout, require_finite
from surrogates.datasets.field_parts.moments import Moments
from surrogates.datasets.stored_array import StoredArray
from surrogates.datasets.trajectory import Trajectory

AT_ONCE = 2**25  # bytes of one field of one trajectory; larger ones are read frame by frame
OPEN_FILES = 64


@dataclass(frozen=True)
class Source:
    """Where one field lies.

    Args:
        paths: of its HDF5 datasets; several are its components. "{row}" in a path stands for the row's name.
        rank: of the field. sample, time: whether it has these leading axes.
        varying: along which axes of space it changes; along the others it is stored once (length 1, or no axis).
        channel: of the dataset's last axis, where several fields share a dataset; None where it is all one field's.
    """

    paths: tuple[str, ...]
    rank: int
    sample: bool
    time: bool
    varying: tuple[bool, ...]
    channel: int | None = None


@dataclass(frozen=True, eq=False)
class StoredPart:
    """One file as a part of a data set; picklable, each process opens the file itself.

    Args:
        path: of the file. layout: what its trajectories share. sources: of every field and constant, and of "mask".
        rows: how many. times: (rows or 1, frames). numbers: parameters, (rows,) each.
        row_names: of the groups that hold one trajectory each; () where all share their datasets.
        groups: of the trajectories; () for none. stored: moments stored in the file.
    """

    path: Path
    layout: FieldLayout
    sources: Mapping[str, Source]
    rows: int
    times: np.ndarray
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    row_names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    stored: Mapping[str, Moments] | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    @property
    def statistics(self) -> Mapping[str, Moments] | None:
        return self.stored

    @property
    def shared(self) -> frozenset[str]:
        """Constants that are the same for all rows."""
        return frozenset(k for k, s in self.sources.items() if not s.sample and not self.row_names)

    def __len__(self) -> int:
        return self.rows

    def parameters(self, row: int) -> dict[str, float]:
        return {k: float(v[row]) for k, v in self.numbers.items()}

    def trajectory(self, row: int) -> Trajectory:
        return Trajectory(
            fields={k: self._field(k, row) for k in self.layout.fields},
            times=self._times(row),
            axes=self.layout.axes,
            periodic=self.layout.periodic,
            parameters=self.parameters(row),
            constants={k: self._read(k, row, None) for k in self.layout.constants},
            mask=self._read("mask", row, None) > 0.5 if self.layout.masked else None,
            group=self.groups[row] if self.groups else "",
            row=row,
        )

    def _times(self, row: int) -> np.ndarray:
        return self.times[row if len(self.times) > 1 else 0]

    def _field(self, name: str, row: int) -> Any:
        shape = (self.layout.frames, *self.layout.space, *self.layout.components(name))
        kind = self._dtype(name, row)
        if np.prod(shape) * kind.itemsize <= AT_ONCE:
            return self._read(name, row, slice(0, self.layout.frames))
        return StoredArray(shape, kind, _Frames(self, name, row))

    def _dtype(self, name: str, row: int) -> np.dtype:
        with door(self.path, reader="HDF5", place=name):
            return np.result_type(*{_floating(d.dtype) for d in self._datasets(name, row)})

    def _datasets(self, name: str, row: int) -> list[h5py.Dataset]:
        own = self.row_names[row] if self.row_names else ""
        return [_opened(self.path)[path.replace("{row}", own)] for path in self.sources[name].paths]

    def _read(self, name: str, row: int, frames: slice | None) -> np.ndarray:
        """(frames, *space, *components), or without frames for a constant; finite."""
        source, dim = self.sources[name], self.layout.dim
        index: tuple[Any, ...] = ((row,) if source.sample else ()) + ((frames,) if source.time else ())
        index += () if source.channel is None else (..., source.channel)
        with door(self.path, reader="HDF5", place=f"{name} of trajectory {row}"):
            parts = [np.asarray(dataset[index]) for dataset in self._datasets(name, row)]
            array = np.stack(parts, axis=-1) if len(parts) > 1 or _bare(parts[0], source, dim) else parts[0]
            array = _shaped(array, source, self.layout)
        count = None if frames is None else frames.stop - frames.start
        if count is not None and not source.time:
            array = np.broadcast_to(array, (count, *array.shape))
        array = array.astype(_floating(array.dtype), copy=False)
        where = f"sample {row} of {self.path}"
        require_finite(array, name, where, None if frames is None else self._times(row), frames.start if frames else 0)
        return array


@dataclass(frozen=True)
class _Frames:
    """Reads frames of one field of one trajectory; picklable."""

    part: StoredPart
    name: str
    row: int

    def __call__(self, frames: slice) -> np.ndarray:
        return self.part._read(self.name, self.row, frames)


def _bare(array: np.ndarray, source: Source, dim: int) -> bool:
    """A vector without its component axis: in one dimension, where Vx is all there is."""
    return dim == 1 and source.rank == 1 and array.ndim == 1 + int(source.time)


def _shaped(array: np.ndarray, source: Source, layout: FieldLayout) -> np.ndarray:
    """Full axes of space and of components, as views."""
    lead = int(source.time)
    components = (layout.dim,) * source.rank
    stored_components = components
    if source.rank > 1 and array.ndim and array.shape[-1] == layout.dim**source.rank:
        stored_components = (array.shape[-1],)
    spatial = array.ndim - lead - len(stored_components)
    stored_space = array.shape[lead : lead + spatial]
    if spatial == layout.dim:
        full = stored_space
    else:
        present = iter(stored_space)
        full = tuple(next(present) if v else 1 for v in source.varying)
    array = array.reshape(*array.shape[:lead], *full, *components)
    return np.broadcast_to(array, (*array.shape[:lead], *layout.space, *components))


def _floating(kind: np.dtype) -> np.dtype:
    """float32 and float64 as they are (in this machine's byte order), half precision as float32, others as float64."""
    return np.dtype(np.float32 if kind.kind == "f" and kind.itemsize <= 4 else np.float64)


def _opened(path: Path) -> h5py.File:
    state = os.stat(path)
    return _handle(path, state.st_mtime_ns, state.st_size, os.getpid())


@lru_cache(maxsize=OPEN_FILES)
def _handle(path: Path, changed: int, size: int, process: int) -> h5py.File:
    return h5py.File(path, "r")


def texts(values: Any) -> list[str]:
    """A list of names in an attribute, however HDF5 stored it."""
    found: Sequence[Any] = np.atleast_1d(values).tolist()
    return [v.decode() if isinstance(v, bytes) else str(v) for v in found]
