"""Functions made of smooth pieces: the piece is chosen by the value, ties as torch's own derivatives choose."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogates.derivatives.jet import Jet, forms, plain, rule
from surrogates.derivatives.rules.compose import Local, compose
from surrogates.derivatives.rules.elementwise import sigmoid
from surrogates.derivatives.series import Coefficient, times


def broken_line(f: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]) -> Local:
    """f_1 = slope(z), nothing beyond."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        return [f(z), slope(z).to(z)] if order else [f(z)]

    return local


def _enter(f: Callable[..., Tensor], slope: Callable[..., Tensor], *names: str) -> None:
    def follow(input: Jet, *args: Any, **kwargs: Any) -> Jet:
        kwargs.pop("inplace", None)
        return compose(input, broken_line(lambda z: f(z, *args, **kwargs), lambda z: slope(z, *args, **kwargs)))

    rule(*forms(*names))(follow)


def _inside(z: Tensor, min: Any = None, max: Any = None) -> Tensor:
    inside = torch.ones_like(z, dtype=torch.bool)
    inside = inside if min is None else inside & (z >= min)
    return inside if max is None else inside & (z <= max)


_enter(torch.relu, lambda z: z > 0, "relu")
_enter(F.relu6, lambda z: (z > 0) & (z < 6), "relu6")
_enter(
    F.leaky_relu, lambda z, negative_slope=0.01: torch.where(z > 0, torch.ones_like(z), negative_slope), "leaky_relu"
)
_enter(F.hardtanh, lambda z, min_val=-1.0, max_val=1.0: (z > min_val) & (z < max_val), "hardtanh")
_enter(F.hardsigmoid, lambda z: ((z > -3) & (z < 3)).to(z) / 6, "hardsigmoid")
_enter(F.threshold, lambda z, threshold, value: z > threshold, "threshold")
_enter(F.softshrink, lambda z, lambd=0.5: z.abs() > lambd, "softshrink")
_enter(F.hardshrink, lambda z, lambd=0.5: z.abs() > lambd, "hardshrink")
_enter(torch.frac, torch.ones_like, "frac")
_enter(torch.deg2rad, lambda z: torch.full_like(z, math.pi / 180), "deg2rad")
_enter(torch.rad2deg, lambda z: torch.full_like(z, 180 / math.pi), "rad2deg")


@rule(*forms("clamp", "clip"))
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Bounds that depend on x are taken where they hold."""
    if isinstance(input, Jet) and not isinstance(min, Jet) and not isinstance(max, Jet):
        return compose(input, broken_line(lambda z: torch.clamp(z, min, max), lambda z: _inside(z, min, max)))
    if min is not None:
        input = torch.where(plain(input) >= plain(min), input, min)
    return input if max is None else torch.where(plain(input) <= plain(max), input, max)


rule(*forms("clamp_min"))(lambda input, min: clamp(input, min))
rule(*forms("clamp_max"))(lambda input, max: clamp(input, None, max))


def _modulo(function: Callable[..., Tensor], rounded: Callable[[Tensor], Tensor], *names: str) -> None:
    """a - b round(a / b), with the rounded quotient a constant."""

    def follow(a: Any, b: Any) -> Any:
        if not isinstance(b, Jet):
            return compose(a, broken_line(lambda z: function(z, b), torch.ones_like))
        return a - b * rounded(plain(a) / plain(b))

    rule(*forms(*names))(follow)
    if "__mod__" in names:
        rule(*forms("__rmod__"))(lambda self, other: follow(other, self))


_modulo(torch.remainder, torch.floor, "remainder", "__mod__")
_modulo(torch.fmod, torch.trunc, "fmod")


@rule(*forms("sgn"))
def sgn(input: Jet) -> Any:
    """z / |z|: constant for real z."""
    if not input.is_complex():
        return torch.sgn(input.value)
    length = absolute(input)
    return torch.where(length.value == 0, 0, input / torch.where(length.value == 0, 1, length))


@rule(*forms("abs", "absolute", "__abs__"))
def absolute(input: Jet) -> Any:
    """sign(z) z; for complex z the root of its squared parts."""
    if input.is_complex():
        return torch.sqrt(input.real * input.real + input.imag * input.imag)
    return compose(input, broken_line(torch.abs, torch.sign))


def exponential_below(
    f: Callable[[Tensor], Tensor], alpha: float | int, scale: float | int, rate: float | int
) -> Local:
    """scale z above zero, scale alpha (exp(rate z) - 1) below: ELU, SELU and CELU."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        y: list[Coefficient] = [f(z)]
        below = scale * alpha * torch.exp(rate * torch.clamp(z, max=0)) if order else z
        for n in range(1, order + 1):
            above = z > 0 if n == 1 else z >= 0  # torch's choice at the tie
            y.append(torch.where(above, scale if n == 1 else 0.0, below * (rate**n / math.factorial(n))))
        return y

    return local


@rule(*forms("elu"))
def elu(input: Jet, alpha: float | int = 1.0, inplace: bool = False) -> Jet:
    """z or alpha (exp z - 1)."""
    return compose(input, exponential_below(lambda z: F.elu(z, alpha), alpha, 1.0, 1.0))


@rule(*forms("celu"))
def celu(input: Jet, alpha: float | int = 1.0, inplace: bool = False) -> Jet:
    """z or alpha (exp(z / alpha) - 1)."""
    return compose(input, exponential_below(lambda z: F.celu(z, alpha), alpha, 1.0, 1 / alpha))


@rule(*forms("selu"))
def selu(input: Jet, inplace: bool = False) -> Jet:
    """Scaled ELU with its two constants (arXiv:1706.02515)."""
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return compose(input, exponential_below(F.selu, alpha, scale, 1.0))


@rule(*forms("softplus"))
def softplus(input: Jet, beta: float | int = 1.0, threshold: float | int = 20.0) -> Jet:
    """log(1 + exp(beta z)) / beta, f' = sigmoid(beta z); beyond the threshold torch returns z, and so do we."""

    def local(z: Tensor, order: int) -> list[Coefficient]:
        y: list[Coefficient] = [F.softplus(z, beta, threshold)]
        linear = beta * z > threshold
        for n, c in enumerate(sigmoid(beta * z, order - 1) if order else [], start=1):
            y.append(torch.where(linear, float(n == 1), times(c, beta ** (n - 1) / n)))  # type: ignore[arg-type]
        return y

    return compose(input, local)


@rule(*forms("hardswish"))
def hardswish(input: Jet, inplace: bool = False) -> Any:
    """z relu6(z + 3) / 6."""
    return input * F.relu6(input + 3) / 6


@rule(*forms("glu"))
def glu(input: Jet, dim: int = -1) -> Any:
    """One half of the entries times the sigmoid of the other half."""
    a, b = input.chunk(2, dim)
    return a * torch.sigmoid(b)


@rule(*forms("prelu"))
def prelu(input: Jet, weight: Tensor) -> Any:
    """Leaky ReLU with a slope for each channel."""
    shape = [1, -1] + [1] * (input.ndim - 2) if input.ndim > 1 else [-1]
    return torch.where(input.value > 0, input, input * weight.view(shape))


@rule(*forms("rrelu"))
def rrelu(
    input: Jet, lower: float | int = 0.125, upper: float | int = 1 / 3, training: bool = False, inplace: bool = False
) -> Any:
    """Leaky ReLU with the mean of its random slopes; in training one slope is drawn for each entry."""
    slope = torch.empty_like(input.value).uniform_(lower, upper) if training else (lower + upper) / 2
    return torch.where(input.value > 0, input, input * slope)


@rule(*forms("maximum"))
def maximum(input: Any, other: Any) -> Any:
    """The larger one; where both are equal their mean, as in torch."""
    return _larger(input, other, 1)


@rule(*forms("minimum"))
def minimum(input: Any, other: Any) -> Any:
    """The smaller one; where both are equal their mean, as in torch."""
    return _larger(input, other, -1)


def _larger(a: Any, b: Any, sign: int) -> Any:
    x = a.value if isinstance(a, Jet) else a
    y = b.value if isinstance(b, Jet) else b
    share = (torch.sign(sign * (x - y)) + 1) / 2
    found = torch.where(share == 0.5, (a + b) / 2, torch.where(share == 1, a, b))
    return found


rule(*forms("fmax"))(maximum)
rule(*forms("fmin"))(minimum)
