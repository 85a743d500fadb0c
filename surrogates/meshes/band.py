"""From leave-one-out errors to a band that is right nine times in ten.

A node's standard deviation is sqrt(a g + b r), with g the variance that the Gaussian processes give this sample there
and r the mean square of what they left out in training, which holds the truncation of the modes and the way to the
common mesh and back. a and b are those of the largest Gaussian likelihood of the leave-one-out errors; then, by width,
a factor makes 1.645 of it hold 90 % of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from surrogates.physics.errors import DomainError

Array = np.ndarray
LEVEL, NORMAL = 0.9, 1.6448536269514722
_BINS = 8
_MOST = 200_000


@dataclass(frozen=True, eq=False)
class Band:
    """Args: shares: a, b. widths: logarithms (k,) of sqrt(a g + b r). factors: of the width there, (k,)."""

    shares: Float[np.ndarray, "2"]
    widths: Float[np.ndarray, "k"]
    factors: Float[np.ndarray, "k"]

    def __call__(self, process: Array, residual: Array) -> Array:
        """Standard deviation from g and r of any shape."""
        width = _width(self.shares, process, residual)
        found: Array = width * np.interp(np.log(width), self.widths, self.factors)
        return found


def calibrated(
    error: Float[np.ndarray, "n"], process: Float[np.ndarray, "n"], residual: Float[np.ndarray, "n"]
) -> Band:
    """The band of these errors, n of any number of samples. Raises DomainError for fewer than ten."""
    if len(error) < 10:
        raise DomainError(f"{len(error)} errors do not calibrate a band; give more")
    if len(error) > _MOST:
        some = np.random.default_rng(0).permutation(len(error))[:_MOST]
        error, process, residual = error[some], process[some], residual[some]
    scale = max(float(np.square(error).mean()), 1e-300)
    e, g, r = np.square(error) / scale, process / scale, residual / scale

    def loss(logs: Array) -> tuple[float, Array]:
        a, b = np.exp(logs)
        s = a * g + b * r + 1e-12
        slope = (1 / s - e / s**2) / 2
        return float((np.log(s) + e / s).mean() / 2), np.array([(slope * a * g).mean(), (slope * b * r).mean()])

    shares = np.exp(minimize(loss, np.log([0.5, 0.5]), jac=True, method="L-BFGS-B", bounds=[(-12, 5)] * 2).x)
    width = _width(shares, process, residual)
    order = np.argsort(width, kind="stable")
    ratio, logs = (np.abs(error) / width)[order], np.log(width)[order]
    parts = np.array_split(np.arange(len(order)), min(_BINS, max(1, len(order) // 50)))
    factors = np.array([np.quantile(ratio[part], LEVEL) / NORMAL for part in parts])
    return Band(shares, np.array([logs[part].mean() for part in parts]), np.maximum(factors, 1e-6))


def _width(shares: Array, process: Array, residual: Array) -> Array:
    return np.sqrt(np.maximum(shares[0] * process + shares[1] * residual, 1e-300))
