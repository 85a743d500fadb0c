"""What a decomposition gives back: the factors, and how much of the tensor they leave out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError

Factors = TypeVar("Factors")


@dataclass(frozen=True)
class Approximation(Generic[Factors]):
    """`error` = |A - approximation| / |A| in the Frobenius norm; of a zero tensor it is zero."""

    factors: Factors
    error: float
    converged: bool = True


def relative_error(approximate: Tensor, exact: Tensor) -> float:
    """|approximate - exact| / |exact|, Frobenius."""
    scale = torch.linalg.vector_norm(exact).item()
    return torch.linalg.vector_norm(approximate - exact).item() / scale if scale > 0 else 0.0


def kept_values(singular: Tensor, rank: int | None, budget: float) -> int:
    """How many descending singular values to keep: `rank`, or fewer while the squares of the lost fit `budget`."""
    tails = singular.square().flip(0).cumsum(0).flip(0)  # tails[k]: lost when k are kept
    needed = int((tails > budget).sum()) if budget > 0 else int((singular > 0).sum())
    return max(1, min(needed, len(singular) if rank is None else rank))


def check_target(rank: int | Sequence[int] | None, tolerance: float | None) -> float:
    """The tolerance, 0 where only ranks are given. Raises DomainError unless one of the two is given."""
    if rank is None and tolerance is None:
        raise DomainError("neither rank nor tolerance was given; say how large the factors may be, or how exact")
    if tolerance is not None and not 0 <= tolerance < 1:
        raise DomainError(f"tolerance={tolerance}; give the relative error that is allowed, from 0 up to 1")
    return tolerance or 0.0
