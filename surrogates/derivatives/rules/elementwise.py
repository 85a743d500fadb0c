"""Functions of one number: from y' = g(z) z' follows y_n = (1/n) sum over k = 1..n of k z_k g_(n-k).

A rule is the value y_0 = f(z_0) and `slope`, which gives g_n from z_0..z_n, y_0..y_n and g_0..g_(n-1). The top
coefficient z_K enters only as g_0 z_K, so that it may be summed over directions already.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from surrogates.derivatives.jet import Jet, forms, rule
from surrogates.derivatives.rules.support import gathered
from surrogates.derivatives.series import Coefficient, Series, convolve, integrate, plus, times

Slope = Callable[[int, Series, Series, Series], Coefficient]


def compose(z: Jet, f: Callable[[Tensor], Tensor], slope: Callable[[], Slope]) -> Jet:
    """f(z) for the function whose derivative g has this series; `slope` makes a new series of g."""
    frame, value, g_of = z.frame, f(z.value), slope()
    if z.sparse:
        inner = gathered(z.value, frame)
        zs: list[Coefficient] = [inner, *z.higher]
        ys: list[Coefficient] = [gathered(value, frame)]
    else:
        zs, ys = list(z.series), [value]
    g: list[Coefficient] = []
    for n in range(1, frame.order + 1):
        g.append(g_of(n - 1, zs, ys, g))
        rest = integrate(zs, g, n, last=n - 1)
        if n == frame.order and not z.sparse:
            rest = frame.collapse(rest)
        ys.append(plus(times(zs[n], g[0]), rest))
    return Jet.of(value, ys[1:], frame, sparse=z.sparse)


def _minus(a: Coefficient) -> Coefficient:
    return None if a is None else -a


def tanh_slope() -> Slope:
    """g = 1 - y^2."""

    def slope(n: int, z: Series, y: Series, g: Series) -> Coefficient:
        square = convolve(y, y, n)
        return 1 - square if n == 0 and square is not None else _minus(square)

    return slope


def sigmoid_slope() -> Slope:
    """g = y - y^2."""

    def slope(n: int, z: Series, y: Series, g: Series) -> Coefficient:
        return plus(y[n], _minus(convolve(y, y, n)))

    return slope


def exp_slope() -> Slope:
    """g = y."""
    return lambda n, z, y, g: y[n]


def sin_slope() -> Slope:
    """g = cos z, of which g' = -y z'."""

    def slope(n: int, z: Series, y: Series, g: Series) -> Coefficient:
        assert z[0] is not None
        return torch.cos(z[0]) if n == 0 else _minus(integrate(z, y, n))

    return slope


def cos_slope() -> Slope:
    """g = -sin z, of which g' = -y z'."""

    def slope(n: int, z: Series, y: Series, g: Series) -> Coefficient:
        assert z[0] is not None
        return -torch.sin(z[0]) if n == 0 else _minus(integrate(z, y, n))

    return slope


def log_slope() -> Slope:
    """g = 1 / z."""

    def slope(n: int, z: Series, y: Series, g: Series) -> Coefficient:
        assert z[0] is not None
        return 1 / z[0] if n == 0 else _minus(times(convolve(z, g, n, first=1), g[0]))

    return slope


def softplus_slope() -> Slope:
    """g = sigmoid(z), of which g' = (g - g^2) z'."""
    inner, s = sigmoid_slope(), list[Coefficient]()

    def slope(n: int, z: Series, y: Series, g: Series) -> Coefficient:
        assert z[0] is not None
        if n == 0:
            return torch.sigmoid(z[0])
        s.append(inner(n - 1, z, g, s))
        return integrate(z, s, n)

    return slope


def gauss_slope(scale: float | int, rate: float | int) -> Callable[[], Slope]:
    """g = scale exp(-rate z^2), of which g' = -2 rate z z' g: the slope of erf and of the normal distribution."""

    def make() -> Slope:
        w: list[Coefficient] = []  # the series of -rate z^2

        def slope(n: int, z: Series, y: Series, g: Series) -> Coefficient:
            w.append(times(convolve(z, z, n), -rate))
            return torch.exp(w[0]) * scale if n == 0 and w[0] is not None else integrate(w, g, n)

        return slope

    return make


UNARY: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[], Slope]]] = {
    "tanh": (torch.tanh, tanh_slope),
    "sigmoid": (torch.sigmoid, sigmoid_slope),
    "exp": (torch.exp, exp_slope),
    "sin": (torch.sin, sin_slope),
    "cos": (torch.cos, cos_slope),
    "log": (torch.log, log_slope),
    "erf": (torch.erf, gauss_slope(2 / math.sqrt(math.pi), 1.0)),
}


def _enter(name: str) -> None:
    f, slope = UNARY[name]
    rule(*forms(name))(lambda input: compose(input, f, slope))


for _name in UNARY:
    _enter(_name)


@rule(*forms("silu"))
def silu(input: Jet, inplace: bool = False) -> Jet:
    """z sigmoid(z)."""
    from surrogates.derivatives.rules.arithmetic import multiply

    return multiply(input, compose(input, *UNARY["sigmoid"]))


@rule(*forms("softplus"))
def softplus(input: Jet, beta: float | int = 1.0, threshold: float | int = 20.0) -> Jet:
    """log(1 + exp(beta z)) / beta."""
    from surrogates.derivatives.rules.arithmetic import multiply

    def log1p_exp(z: Tensor) -> Tensor:
        return torch.nn.functional.softplus(z, 1.0, threshold)

    return multiply(compose(multiply(input, beta), log1p_exp, softplus_slope), 1 / beta)
