"""Operations that are linear in the series: the same on every coefficient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogates.derivatives.jet import Jet, forms, rule
from surrogates.derivatives.rules.support import dense, full, gathered


@rule(F.linear)
def linear(input: Any, weight: Tensor, bias: Tensor | None = None) -> Jet:
    """x W^T + b; sparse directions meet only their own columns of W."""
    if isinstance(weight, Jet) or isinstance(bias, Jet):
        from surrogates.derivatives.jet import unknown

        return unknown(F.linear, (input, weight, bias), {})
    value, frame = F.linear(input.value, weight, bias), input.frame
    if not input.sparse:
        return Jet.of(value, [None if c is None else F.linear(c, weight) for c in input.higher], frame)
    columns = gathered(weight, frame)  # (V, out, m)
    higher = [None if c is None else torch.einsum("v...m,vom->v...o", c, columns) for c in input.higher]
    higher[-1] = frame.collapse(higher[-1])
    return Jet.of(value, higher, frame)


@rule(*forms("sum"))
def total(input: Jet, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Jet:
    """Sum over axes; over the last one alone sparse series stay short."""
    last = input.value.ndim - 1
    if input.sparse and dim in (-1, last, (-1,), (last,), [-1], [last]) and input.value.ndim:
        frame, value = input.frame, input.value.sum(-1, keepdim=keepdim)
        higher = [None if c is None else c.sum(-1, keepdim=keepdim) for c in input.higher]
        higher[-1] = frame.collapse(higher[-1])
        return Jet.of(value, higher, frame)
    axes = tuple(range(input.value.ndim)) if dim is None else dim
    return everywhere(lambda x: x.sum(axes, keepdim=keepdim, dtype=dtype), input)


def everywhere(operation: Callable[[Tensor], Any], jet: Jet) -> Any:
    """A linear operation on a tensor of the value's shape, on each coefficient; its result may be several tensors."""
    jet = dense(jet)
    frame, value = jet.frame, operation(jet.value)
    many = torch.vmap(operation)
    summed = frame.weights is not None
    parts = []
    for n, c in enumerate(jet.higher, start=1):
        whole = summed and n == frame.order
        c = full(c, jet.value.shape, summed=whole)
        parts.append(None if c is None else operation(c) if whole else many(c))
    if isinstance(value, Tensor):
        return Jet.of(value, parts, frame)
    pieces = [Jet.of(v, [None if p is None else p[i] for p in parts], frame) for i, v in enumerate(value)]
    return type(value)(pieces) if type(value) in (list, tuple) else tuple(pieces)


def _enter(operation: Any) -> None:
    def follow(input: Jet, *args: Any, **kwargs: Any) -> Any:
        return everywhere(lambda x: operation(x, *args, **kwargs), input)

    rule(operation)(follow)


SHAPES = [
    *("reshape", "view", "unflatten", "flatten", "squeeze", "unsqueeze", "transpose", "permute", "movedim", "swapaxes"),
    *("t", "T", "mT", "expand", "expand_as", "broadcast_to", "narrow", "select", "unbind", "split", "tensor_split"),
    *("chunk", "flip", "roll", "diagonal", "repeat", "tile", "contiguous", "clone", "view_as", "reshape_as", "mean"),
    *("cumsum", "__getitem__", "index_select", "gather", "take_along_dim", "pad", "real", "to", "double", "float"),
]
for _operation in forms(*SHAPES):
    _enter(_operation)


def joined(operation: Callable[..., Tensor], tensors: Any, dim: int = 0) -> Jet:
    """cat or stack of series, some of which may not depend on t."""
    jets = [dense(t) if isinstance(t, Jet) else t for t in tensors]
    frame = next(j.frame for j in jets if isinstance(j, Jet))
    values = [j.value if isinstance(j, Jet) else j for j in jets]
    value, higher = operation(values, dim), []
    for n in range(1, frame.order + 1):
        summed = n == frame.order and frame.weights is not None
        found = [j.higher[n - 1] if isinstance(j, Jet) else None for j in jets]
        if all(c is None for c in found):
            higher.append(None)
            continue
        lead = () if summed else (frame.count,)
        whole = [
            v.new_zeros(*lead, *v.shape) if c is None else full(c, v.shape, summed=summed)
            for c, v in zip(found, values, strict=True)
        ]
        axis = dim if dim < 0 or summed else dim + 1
        higher.append(operation(whole, axis))
    return Jet.of(value, higher, frame)


rule(torch.cat, torch.concat, torch.concatenate)(lambda tensors, dim=0: joined(torch.cat, tensors, dim))
rule(torch.stack)(lambda tensors, dim=0: joined(torch.stack, tensors, dim))
