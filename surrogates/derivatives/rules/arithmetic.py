"""Sums, products and quotients of series."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives.directions import Frame
from surrogates.derivatives.jet import Jet, forms, frame_of, plain, rule
from surrogates.derivatives.rules.support import dense, gathered, same
from surrogates.derivatives.series import Coefficient, convolve, plus, times


def add(a: Any, b: Any, alpha: float | int = 1) -> Any:
    """a + alpha b."""
    if alpha != 1:
        b = multiply(b, alpha) if isinstance(b, Jet) else b * alpha
    frame = frame_of((a, b))
    if not isinstance(b, Jet):
        return _like(a, a.value + b, b)
    if not isinstance(a, Jet):
        return _like(b, a + b.value, a)
    a, b = _pair(a, b)
    value = a.value + b.value
    higher = [
        plus(lined(x, a, value, summed), lined(y, b, value, summed))
        for x, y, summed in zip(a.higher, b.higher, _summed(frame, a.sparse), strict=True)
    ]
    return Jet.of(value, higher, frame, sparse=a.support)


def negative(a: Jet) -> Jet:
    """-a."""
    return Jet.of(-a.value, [None if c is None else -c for c in a.higher], a.frame, sparse=a.support)


def multiply(a: Any, b: Any) -> Jet:
    """c_n = sum over i of a_i b_(n-i)."""
    frame = frame_of((a, b))
    if not isinstance(b, Jet):
        return scaled(a, b)
    if not isinstance(a, Jet):
        return scaled(b, a)
    a, b = _pair(a, b)
    value, top = a.value * b.value, frame.order
    x, y = _aligned(a, value), _aligned(b, value)
    higher = [convolve(x, y, n) for n in range(1, top)]
    inner = convolve(x, y, top, first=1, last=top - 1)
    inner = inner if a.sparse else frame.collapse(inner)
    higher.append(plus(plus(times(x[0], y[top]), times(x[top], y[0])), inner))
    return Jet.of(value, higher, frame, sparse=a.support)


def divide(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    """q_n = (a_n - sum over k = 1..n of b_k q_(n-k)) / b_0; a quotient that is rounded is a constant."""
    if rounding_mode is not None:
        return torch.div(plain(a), plain(b), rounding_mode=rounding_mode)
    frame = frame_of((a, b))
    if not isinstance(b, Jet):
        return scaled(a, 1 / b)
    if not isinstance(a, Jet):
        a = constant(a, b)
    a, b = _pair(a, b)
    value, top = a.value / b.value, frame.order
    x, y = _aligned(a, value), _aligned(b, value)
    assert y[0] is not None
    inverse, q = 1 / y[0], [value if a.support is None else gathered(value, a.support)]
    for n in range(1, top + 1):
        inner = convolve(y, [*q, None], n, first=1, last=n - 1)
        inner = inner if n < top or a.sparse else frame.collapse(inner)
        rest = plus(inner, times(y[n], q[0]))
        q.append(times(plus(x[n], None if rest is None else -rest), inverse))
    return Jet.of(value, q[1:], frame, sparse=a.support)


def scaled(a: Jet, factor: Any) -> Jet:
    """A series times something that does not depend on t."""
    value = a.value * factor
    if isinstance(factor, Tensor) and factor.ndim:
        if a.support is not None:
            if factor.shape[-1] not in (1, value.shape[-1]) or a.value.shape[-1] != value.shape[-1]:
                return scaled(dense(a), factor)
            factor = gathered(factor.expand(*factor.shape[:-1], value.shape[-1]), a.support)
            factor = factor.reshape(len(factor), *[1] * (value.ndim - (factor.ndim - 1)), *factor.shape[1:])
        summed = _summed(a.frame, a.sparse)
        higher = [times(lined(c, a, value, s), factor) for c, s in zip(a.higher, summed, strict=True)]
    else:
        higher = [times(c, factor) for c in a.higher]
    return Jet.of(value, higher, a.frame, sparse=a.support)


def constant(value: Any, like: Jet) -> Jet:
    """Something that does not depend on t, as a series."""
    value = torch.as_tensor(value, dtype=like.value.dtype, device=like.value.device)
    return Jet.of(
        value.expand(torch.broadcast_shapes(value.shape, like.value.shape)),
        [None] * like.frame.order,
        like.frame,
        sparse=like.support,
    )


def lined(c: Coefficient, a: Jet, value: Tensor, summed: bool) -> Coefficient:
    """A coefficient with as many axes behind the directions as the value it will be combined into."""
    if c is None or summed:
        return c
    missing = value.ndim - (c.ndim - 1)
    return c.reshape(len(c), *[1] * missing, *c.shape[1:]) if missing else c


def _summed(frame: Frame, sparse: bool) -> list[bool]:
    """Of each higher coefficient, whether it has no axis of directions."""
    return [n == frame.order and frame.weights is not None and not sparse for n in range(1, frame.order + 1)]


def _aligned(a: Jet, value: Tensor) -> list[Coefficient]:
    first = a.value if a.support is None else gathered(a.value, a.support)
    summed = _summed(a.frame, a.sparse)
    return [first, *(lined(c, a, value, s) for c, s in zip(a.higher, summed, strict=True))]


def _pair(a: Jet, b: Jet) -> tuple[Jet, Jet]:
    """Both sparse on the same entries, or both dense."""
    if a.value.shape[-1:] == b.value.shape[-1:] and same(a.support, b.support):
        return a, b
    return dense(a), dense(b)


def _like(a: Jet, value: Tensor, other: Any) -> Jet:
    """The same higher coefficients with another value, which may have grown by broadcasting."""
    if a.sparse and value.shape[-1:] != a.value.shape[-1:]:
        a = dense(a)
    if value.shape == a.value.shape:
        return Jet.of(value, a.higher, a.frame, sparse=a.support)
    summed = _summed(a.frame, a.sparse)
    higher = [lined(c, a, value, s) for c, s in zip(a.higher, summed, strict=True)]
    return Jet.of(value, higher, a.frame, sparse=a.support)


def _swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, **named: function(b, a, **named)


def subtract(a: Any, b: Any, alpha: float | int = 1) -> Any:
    """a - alpha b."""
    return add(a, negative(b) if isinstance(b, Jet) else operator.neg(b), alpha)


rule(*forms("add", "__add__", "__radd__"))(add)
rule(*forms("sub", "subtract", "__sub__"))(subtract)
rule(*forms("rsub", "__rsub__"))(_swapped(subtract))
rule(*forms("mul", "multiply", "__mul__", "__rmul__"))(multiply)
rule(*forms("div", "divide", "true_divide", "__truediv__", "__div__"))(divide)
rule(*forms("__rtruediv__", "__rdiv__"))(_swapped(divide))
rule(*forms("neg", "negative", "__neg__"))(negative)
