"""Steps of fields on meshes as training samples: every frame of every mesh where a task's selections fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates.physics.errors import DomainError
from surrogates.selection import Selection

NODES = 30_000  # of a batch without gradients


@dataclass(frozen=True, eq=False)
class MeshWindow:
    """A mesh seen from frame `t` of its times; `row` is its place in the data set."""

    sample: Any
    t: int = 0
    row: int = -1


class MeshWindows:
    """All windows of a data set of meshes; one a mesh where no selection is relative.

    Args:
        data: a Meshes, or a list of MeshSample. span: first and last + 1 offset from `t` that a window needs, or None.
    Raises DomainError where no window fits.
    """

    def __init__(self, data: Any, span: tuple[int, int] | None) -> None:
        self.data, self.span = data, span
        frames = [_frames(data[k]) for k in range(len(data))] if span is not None else [1] * len(data)
        starts = [_starts(n, span) for n in frames]
        self._ends = np.cumsum([len(s) for s in starts])
        self._first = starts[0].start if starts else 0
        if len(data) and not len(self):
            assert span is not None
            raise DomainError(
                f"a sample spans frames t{span[0]:+d} to t{span[1] - 1:+d}, and the meshes have at most "
                f"{max(frames)}; ask for fewer frames, or give data with times"
            )
        if hasattr(data, "row_hashes"):
            self.row_hashes = data.row_hashes

    @property
    def hash(self) -> str | None:
        """SHA-256 of the data set's content, None for a list."""
        return getattr(self.data, "hash", None)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> MeshWindow:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        row, t = self.place(index % len(self))
        return MeshWindow(self.data[row], t, row)

    def place(self, index: int) -> tuple[int, int]:
        """Row of the data set and frame `t` of a window."""
        row = int(np.searchsorted(self._ends, index, side="right"))
        return row, self._first + index - (int(self._ends[row - 1]) if row else 0)

    def in_memory(self, limit: int) -> MeshWindows:
        """The same with its meshes read once, where there are at most `limit`."""
        if len(self.data) > limit or isinstance(self.data, list):
            return self
        return MeshWindows([self.data[k] for k in range(len(self.data))], self.span)

    def name(self, index: int) -> str:
        """How messages name a window."""
        row, t = self.place(index)
        return str(row) if self.span is None else f"{row} (t={t})"

    def chunks(self, size: int) -> Iterator[list[MeshWindow]]:
        """All windows, at most `size` and about NODES nodes at once, for validation."""
        yield from chunked((self[k] for k in range(len(self))), size)

    def first(self) -> list[MeshWindow]:
        """The first window of each mesh that has one."""
        begins = np.concatenate([[0], self._ends[:-1]])
        return [self[int(k)] for k, end in zip(begins, self._ends, strict=True) if k < end]

    def some(self, count: int) -> Sequence[MeshWindow]:
        """At most `count` of them, drawn at random (the same each time), of one mesh after another."""
        if len(self) <= count:
            return [self[k] for k in range(len(self))]
        chosen = np.random.default_rng(0).choice(len(self), count, replace=False)
        return [self[int(k)] for k in np.sort(chosen)]


def chunked(windows: Iterable[MeshWindow], size: int = NODES) -> Iterator[list[MeshWindow]]:
    """Windows in lists of at most `size`, and of at most NODES nodes where one mesh alone has not more."""
    chunk: list[MeshWindow] = []
    nodes = 0
    for window in windows:
        if chunk and (len(chunk) == size or nodes + len(window.sample) > NODES):
            yield chunk
            chunk, nodes = [], 0
        chunk.append(window)
        nodes += len(window.sample)
    if chunk:
        yield chunk


def values(sample: Any, selection: Selection, t: int = 0) -> np.ndarray:
    """What is selected of a MeshSample, (frames, nodes, *components). Raises DomainError for an unknown field."""
    name = selection.name
    if name not in sample.fields:
        raise DomainError(f"there is no field {name!r} on the mesh; there are {', '.join(sample.fields) or 'none'}")
    field, steady = sample.fields[name], sample.times is None
    if steady and (selection.relative or selection.first not in (None, 0, -1)):
        raise DomainError(f"{selection}: the mesh has no times; write {name!r} alone")
    if steady:
        return np.asarray(field)[None]
    if selection.first is None and selection.stop is None and selection.single and len(field) > 1:
        raise DomainError(
            f"{name!r} has {len(field)} frames; say which: {name}[0], {name}[-1], {name}[:] for all, or {name}[t]"
        )
    frames = selection.frames(len(field), t)
    return np.asarray(field[frames.start : frames.stop])


def _frames(sample: Any) -> int:
    return 0 if sample.times is None else len(sample.times)


def _starts(frames: int, span: tuple[int, int] | None) -> range:
    """Frames `t` that have all that a window needs."""
    return range(1) if span is None else range(-min(span[0], 0), frames - max(span[1], 1) + 1)
