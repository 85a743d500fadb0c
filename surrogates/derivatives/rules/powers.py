"""Powers: the coefficients of z^p at z_0 are binomial(p, n) z_0^(p-n).

A whole p >= 0 ends the sum at n = p, so that x^2 and x^3 have all their derivatives at x = 0, where the recurrence
n z_0 y_n = ... divides by zero; for other p the coefficients at zero are infinite from n > p on, as derivatives are.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives.jet import Jet, forms, rule
from surrogates.derivatives.rules.arithmetic import multiply
from surrogates.derivatives.rules.compose import Local, compose, enter
from surrogates.derivatives.rules.support import dense
from surrogates.derivatives.series import Coefficient, times


def fixed(p: float | int) -> Local:
    """z^p for a number p."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        y: list[Coefficient] = [torch.pow(z, p)]
        binomial = 1.0
        for n in range(1, order + 1):
            binomial *= (p - n + 1) / n
            if binomial == 0:
                break
            y.append(binomial * torch.pow(z, p - n) if p != n else torch.full_like(z, binomial))
        return y

    return local


def root(f: Any, p: float | int) -> Local:
    """z^p with p = 1/2 or -1/2: y_1 = p y_0 / z, (n+1) y_(n+1) = (p - n) y_n / z; at zero infinite and not 0/0."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        y: list[Coefficient] = [f(z)]
        if order and y[0] is not None:
            y.append(0.5 / y[0] if p == 0.5 else p * y[0] / z)
        for n in range(1, order):
            y.append(times(times(y[n], (p - n) / (n + 1)), 1 / z))
        return y

    return local


def power(input: Any, exponent: Any) -> Any:
    """z^p, z^P with a tensor P, a^z and z^w."""
    if isinstance(exponent, Jet):
        return _exponential(input, exponent)
    if not isinstance(exponent, Tensor):
        return compose(input, fixed(exponent))
    if exponent.ndim == 0 and not exponent.requires_grad and not exponent.is_cuda:
        return compose(input, fixed(exponent.item()))
    return _tensor_power(input, exponent)


def _tensor_power(z: Jet, p: Tensor) -> Any:
    """z^P = 1 + P log z + ..., entry by entry with binomial(P, n) z^(P-n)."""

    def local(x: Tensor, order: int) -> list[Coefficient]:
        y, binomial = list[Coefficient]([torch.pow(x, p)]), torch.ones_like(p, dtype=x.dtype)
        for n in range(1, order + 1):
            binomial = binomial * (p - n + 1) / n
            y.append(torch.where(binomial == 0, 0.0, binomial * torch.pow(x, torch.where(binomial == 0, 0, p - n))))
        return y

    wide = dense(z if p.numel() == 1 else multiply(z, torch.ones_like(p, dtype=z.value.dtype)))
    return compose(wide, local)


def _exponential(base: Any, z: Jet) -> Any:
    """a^z = exp(z log a); 0^z has the coefficients of zero."""
    if isinstance(base, Jet):
        return torch.exp(z * torch.log(base))
    if isinstance(base, Tensor):
        y = torch.exp(z * torch.log(torch.where(base == 0, 1, base)))
        return torch.where(base == 0, torch.pow(base, z.value), y)
    if base == 0:
        return torch.pow(base, z.value) + 0 * z
    return torch.exp(z * math.log(base)) if base > 0 else torch.exp(z * torch.log(z.new_tensor(float(base))))


rule(*forms("pow", "__pow__", "float_power"))(power)
rule(*forms("__rpow__"))(lambda self, other: power(other, self))
square_root = root(torch.sqrt, 0.5)
enter(square_root, "sqrt")
enter(root(torch.rsqrt, -0.5), "rsqrt")
enter(fixed(2), "square")
enter(fixed(-1), "reciprocal")
