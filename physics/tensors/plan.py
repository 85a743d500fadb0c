"""Sums over the indices of several tensors in an order that needs few operations, found once for each set of shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import opt_einsum
from torch import Tensor

EXHAUSTIVE = 6  # operands up to which every order is tried


def contract(equation: str, *operands: Tensor) -> Tensor:
    """Einstein sum, e.g. "ab,bc,cd->ad", pair by pair in the planned order. Differentiable; any dtype and device."""
    return _plan(equation, tuple(tuple(o.shape) for o in operands))(*operands, backend="torch")


def cost(equation: str, *shapes: Sequence[int]) -> float:
    """Operations that the planned order needs, counted as products of index sizes over all pairs (and sums)."""
    _, info = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=_search(len(shapes)))
    return float(info.opt_cost)


@lru_cache(maxsize=512)
def _plan(equation: str, shapes: tuple[tuple[int, ...], ...]) -> Callable[..., Tensor]:
    return opt_einsum.contract_expression(equation, *shapes, optimize=_search(len(shapes)))  # type: ignore[no-any-return]


def _search(operands: int) -> str:
    return "optimal" if operands <= EXHAUSTIVE else "branch-all"
