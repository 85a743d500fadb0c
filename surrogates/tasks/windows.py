"""Steps of trajectories as training samples: every place where the relative selections of a task fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from surrogates.physics.errors import DomainError

KEPT = 100_000_000  # numbers of all windows that are kept ready as tensors


@dataclass(frozen=True)
class Window:
    """A trajectory seen from its frame `t`; `packed` keeps what was made of it, where training reads it many times."""

    trajectory: Any
    t: int = 0
    packed: dict[str, Any] | None = field(default=None, compare=False, repr=False)


class Windows:
    """All windows of a data set of trajectories; one a trajectory where no selection is relative.

    Args:
        data: a Fields, or a list of Trajectory. span: first and last + 1 offset from `t` that a sample needs, or None.
    """

    def __init__(self, data: Any, span: tuple[int, int] | None) -> None:
        self.data, self.span = data, span
        self._packed: dict[int, dict[str, Any]] | None = None
        frames = len(data[0].times) if len(data) else 0
        self.starts = range(1) if span is None else range(-min(span[0], 0), frames - max(span[1], 1) + 1)
        if len(data) and not self.starts:
            assert span is not None
            raise DomainError(
                f"a sample spans frames t{span[0]:+d} to t{span[1] - 1:+d}, and the trajectories have {frames}; "
                "ask for fewer frames"
            )
        if hasattr(data, "row_hashes"):
            self.row_hashes = data.row_hashes

    @property
    def hash(self) -> str | None:
        """SHA-256 of the data set's content, None for a list."""
        return getattr(self.data, "hash", None)

    def __len__(self) -> int:
        return len(self.data) * len(self.starts)

    def __getitem__(self, index: int) -> Window:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        row, place = divmod(index % len(self), len(self.starts))
        packed = None if self._packed is None else self._packed.setdefault(index % len(self), {})
        return Window(self.data[row], self.starts[place], packed)

    def in_memory(self, limit: int) -> Windows:
        """The same with its trajectories read once, where there are at most `limit`."""
        if len(self.data) > limit:
            return self
        found = Windows([self.data[i] for i in range(len(self.data))], self.span)
        found._packed = {} if len(self) * _numbers(found) < KEPT else None
        return found

    def name(self, index: int) -> str:
        """How messages name a sample."""
        row, place = divmod(index, len(self.starts))
        return str(row) if self.span is None else f"{row} (t={self.starts[place]})"

    def first(self) -> Windows:
        """The first window of each trajectory alone."""
        found = Windows(self.data, self.span)
        found.starts = self.starts[:1]
        return found

    def some(self, count: int) -> Sequence[Window]:
        """At most `count` of them, drawn at random (the same each time): even steps would favour some frames."""
        if len(self) <= count:
            return [self[i] for i in range(len(self))]
        chosen = np.random.default_rng(0).choice(len(self), count, replace=False)
        return [self[i] for i in np.sort(chosen).tolist()]


def _numbers(windows: Windows) -> int:
    """Values that one window may use, from above."""
    first = windows.data[0]
    frames = 1 if windows.span is None else windows.span[1] - min(windows.span[0], 0)
    fields = sum(x[0].size for x in first.fields.values()) * (frames if windows.span else len(first.times))
    return int(fields + sum(x.size for x in first.constants.values()))
