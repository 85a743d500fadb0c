"""A function of one number meets a series: f(z) = sum over k of f_k w^k with w = z - z_0.

f_k = f^(k)(z_0) / k! come from a recurrence in k on tensors of the value's shape (`Local`), so the axis of directions
meets only the powers of w, (w^k)_n = sum over i of w_i (w^(k-1))_(n-i). The top coefficient enters as f_1 w_K, so that
it may be summed over directions already, and the powers of top order are summed before f_k multiplies them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from torch import Tensor

from surrogates.derivatives.directions import Frame
from surrogates.derivatives.fused import composed
from surrogates.derivatives.jet import Jet, forms, rule
from surrogates.derivatives.rules.support import gathered
from surrogates.derivatives.series import Coefficient, convolve, plus, times

Local = Callable[[Tensor, int], list[Coefficient]]
"""(z_0, order) -> [f_0, ..., f_order], the Taylor coefficients of f at z_0; a shorter list ends in zeros."""


def compose(z: Jet, local: Local) -> Jet:
    """f(z), by generated code where that can be had."""
    found = composed(z, local, eager)
    return eager(z, local) if found is None else found


def eager(z: Jet, local: Local) -> Jet:
    """f(z) in torch's own operations."""
    frame, top = z.frame, z.frame.order
    if z.support is not None:
        value, f = local(z.value, 0)[0], local(gathered(z.value, z.support), top)
    else:
        f = local(z.value, top)
        value = f[0]
    assert value is not None
    w: list[Coefficient] = [None, *z.higher]
    higher: list[Coefficient] = [times(c, f[1]) if len(f) > 1 else None for c in z.higher]
    power = w
    for k in range(2, len(f)):
        power = [convolve(w, power, n, first=1, last=n - k + 1) if n >= k else None for n in range(top + 1)]
        for n in range(k, top + 1):
            term = frame.collapse(power[n]) if n == top and not z.sparse else power[n]
            higher[n - 1] = plus(higher[n - 1], times(term, f[k]))
    return Jet.of(value, higher, frame, sparse=z.support)


def enter(local: Local, *names: str) -> None:
    """The rule of a function of one tensor under these names of torch."""
    rule(*forms(*names))(lambda input, inplace=False: compose(input, local))


def along(expression: Callable[[Any], Any]) -> Local:
    """The local coefficients of an expression in ordinary torch: its own series along z = z_0 + t."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        if order == 0:
            return [expression(z)]
        one = z.new_ones(1, *[1] * z.ndim)
        y = expression(Jet.of(z, [one] + [None] * (order - 1), Frame(order, 1)))
        if not isinstance(y, Jet):
            return [y]
        return [y.value, *(None if c is None else c.squeeze(0) for c in y.higher)]

    return local


def integral(f: Callable[[Tensor], Tensor], slope: Local) -> Local:
    """f' = g: f_(n+1) = g_n / (n + 1)."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        g = slope(z, order - 1) if order else []
        return [f(z), *(times(c, 1 / (n + 1)) for n, c in enumerate(g))]

    return local


def times_z(f: Callable[[Tensor], Tensor], factor: Local) -> Local:
    """f = z g: f_n = z g_n + g_(n-1)."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        g = factor(z, order) if order else []
        return [f(z), *(plus(times(c, z), before) for before, c in pairwise(g))]

    return local
