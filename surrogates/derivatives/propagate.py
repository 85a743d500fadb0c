"""Taylor series of a function of x along directions, and its directional derivatives."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives import rules
from surrogates.derivatives.directions import Frame, SparseDirections
from surrogates.derivatives.guard import called
from surrogates.derivatives.jet import Jet
from surrogates.derivatives.rules.support import dense, full
from surrogates.physics.errors import DomainError

__all__ = ["HIGHEST", "jet", "propagate", "rules"]
HIGHEST = 6
"""Largest order of derivative."""


def propagate(
    u: Any,
    x: Tensor,
    directions: Tensor | SparseDirections,
    order: int,
    weights: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Taylor coefficients of u(x + t v) in t: the value (batch, outputs), then (V, batch, outputs) of t, ..., t^order.

    Args:
        u: from (batch, d) to (batch, outputs), of torch operations.
        x: (batch, d). directions: (V, d), (V, batch, d) or sparse ones. order: 1 to 6.
        weights: (V,); with them the last result is the sum over directions of weight times coefficient, of the value's
            shape, at a fraction of the cost (the collapsed top order).
    Raises DomainError for a `u` that cannot be called or followed, another order, half precision, or other sizes.
    """
    _check(u, x, directions, order)
    tangent: Tensor
    if isinstance(directions, SparseDirections):
        values = directions.values.to(x)
        frame = Frame(order, len(directions), weights, directions.indices)
        tangent = values.reshape(len(values), *[1] * (x.ndim - 1), -1)
    else:
        frame = Frame(order, len(directions), weights)
        tangent = directions.to(x)
        tangent = tangent.reshape(len(tangent), *[1] * (x.ndim + 1 - tangent.ndim), *tangent.shape[1:])
    sparse = frame.indices is not None
    higher: list[Tensor | None] = [tangent] + [None] * (order - 1)
    if order == 1 and not sparse:
        higher = [frame.collapse(tangent)]
    y = called(u, Jet.of(x, higher, frame, sparse=sparse))
    if not isinstance(y, Tensor):
        raise DomainError(f"u returned a {type(y).__name__}; it must return one tensor (batch, outputs)")
    if not isinstance(y, Jet):  # u does not depend on x
        y = Jet.of(y, [None] * order, frame)
    return _whole(dense(y))


def jet(u: Any, x: Tensor, directions: Tensor | SparseDirections, order: int) -> tuple[Tensor, ...]:
    """Derivatives d^k/dt^k u(x + t v): u(x) (batch, outputs), then (V, batch, outputs) for k = 1..order.

    Arguments and errors as in `propagate`; differentiable once more in the parameters of u.
    """
    series = propagate(u, x, directions, order)
    return tuple(c * math.factorial(k) for k, c in enumerate(series))


def _whole(y: Jet) -> tuple[Tensor, ...]:
    shape, frame = y.value.shape, y.frame
    found = [y.value]
    for n, c in enumerate(y.higher, start=1):
        summed = n == frame.order and frame.weights is not None
        lead = () if summed else (frame.count,)
        whole = full(c, shape, summed=summed)
        found.append(y.value.new_zeros((*lead, *shape)) if whole is None else whole)
    return tuple(found)


def _check(u: Any, x: Any, directions: Tensor | SparseDirections, order: int) -> None:
    if not callable(u):
        raise DomainError(f"u is a {type(u).__name__}; give a function or module from (batch, d) to (batch, outputs)")
    if type(order) is not int or not 1 <= order <= HIGHEST:
        raise DomainError(f"order {order} is not among 1 to {HIGHEST}; write the operator with lower derivatives")
    if not isinstance(x, Tensor) or x.dtype not in (torch.float32, torch.float64):
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise DomainError(f"x is {kind}; Taylor series need float32 or float64 (halves lose all digits): x.float()")
    if isinstance(directions, SparseDirections):
        return
    given: Any = tuple(directions.shape) if isinstance(directions, Tensor) else type(directions).__name__
    if not isinstance(directions, Tensor) or given[1:] not in (tuple(x.shape[-1:]), tuple(x.shape)):
        raise DomainError(
            f"directions are {given} and x is {tuple(x.shape)}; give a tensor (V, {x.shape[-1]}) or (V, batch, "
            f"{x.shape[-1]}), each with as many coordinates as x"
        )
