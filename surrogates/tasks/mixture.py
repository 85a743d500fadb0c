"""Labelled structures of several heads as one data set, and their batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from surrogates.datasets.batch import LabelledAtoms


@dataclass(frozen=True)
class HeadSample:
    """A labelled structure and the `head` that learns it."""

    head: str
    sample: Any

    @property
    def charge(self) -> float:
        """Total charge, e."""
        return float(self.sample.charge)


@dataclass(frozen=True)
class HeadBatch:
    """A batch of each head that has structures in it."""

    parts: Mapping[str, LabelledAtoms]

    def to(self, device: Any = None, dtype: Any = None) -> HeadBatch:
        """The same elsewhere."""
        return HeadBatch({head: part.to(device, dtype) for head, part in self.parts.items()})


class Mixture(Sequence[HeadSample]):
    """The rows of several data sets, one a head, the first head's first.

    Args:
        parts: labelled structures by head.
        shares: of each head in every epoch and, up to rounding, in every batch; by the sizes of the data when not
            given. An epoch always has as many rows as the data sets together; a set too small for its share is gone
            through several times, one too large in part, drawn anew each epoch.
    """

    def __init__(self, parts: Mapping[str, Any], shares: Mapping[str, float | int] | None = None) -> None:
        self.parts = dict(parts)
        self.shares = None if shares is None else {head: float(shares[head]) for head in self.parts}
        self._begins: dict[str, int] = {}
        total = 0
        for head, part in self.parts.items():
            self._begins[head] = total
            total += len(part)
        self._total = total

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each head."""
        return {head: len(part) for head, part in self.parts.items()}

    @property
    def hash(self) -> str:
        """SHA-256 over the heads' names and data."""
        digest = hashlib.sha256()
        for head, part in self.parts.items():
            digest.update(f"{head}:{getattr(part, 'hash', len(part))}|".encode())
        return digest.hexdigest()

    def row_hashes(self) -> list[str]:
        """The structures' hashes, which tell nothing of labels: a geometry in two heads is one geometry."""
        return [name for part in self.parts.values() if hasattr(part, "row_hashes") for name in part.row_hashes()]

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, index: Any) -> Any:
        head, row = self._place(int(index))
        return HeadSample(head, self.parts[head][row])

    def name(self, index: int) -> str:
        """Where a row is, for messages: its head, and its place in that head's data."""
        head, row = self._place(index)
        return f"{head}[{row}]"

    def counts(self) -> dict[str, int]:
        """Rows of each head in an epoch, together as many as there are; largest remainders are rounded up."""
        sizes = {head: n for head, n in self.sizes.items() if n}
        if self.shares is None:
            return sizes
        whole = sum(self.shares[head] for head in sizes)
        exact = {head: self._total * self.shares[head] / whole for head in sizes}
        found = {head: int(x) for head, x in exact.items()}
        rest = sorted(exact, key=lambda head: found[head] - exact[head])
        for head in rest[: self._total - sum(found.values())]:
            found[head] += 1
        return found

    def order(self, generator: torch.Generator) -> list[int]:
        """The rows of one epoch: random within each head, heads spread evenly over it."""
        places: list[tuple[float, int]] = []
        for head, count in self.counts().items():
            rows = self._drawn(head, count, generator)
            offset = torch.rand((), generator=generator, dtype=torch.float64).item()
            places += [((k + offset) / len(rows), row) for k, row in enumerate(rows)]
        return [row for _, row in sorted(places)]

    def chunks(self, size: int) -> Iterator[list[HeadSample]]:
        """All rows in order, at most `size` at once, one head at a time."""
        for head, part in self.parts.items():
            for begin in range(0, len(part), size):
                yield [HeadSample(head, part[i]) for i in range(begin, min(begin + size, len(part)))]

    def in_memory(self, largest: int) -> Mixture:
        """The same with sets of at most `largest` rows read into lists."""
        read = {h: [p[i] for i in range(len(p))] if len(p) <= largest else p for h, p in self.parts.items()}
        return Mixture(read, self.shares)

    def _place(self, index: int) -> tuple[str, int]:
        if not -self._total <= index < self._total:
            raise IndexError(index)
        index %= self._total
        head = next(h for h in reversed(self.parts) if self._begins[h] <= index and len(self.parts[h]))
        return head, index - self._begins[head]

    def _drawn(self, head: str, count: int, generator: torch.Generator) -> list[int]:
        n = len(self.parts[head])
        rows: list[int] = []
        while len(rows) < count:
            rows += torch.randperm(n, generator=generator).tolist()
        return [self._begins[head] + row for row in rows[:count]]
