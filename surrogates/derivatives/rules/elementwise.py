"""Local Taylor coefficients f_n = f^(n)(z) / n! of smooth functions, each by a recurrence in n.

The value f_0 is always torch's own function, so that a series starts with exactly what the module computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogates.derivatives.jet import forms, plain, rule
from surrogates.derivatives.rules.compose import Local, along, compose, enter, integral, times_z
from surrogates.derivatives.series import Coefficient, plus, squared, times


def riccati(f: Callable[[Tensor], Tensor], a: float | int, b: float | int, c: float | int) -> Local:
    """y' = a + b y + c y^2: (n+1) y_(n+1) = a [n=0] + b y_n + c sum over i of y_i y_(n-i)."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        y: list[Coefficient] = [f(z)]
        for n in range(order):
            following = times(y[n], b / (n + 1)) if b else None
            if c:
                following = plus(following, times(squared(y, n), c / (n + 1)))
            y.append(following + a if a and n == 0 and following is not None else following)
        return y

    return local


def oscillator(
    f: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor], sign: float | int, rate: float | int = 1.0
) -> Local:
    """y'' = sign rate^2 y: (n+2) (n+1) y_(n+2) = sign rate^2 y_n."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        y: list[Coefficient] = [f(z), slope(z)] if order else [f(z)]
        for n in range(order - 1):
            y.append(times(y[n], sign * rate**2 / ((n + 2) * (n + 1))))
        return y

    return local


def logarithm(f: Callable[[Tensor], Tensor], scale: float | int) -> Local:
    """f = scale log z: f_1 = scale / z, (n+1) f_(n+1) = -n f_n / z."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        y: list[Coefficient] = [f(z), scale / z] if order else [f(z)]
        for n in range(1, order):
            y.append(times(times(y[n], -n / (n + 1)), 1 / z))
        return y

    return local


def bell_curve(scale: float | int, rate: float | int) -> Local:
    """y = scale exp(-rate z^2), y' = -2 rate z y: (n+1) y_(n+1) = -2 rate (z y_n + y_(n-1))."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        y: list[Coefficient] = [scale * torch.exp(-rate * z * z)]
        for n in range(order):
            y.append(times(plus(times(y[n], z), y[n - 1] if n else None), -2 * rate / (n + 1)))
        return y

    return local


def _normal_tail(z: Tensor) -> Tensor:
    """The normal distribution function, with all digits where it is small."""
    return torch.erfc(-z * math.sqrt(0.5)) / 2


def _gelu_tanh(z: Tensor) -> Tensor:
    return F.gelu(z, approximate="tanh")


def _log_gamma(z: Tensor, order: int) -> list[Coefficient]:
    """f_n = polygamma(n - 1, z) / n!."""
    return [torch.lgamma(z), *(torch.polygamma(n - 1, z) / math.factorial(n) for n in range(1, order + 1))]


tanh = riccati(torch.tanh, 1, 0, -1)
sigmoid = riccati(torch.sigmoid, 0, 1, -1)
normal = integral(_normal_tail, bell_curve(1 / math.sqrt(2 * math.pi), 0.5))
silu = times_z(F.silu, sigmoid)
gelu = times_z(F.gelu, normal)
gelu_tanh = times_z(_gelu_tanh, along(lambda z: 0.5 + 0.5 * torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))))

enter(tanh, "tanh")
enter(sigmoid, "sigmoid", "expit")
enter(silu, "silu")
rule(*forms("gelu"))(lambda input, approximate="none": compose(input, gelu if approximate == "none" else gelu_tanh))
enter(normal, "ndtr")
enter(riccati(torch.exp, 0, 1, 0), "exp")
enter(riccati(torch.exp2, 0, math.log(2), 0), "exp2")
enter(riccati(torch.tan, 1, 0, 1), "tan")
enter(integral(torch.expm1, riccati(torch.exp, 0, 1, 0)), "expm1")
enter(oscillator(torch.sin, torch.cos, -1), "sin")
enter(oscillator(torch.cos, lambda z: -torch.sin(z), -1), "cos")
enter(oscillator(torch.sinh, torch.cosh, 1), "sinh")
enter(oscillator(torch.cosh, torch.sinh, 1), "cosh")
enter(logarithm(torch.log, 1), "log")
enter(logarithm(torch.log2, 1 / math.log(2)), "log2")
enter(logarithm(torch.log10, 1 / math.log(10)), "log10")
enter(integral(torch.log1p, along(lambda z: 1 / (1 + z))), "log1p")
enter(integral(torch.erf, bell_curve(2 / math.sqrt(math.pi), 1)), "erf")
enter(integral(torch.erfc, bell_curve(-2 / math.sqrt(math.pi), 1)), "erfc")
enter(integral(torch.atan, along(lambda z: 1 / (1 + z * z))), "atan", "arctan")
enter(integral(torch.asin, along(lambda z: torch.rsqrt((1 - z) * (1 + z)))), "asin", "arcsin")
enter(integral(torch.acos, along(lambda z: -torch.rsqrt((1 - z) * (1 + z)))), "acos", "arccos")
enter(integral(torch.asinh, along(lambda z: torch.rsqrt(1 + z * z))), "asinh", "arcsinh")
enter(integral(torch.acosh, along(lambda z: torch.rsqrt(z - 1) * torch.rsqrt(z + 1))), "acosh", "arccosh")
enter(integral(torch.atanh, along(lambda z: 1 / ((1 - z) * (1 + z)))), "atanh", "arctanh")
enter(integral(F.logsigmoid, along(lambda z: torch.sigmoid(-z))), "logsigmoid")
enter(along(lambda z: z * torch.tanh(F.softplus(z))), "mish")
enter(along(lambda z: z - torch.tanh(z)), "tanhshrink")
enter(along(lambda z: z / (1 + torch.abs(z))), "softsign")
enter(_log_gamma, "lgamma")


@rule(*forms("atan2", "arctan2"))
def atan2(input: Any, other: Any) -> Any:
    """That of (x_0, y_0), and from there to (x, y) the angle with tangent (y x_0 - x y_0) / (x x_0 + y y_0)."""
    y, x = plain(input), plain(other)
    return torch.atan2(y, x) + torch.atan((input * x - other * y) / (other * x + input * y))
