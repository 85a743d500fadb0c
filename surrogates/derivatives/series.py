"""Arithmetic of truncated Taylor series: sum over k of z_k t^k with z_k = None for zero.

z_0 has the value's shape, every other coefficient a leading axis of V directions in front of that (or of ones).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

Coefficient = Tensor | None
Series = Sequence[Coefficient]


def plus(a: Coefficient, b: Coefficient) -> Coefficient:
    """a + b."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


def times(a: Coefficient, b: Coefficient | float | int) -> Coefficient:
    """a * b."""
    return None if a is None or b is None else a * b


def convolve(a: Series, b: Series, n: int, first: int = 0, last: int | None = None) -> Coefficient:
    """sum over i = first..last of a_i b_(n-i), last = n unless given: the coefficient n of the product, or a part."""
    total = None
    for i in range(first, (n if last is None else last) + 1):
        total = plus(total, times(a[i], b[n - i]))
    return total


def squared(a: Series, n: int) -> Coefficient:
    """The coefficient n of a a: `convolve` with each pair taken once."""
    total = times(convolve(a, a, n, last=(n - 1) // 2), 2)
    return total if n % 2 else plus(total, times(a[n // 2], a[n // 2]))


def integrate(z: Series, slope: Series, n: int, last: int | None = None) -> Coefficient:
    """(1/n) sum over k = 1..last of k z_k g_(n-k): the coefficient n of y where y' = g z'."""
    total = None
    for k in range(1, (n if last is None else last) + 1):
        total = plus(total, times(times(z[k], slope[n - k]), k / n))
    return total
