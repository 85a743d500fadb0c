"""Sparse patterns as compressed rows: who reads from whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Csr:
    """The places of a sparse matrix of rows x columns; row i, a receiver, reads from the columns
    senders[starts[i]:starts[i + 1]]. All indices are int64: torch refuses others where they gather or scatter.

    Args:
        senders: columns, row by row. starts: where each row begins, and the end. columns: how many there are.
    """

    senders: Int[Tensor, "entries"]
    starts: Int[Tensor, "_"]
    columns: int

    def __len__(self) -> int:
        return self.senders.shape[0]

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.starts.shape[0] - 1

    @cached_property
    def receivers(self) -> Int[Tensor, "entries"]:
        """Row of each entry."""
        return torch.repeat_interleave(torch.arange(self.rows, device=self.starts.device), self.degrees)

    @property
    def degrees(self) -> Int[Tensor, "rows"]:
        """Entries of each row."""
        return self.starts.diff()

    @cached_property
    def transposed(self) -> tuple[Csr, Int[Tensor, "entries"]]:
        """The pattern of columns x rows, and the entry of this one that each of its entries is."""
        order = torch.argsort(self.senders, stable=True)
        counts = torch.bincount(self.senders, minlength=self.columns)
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Csr(self.receivers[order], starts, self.rows), order

    def to(self, device: torch.device | str | None = None) -> Csr:
        """The same pattern on `device`."""
        if device is None or torch.device(device) == self.senders.device:
            return self
        return Csr(self.senders.to(device), self.starts.to(device), self.columns)

    @classmethod
    def of_pairs(
        cls, receivers: Int[Tensor, "pairs"], senders: Int[Tensor, "pairs"], *, rows: int, columns: int | None = None
    ) -> Csr:
        """From pairs in any order; repetitions are dropped, columns ascend in each row."""
        columns = rows if columns is None else columns
        keys = torch.unique(receivers.long() * max(columns, 1) + senders.long())
        counts = torch.bincount(keys // max(columns, 1), minlength=rows)
        return cls(keys % max(columns, 1), torch.cat([counts.new_zeros(1), counts.cumsum(0)]), columns)

    @classmethod
    def joined(cls, parts: Sequence[Csr]) -> Csr:
        """Block-diagonal: the patterns side by side, none reading from another. At least one part."""
        columns = [0, *torch.tensor([p.columns for p in parts]).cumsum(0).tolist()]
        entries = [0, *torch.tensor([len(p) for p in parts]).cumsum(0).tolist()]
        senders = torch.cat([p.senders + c for p, c in zip(parts, columns[:-1], strict=True)])
        starts = [p.starts[:-1] + e for p, e in zip(parts, entries[:-1], strict=True)]
        return cls(senders, torch.cat([*starts, parts[0].starts.new_tensor([entries[-1]])]), columns[-1])
