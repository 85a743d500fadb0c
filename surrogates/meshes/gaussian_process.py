"""Gaussian processes of a few hundred points: anisotropic Matern-5/2 with a nugget, in float64.

Source: Gaussian Processes for Machine Learning, ISBN 026218253X: equations 2.25 and 2.26 (mean, variance), 5.8 and 5.9
(evidence and its slope), 5.10 to 5.12 (leave-one-out in closed form), 4.17 (the kernel).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from surrogates.physics.errors import DomainError

Array = np.ndarray
_LENGTHS = (0.05, 100.0)
_NUGGETS = (1e-8, 10.0)  # relative to the variance of the process
_WIDE = np.log(3.0), 1.0  # weak prior of the logarithm of lengths: mean, standard deviation


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """y(x) ~ GP(mean, v [k(x, x') + nugget delta]), k = (1 + r + r^2/3) exp(-r), r^2 = 5 sum_d ((x - x')_d / l_d)^2.

    Args:
        inputs: training points (n, d), standardised. outputs: (n,). lengths: l (d,). nugget: noise over v.
    """

    inputs: Float[np.ndarray, "n d"]
    outputs: Float[np.ndarray, "n"]
    lengths: Float[np.ndarray, "d"]
    nugget: float
    factor: Array = field(init=False, repr=False)
    weights: Array = field(init=False, repr=False)
    mean: float = field(init=False)
    variance: float = field(init=False)

    def __post_init__(self) -> None:
        """Mean and variance follow from the evidence in closed form."""
        n = len(self.outputs)
        kernel = matern(_squared(self.inputs, self.inputs, self.lengths)) + self.nugget * np.eye(n)
        factor = np.linalg.cholesky(kernel)
        ones = cho_solve((factor, True), np.ones(n))
        mean = float(ones @ self.outputs / ones.sum())
        weights = cho_solve((factor, True), self.outputs - mean)
        variance = float((self.outputs - mean) @ weights / n)
        for name, value in (("factor", factor), ("weights", weights), ("mean", mean), ("variance", variance)):
            object.__setattr__(self, name, value)

    def predict(self, inputs: Float[np.ndarray, "m d"]) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
        """Mean and variance (m,) of the noiseless process at new points."""
        cross = matern(_squared(inputs, self.inputs, self.lengths))
        held = solve_triangular(self.factor, cross.T, lower=True)
        variance = self.variance * np.maximum(1.0 - np.square(held).sum(0), 1e-12)
        return self.mean + cross @ self.weights, variance

    def leave_one_out(self) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Mean and variance (n,) at each training point from the others, with the same lengths; noise included."""
        inverse = cho_solve((self.factor, True), np.eye(len(self.outputs)))
        precision = np.diag(inverse)
        return self.outputs - self.weights / precision, self.variance / precision


def fit_gaussian_process(
    inputs: Float[np.ndarray, "n d"], outputs: Float[np.ndarray, "n"], *, restarts: int = 2, seed: int = 0
) -> GaussianProcess:
    """Hyper-parameters of the largest evidence times a weak log-normal prior of the lengths, from `restarts` starts.

    Raises DomainError for fewer than three points and for values that are not finite.
    """
    if len(outputs) < 3 or not (np.isfinite(inputs).all() and np.isfinite(outputs).all()):
        raise DomainError(f"{len(outputs)} points of a Gaussian process, not all finite; give at least three")
    spread = float(outputs.std())
    if not spread > 1e-14 * max(1.0, float(np.abs(outputs).max())):
        return GaussianProcess(inputs, outputs, np.ones(inputs.shape[1]), 1.0)
    scaled = (outputs - outputs.mean()) / spread
    squares = np.square(inputs[:, None] - inputs).transpose(2, 0, 1).copy()
    draw, d = np.random.default_rng(seed), inputs.shape[1]
    starts = [np.concatenate([np.full(d, np.log(3.0)), [np.log(1e-3)]])]
    starts += [
        np.concatenate([draw.normal(*_WIDE, d), draw.uniform(np.log(1e-5), 0.0, 1)]) for _ in range(restarts - 1)
    ]
    bounds = [tuple(np.log(_LENGTHS))] * d + [tuple(np.log(_NUGGETS))]
    found = [minimize(_objective, s, (squares, scaled), "L-BFGS-B", True, bounds=bounds) for s in starts]
    best = min(found, key=lambda f: float(f.fun)).x
    return GaussianProcess(inputs, outputs, np.exp(best[:d]), float(np.exp(best[d])))


def matern(squared: Array) -> Array:
    """Matern-5/2 of r^2 as in GaussianProcess."""
    r = np.sqrt(squared)
    found: Array = (1 + r + squared / 3) * np.exp(-r)
    return found


def _squared(a: Array, b: Array, lengths: Array) -> Array:
    a, b = a / lengths, b / lengths
    square = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return 5 * np.maximum(square, 0.0)


def _objective(logs: Array, squares: Array, y: Array) -> tuple[float, Array]:
    """Minus the log evidence, mean and variance eliminated, and its slope in the logs of lengths and nugget."""
    d, n = len(squares), len(y)
    scaled = 5 * np.exp(-2 * logs[:d])
    squared = np.tensordot(scaled, squares, 1)
    r = np.sqrt(squared)
    decay = np.exp(-r)
    nugget = np.exp(logs[d])
    kernel = (1 + r + squared / 3) * decay
    kernel.flat[:: n + 1] += nugget
    try:
        factor = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros(d + 1)
    inverse = cho_solve(factor, np.eye(n), check_finite=False)
    ones = inverse.sum(1)
    rest = y - (ones @ y) / ones.sum()
    alpha = inverse @ rest
    variance = rest @ alpha / n
    pull = (logs[:d] - _WIDE[0]) / _WIDE[1]
    value = 0.5 * n * np.log(variance) + np.log(np.diag(factor[0])).sum() + 0.5 * pull @ pull
    slope = inverse - np.outer(alpha, alpha) / variance
    # dk/dlog l = (1 + r) exp(-r) / 3 * (5 squares / l^2)
    held = slope * ((1 + r) * decay / 3)
    by_length = 0.5 * scaled * np.tensordot(squares, held, ([1, 2], [0, 1]))
    return float(value), np.concatenate([by_length + pull / _WIDE[1], [0.5 * nugget * np.trace(slope)]])
