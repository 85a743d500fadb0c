"""Operations that are linear in each of several arguments: matrix products, einsum, convolution with a computed kernel.

The coefficient n of P(a, b) is the sum over i of P(a_i, b_(n-i)), and likewise for more arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives.jet import Jet, forms, frame_of, rule
from surrogates.derivatives.rules.support import dense, full
from surrogates.derivatives.series import Coefficient, plus

Product = Callable[..., Tensor]


def multilinear(product: Product, *operands: Any) -> Jet:
    """product(*operands), linear in each operand that is a jet; the others do not depend on t."""
    frame = frame_of(operands)
    jets = [dense(x) if isinstance(x, Jet) else None for x in operands]
    series = [_whole(j) if j is not None else [x] for j, x in zip(jets, operands, strict=True)]
    higher: list[Coefficient] = []
    for n in range(1, frame.order + 1):
        whole: Coefficient = None
        inner: Coefficient = None
        for orders in _splits(n, [len(s) - 1 for s in series]):
            parts = [s[k] for s, k in zip(series, orders, strict=True)]
            if any(p is None for p in parts):
                continue
            if n == frame.order and frame.weights is not None and n in orders:
                whole = plus(whole, product(*parts))  # the top coefficient, summed over directions already
                continue
            inner = plus(inner, torch.vmap(product, in_dims=tuple(0 if k else None for k in orders))(*parts))
        higher.append(plus(whole, frame.collapse(inner) if n == frame.order else inner))
    return Jet.of(product(*(s[0] for s in series)), higher, frame)


def _whole(jet: Jet) -> list[Coefficient]:
    shape, frame = jet.value.shape, jet.frame
    tops = [n == frame.order and frame.weights is not None for n in range(1, frame.order + 1)]
    return [jet.value, *(full(c, shape, summed=s) for c, s in zip(jet.higher, tops, strict=True))]


def _splits(n: int, limits: list[int]) -> Iterator[tuple[int, ...]]:
    """All ways to write n as a sum, one part an operand, none above its limit."""
    if not limits:
        if n == 0:
            yield ()
        return
    for first in range(min(n, limits[0]) + 1):
        for rest in _splits(n - first, limits[1:]):
            yield (first, *rest)


def _enter(*names: str) -> None:
    for operation in forms(*names):

        def follow(a: Any, b: Any, *args: Any, _of: Product = operation, **kwargs: Any) -> Jet:
            return multilinear(lambda x, y: _of(x, y, *args, **kwargs), a, b)

        rule(operation)(follow)


_enter("matmul", "__matmul__", "mm", "bmm", "mv", "dot", "inner", "outer", "ger", "vdot", "vecdot", "kron", "cross")
_enter("tensordot")
rule(*forms("__rmatmul__"))(lambda self, other: multilinear(torch.matmul, other, self))


@rule(torch.einsum)
def einsum(equation: str, *operands: Any) -> Jet:
    """Any number of operands, series among them."""
    given = operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    return multilinear(lambda *x: torch.einsum(equation, *x), *given)


@rule(*forms("bilinear"))
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """x W y + b."""
    y = multilinear(lambda a, b, w: torch.einsum("...i,oij,...j->...o", a, w, b), input1, input2, weight)
    return y if bias is None else y + bias


@rule(torch.linalg.multi_dot, torch.chain_matmul)
def multi_dot(tensors: Any, *more: Any) -> Any:
    """A product of several matrices."""
    return multilinear(
        lambda *x: torch.linalg.multi_dot(x), *(tensors if isinstance(tensors, list | tuple) else (tensors, *more))
    )


def _plus_product(*names: str, product: Callable[[Any, Any], Any]) -> None:
    """beta input + alpha product."""

    def follow(input: Any, a: Any, b: Any, *, beta: float | int = 1, alpha: float | int = 1) -> Any:
        y = product(a, b)
        y = y if alpha == 1 else y * alpha
        return y + (input if beta == 1 else input * beta) if beta else y

    rule(*forms(*names))(follow)


_plus_product("addmm", "addmv", "baddbmm", product=torch.matmul)
_plus_product("addr", product=torch.outer)
_plus_product("addbmm", product=lambda a, b: torch.bmm(a, b).sum(0))


@rule(*forms("addcmul"))
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float | int = 1) -> Any:
    """input + value tensor1 tensor2."""
    return input + value * (tensor1 * tensor2)


@rule(*forms("addcdiv"))
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float | int = 1) -> Any:
    """input + value tensor1 / tensor2."""
    return input + value * (tensor1 / tensor2)


@rule(*forms("lerp"))
def lerp(input: Any, end: Any, weight: Any) -> Any:
    """input + weight (end - input)."""
    return input + weight * (end - input)
