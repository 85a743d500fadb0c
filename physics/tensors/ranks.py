"""Ranks from a number, one number an axis, or the fraction of the dense parameters that the factors may hold.

A fraction counts everything that is stored, core and factors. Ranks are whole numbers, so the count misses the fraction
by a few per cent of it. An int is a rank, a float is a fraction: 1 and 1.0 are different. At the fraction 1.0 a Tucker
form is not of full rank, since its factors cost parameters too; for an exact form set the ranks to the shape.
The rules are those of TensorLy (tensorly.tucker_tensor.validate_tucker_rank and its siblings), so that a network of the
same description has the same shape there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from scipy.optimize import brentq

from surrogates.physics.errors import DomainError

Rank = int | float | Sequence[int]


def tucker_ranks(shape: Sequence[int], rank: Rank, *, unfactored: Sequence[int] = ()) -> tuple[int, ...]:
    """r_k = round(c d_k), at least 1, with c^N P + c sum d_k^2 = fraction P, P the product of the shape.

    `unfactored` axes keep r_k = d_k; their d_k^2 is charged, but they do not count in N.
    """
    if not _is_fraction(rank, shape):
        ranks = _given(rank, len(shape))
        return tuple(d if k in unfactored else min(r, d) for k, (r, d) in enumerate(zip(ranks, shape, strict=True)))
    total, squares = math.prod(shape), sum(d * d for d in shape)
    power = len(shape) - len(set(unfactored))

    def excess(c: float) -> float:
        return total * c**power + squares * c - float(rank) * total  # type: ignore[arg-type]

    c = brentq(excess, 0.0, 1.0) if excess(1.0) > 0 else 1.0
    return tuple(d if k in unfactored else max(round(c * d), 1) for k, d in enumerate(shape))


def cp_rank(shape: Sequence[int], rank: int | float) -> int:
    """round(fraction P / sum d_k), at least 1: the components, each with one vector an axis."""
    if not _is_fraction(rank, shape):
        return _given(rank, 1)[0]
    return max(round(rank * math.prod(shape) / sum(shape)), 1)


def train_ranks(shape: Sequence[int], rank: Rank, *, equal: bool = False) -> tuple[int, ...]:
    """The bonds inside a tensor train (one less than axes).

    In proportion to the mean (d_k + d_k+1) / 2 of the axes that a bond joins, or all `equal` to r with
    r^2 (inner d) + r (d_first + d_last) = fraction P.
    """
    if len(shape) < 2:
        return ()
    if not _is_fraction(rank, shape):
        return _given(rank, len(shape) - 1)
    bonds = [1.0 if equal else (a + b) / 2 for a, b in pairwise(shape)]
    square = sum(bonds[k - 1] * shape[k] * bonds[k] for k in range(1, len(shape) - 1))
    linear = shape[0] * bonds[0] + shape[-1] * bonds[-1]
    target = float(rank) * math.prod(shape)  # type: ignore[arg-type]
    root = math.sqrt(linear * linear + 4 * square * target)
    scale = 2 * target / (linear + root)  # of square s^2 + linear s = target, also where square = 0
    return tuple(max(round(scale * b), 1) for b in bonds)


def _is_fraction(rank: Rank, shape: Sequence[int]) -> bool:
    if not shape or any(d < 1 for d in shape):
        raise DomainError(f"a tensor of shape {tuple(shape)} has no ranks; every axis needs at least one entry")
    if not isinstance(rank, float):
        return False
    if not 0 < rank <= 1:
        raise DomainError(
            f"rank={rank} is a fraction of the dense parameters; give one above 0 and up to 1.0, or a whole number"
        )
    return True


def _given(rank: Rank, n: int) -> tuple[int, ...]:
    ranks = (rank,) * n if isinstance(rank, int) else tuple(rank) if isinstance(rank, Sequence) else ()
    if len(ranks) != n or any(isinstance(r, bool) or not isinstance(r, int) or r < 1 for r in ranks):
        raise DomainError(f"rank={rank}; give a fraction such as 0.1, one whole number from 1 up, or {n} of them")
    return ranks
