"""Random functions on [0, 1]: Gaussian processes and Chebyshev series, with exact values and integrals anywhere.

Paper: Learning nonlinear operators via DeepONet based on the universal approximation theorem of operators
(arXiv:1910.03193): the spaces that input functions are drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy.polynomial import chebyshev
from scipy.interpolate import CubicSpline

from surrogates.physics.errors import DomainError


@runtime_checkable
class Functions(Protocol):
    """Many functions of x in [0, 1] at once. `x` is (points,) for all, or (samples, points) of each one's own."""

    def __len__(self) -> int: ...

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values, (samples, points)."""

    def integral(self, x: np.ndarray) -> np.ndarray:
        """Integral from 0 to x, (samples, points), exact."""

    def some(self, rows: Any) -> Functions:
        """Some of them."""


@runtime_checkable
class FunctionSpace(Protocol):
    """What functions can be drawn from."""

    def draw(self, samples: int, generator: np.random.Generator) -> Functions: ...


@dataclass(frozen=True)
class GaussianProcess:
    """Zero mean, covariance exp(-(x - x')^2 / (2 length^2)): values on a uniform grid joined by a cubic spline.

    Args:
        length: correlation length, in units of the domain. resolution: points of the grid.
    """

    length: float | int = 0.2
    resolution: int = 1000

    def __post_init__(self) -> None:
        if not (self.length > 0 and self.resolution >= 4):
            raise DomainError(
                f"length={self.length}, resolution={self.resolution}; give a positive length, 4 points or more"
            )

    def draw(self, samples: int, generator: np.random.Generator) -> Splines:
        """Independent functions."""
        factor = _factor(self.length, self.resolution)
        return Splines(generator.standard_normal((samples, factor.shape[1])) @ factor.T)


@dataclass(frozen=True)
class ChebyshevSeries:
    """sum_k a_k T_k(2x - 1), k < terms, with a_k uniform in [-bound, bound]."""

    terms: int = 20
    bound: float | int = 1.0

    def __post_init__(self) -> None:
        if not (self.terms >= 1 and self.bound > 0):
            raise DomainError(f"terms={self.terms}, bound={self.bound}; both must be positive")

    def draw(self, samples: int, generator: np.random.Generator) -> Polynomials:
        """Independent functions."""
        return Polynomials(generator.uniform(-self.bound, self.bound, (samples, self.terms)))


class Splines:
    """Cubic splines (not-a-knot) through values (samples, points) on uniform points of [0, 1], both ends included."""

    def __init__(self, values: Float[np.ndarray, "samples points"]) -> None:
        self.values = values
        spline = CubicSpline(np.linspace(0, 1, values.shape[1]), values, axis=1)
        self._value, self._integral = spline, spline.antiderivative()

    def __len__(self) -> int:
        return len(self.values)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return _evaluate(self._value, x)

    def integral(self, x: np.ndarray) -> np.ndarray:
        return _evaluate(self._integral, x)

    def some(self, rows: Any) -> Splines:
        return Splines(self.values[rows])


class Polynomials:
    """Chebyshev series in 2x - 1 with coefficients (samples, terms)."""

    def __init__(self, coefficients: Float[np.ndarray, "samples terms"]) -> None:
        self.coefficients = coefficients
        self._integrals = chebyshev.chebint(coefficients, lbnd=-1, scl=0.5, axis=1)

    def __len__(self) -> int:
        return len(self.coefficients)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return _series(self.coefficients, x)

    def integral(self, x: np.ndarray) -> np.ndarray:
        return _series(self._integrals, x)

    def some(self, rows: Any) -> Polynomials:
        return Polynomials(self.coefficients[rows])


@lru_cache(maxsize=4)
def _factor(length: float | int, resolution: int) -> np.ndarray:
    """L with L L^T the covariance, (points, rank): eigenvectors that rounding leaves, so that no jitter is needed."""
    x = np.linspace(0, 1, resolution)
    strength, vectors = np.linalg.eigh(np.exp(-0.5 * ((x[:, None] - x) / length) ** 2))
    kept = strength > 1e-14 * strength[-1]
    factor: np.ndarray = vectors[:, kept] * np.sqrt(strength[kept]) * np.sign(vectors[0, kept] + 1e-300)
    return factor


def _evaluate(spline: Any, x: np.ndarray) -> np.ndarray:
    if x.ndim == 1:
        return np.asarray(spline(x))
    interval = np.clip(np.searchsorted(spline.x, x, side="right") - 1, 0, len(spline.x) - 2)
    coefficients = spline.c[:, interval, np.arange(len(x))[:, None]]
    step, found = x - spline.x[interval], np.zeros_like(x)
    for c in coefficients:
        found = found * step + c
    return found


def _series(coefficients: np.ndarray, x: np.ndarray) -> np.ndarray:
    if x.ndim == 1:
        return np.asarray(chebyshev.chebval(2 * x - 1, coefficients.T))
    return np.einsum("spk,sk->sp", chebyshev.chebvander(2 * x - 1, coefficients.shape[1] - 1), coefficients)
