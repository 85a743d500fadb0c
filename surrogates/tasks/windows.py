"""Steps of trajectories as training samples: every place where the relative selections of a task fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class Window:
    """A trajectory seen from its frame `t`."""

    trajectory: Any
    t: int = 0


class Windows:
    """All windows of a data set of trajectories; one a trajectory where no selection is relative.

    Args:
        data: a Fields, or a list of Trajectory. span: first and last + 1 offset from `t` that a sample needs, or None.
    """

    def __init__(self, data: Any, span: tuple[int, int] | None) -> None:
        self.data, self.span = data, span
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
        if hasattr(data, "hash"):
            self.hash = data.hash

    def __len__(self) -> int:
        return len(self.data) * len(self.starts)

    def __getitem__(self, index: int) -> Window:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        row, place = divmod(index % len(self), len(self.starts))
        return Window(self.data[row], self.starts[place])

    def in_memory(self, limit: int) -> Windows:
        """The same with its trajectories read once, where there are at most `limit`."""
        if isinstance(self.data, list) or len(self.data) > limit:
            return self
        return Windows([self.data[i] for i in range(len(self.data))], self.span)

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
        """At most `count` of them, spread evenly."""
        step = max(1, len(self) // count)
        return [self[i] for i in range(0, len(self), step)]
