"""Directions along which a function is expanded, and what all series of one expansion share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class SparseDirections:
    """V directions with few entries each: `values` (V, m) at the positions `indices` (V, m) of the last axis.

    A direction's indices are distinct. Unit vectors e_i have m = 1, e_i + e_j and e_i - e_j have m = 2.
    """

    indices: Tensor
    values: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def dense(self, size: int) -> Tensor:
        """The same as (V, size)."""
        return self.values.new_zeros(len(self), size).scatter(1, self.indices, self.values)


@dataclass(frozen=True, eq=False)
class Frame:
    """What the series of one expansion share; series of two frames never meet.

    Args:
        order: K, the highest power of t.
        count: V, directions.
        weights: (V,) when of the top order only the sum over directions, with these weights, is wanted: it is carried
            collapsed, without an axis of directions (Collapsing Taylor Mode, arXiv:2505.13644).
        indices: (V, m) where the directions are sparse.
        graph: whether gradients were on when the expansion began.
        changed: memory of values that were changed in place -> the series that did it and its value before.
    """

    order: int
    count: int
    weights: Tensor | None = None
    indices: Tensor | None = None
    changed: dict[int, Any] = field(default_factory=dict)
    graph: bool = field(default_factory=torch.is_grad_enabled)

    def collapse(self, top: Tensor | None) -> Tensor | None:
        """The weighted sum over directions of a top coefficient (V, ...), where that is wanted."""
        if top is None or self.weights is None:
            return top
        return torch.tensordot(self.weights.to(top), top, dims=1)
