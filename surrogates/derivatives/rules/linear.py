"""Operations that are linear in the series: the same on every coefficient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogates.derivatives.columns import linear_and_columns
from surrogates.derivatives.jet import Jet, forms, frame_of, rule
from surrogates.derivatives.rules.products import multilinear
from surrogates.derivatives.rules.support import dense, full
from surrogates.derivatives.series import Coefficient


@rule(F.linear)
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """x W^T + b; sparse directions meet only their own columns of W."""
    if isinstance(weight, Jet) or not isinstance(input, Jet):
        y = multilinear(F.linear, input, weight) if isinstance(weight, Jet) else F.linear(input, weight)
        return y if bias is None else y + bias
    if isinstance(bias, Jet):
        return linear(input, weight) + bias
    frame = input.frame
    if input.support is None:
        value = F.linear(input.value, weight, bias)
        return Jet.of(value, [None if c is None else F.linear(c, weight) for c in input.higher], frame)
    value, found = linear_and_columns(input.value, weight, bias, input.support.flatten())
    columns = found.reshape(len(found), *input.support.shape).transpose(0, 1)  # (V, out, m)
    higher = [None if c is None else torch.einsum("v...m,vom->v...o", c, columns) for c in input.higher]
    higher[-1] = frame.collapse(higher[-1])
    return Jet.of(value, higher, frame)


@rule(*forms("sum"))
def total(input: Jet, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
    """Sum over axes; of sparse series the entries of the last axis."""
    ndim = input.value.ndim
    given = (dim,) if isinstance(dim, int) else tuple(dim or range(ndim))
    axes = sorted({d % max(ndim, 1) for d in given})
    if not input.sparse or ndim - 1 not in axes:
        behind = [a - ndim for a in axes]
        return everywhere(lambda x: x.sum(behind, keepdim=keepdim, dtype=dtype) if behind else x, input, mapped=True)
    frame, value = input.frame, input.value.sum(-1, keepdim=keepdim)
    higher = [None if c is None else c.sum(-1, keepdim=keepdim) for c in input.higher]
    higher[-1] = frame.collapse(higher[-1])
    summed = Jet.of(value, higher, frame)
    return total(summed, axes[:-1], keepdim, dtype=dtype) if len(axes) > 1 else summed


def everywhere(
    operation: Callable[[Tensor], Any], jet: Jet, *, value: Any = None, mapped: bool | Callable[[Tensor], Any] = False
) -> Any:
    """A linear operation on a tensor of the value's shape, on each coefficient; its result may be several tensors.

    An affine one gives its `value` apart. `mapped`: what does the same to each row of a tensor, at a fraction of vmap's
    cost; True for the operation itself.
    """
    jet = dense(jet)
    frame, value = jet.frame, operation(jet.value) if value is None else value
    many = torch.vmap(operation) if mapped is False else operation if mapped is True else mapped
    parts = []
    for n, c in enumerate(jet.higher, start=1):
        summed = n == frame.order and frame.weights is not None
        c = full(c, jet.value.shape, summed=summed)
        parts.append(None if c is None else operation(c) if summed else many(c))
    return _assembled(value, parts, jet)


def jointly(operation: Callable[..., Any], *operands: Any) -> Any:
    """An operation that is linear in all of its operands together, of which some may not depend on t."""
    frame = frame_of(operands)
    jets = [dense(x) if isinstance(x, Jet) else None for x in operands]
    values = [x if j is None else j.value for j, x in zip(jets, operands, strict=True)]
    parts: list[Any] = []
    for n in range(1, frame.order + 1):
        summed = n == frame.order and frame.weights is not None
        found = [None if j is None else full(j.higher[n - 1], j.value.shape, summed=summed) for j in jets]
        if all(c is None for c in found):
            parts.append(None)
            continue
        lead = () if summed else (frame.count,)
        zeros = [v.new_zeros(()).expand((*lead, *v.shape)) for v in values]
        inputs = [zero if c is None else c for zero, c in zip(zeros, found, strict=True)]
        parts.append(operation(*inputs) if summed else torch.vmap(operation)(*inputs))
    return _assembled(operation(*values), parts, next(j for j in jets if j is not None))


def _assembled(value: Any, parts: list[Any], like: Jet) -> Any:
    if isinstance(value, Tensor):
        return Jet.of(value, parts, like.frame)
    coefficients: list[list[Coefficient]] = [[None if p is None else p[i] for p in parts] for i in range(len(value))]
    pieces = [Jet.of(v, c, like.frame) for v, c in zip(value, coefficients, strict=True)]
    return pieces if isinstance(value, list) else tuple(pieces)
