"""The largest length of a field over a mesh (a peak stress), with a band of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from surrogates.meshes.band import LEVEL, NORMAL
from surrogates.meshes.gaussian_process import GaussianProcess, fit_gaussian_process

Array = np.ndarray
_PARTS = 10


@dataclass(frozen=True, eq=False)
class Peak:
    """A Gaussian process of the logarithm of the peak ("own"), or of its ratio to the decoded field's ("corrected").

    `factor` makes 1.645 standard deviations hold 90 % of held-out training meshes.
    """

    way: str
    process: GaussianProcess
    factor: float

    def __call__(self, inputs: Float[np.ndarray, "1 d"], decoded: float) -> tuple[float, float]:
        """Value and standard deviation."""
        mean, variance = (float(x[0]) for x in self.process.predict(inputs))
        value = float(np.exp(mean)) * (decoded if self.way == "corrected" else 1.0)
        return value, value * self.factor * float(np.sqrt(variance + self.process.nugget * self.process.variance))


def fit_peak(
    decoded: Sequence[Array], truths: Sequence[Array], inputs: Float[np.ndarray, "n d"], restarts: int, seed: int
) -> Peak | None:
    """From fields (nodes, components) decoded without the sample, and true ones; None where one vanishes as a whole.

    The way, and the width of the band, are those that held-out tenths of the samples like best.
    """
    true, said = (np.array([largest(x) for x in part]) for part in (truths, decoded))
    if not (true.min() > 0 and said.min() > 0):
        return None
    ways = {"corrected": np.log(true / said), "own": np.log(true)}
    ratios, errors = {}, {}
    part = np.random.default_rng(seed).permutation(len(true)) % _PARTS
    for way, values in ways.items():
        error, width = np.empty(len(values)), np.empty(len(values))
        for k in range(_PARTS):
            inside, out = part != k, part == k
            if out.any():
                made = fit_gaussian_process(inputs[inside], values[inside], restarts=restarts, seed=seed)
                mean, variance = made.predict(inputs[out])
                error[out] = np.abs(mean - values[out])
                width[out] = np.sqrt(np.maximum(variance + made.nugget * made.variance, 1e-300))
        ratios[way], errors[way] = np.sort(error / width), float(np.square(error).mean())
    best = min(ways, key=lambda way: errors[way])
    rank = min(len(true), int(np.ceil((len(true) + 1) * LEVEL)))  # the finite-sample conformal quantile
    made = fit_gaussian_process(inputs, ways[best], restarts=restarts, seed=seed)
    return Peak(best, made, float(ratios[best][rank - 1]) / NORMAL)


def largest(values: Float[np.ndarray, "nodes components"]) -> float:
    """The largest length."""
    return float(np.linalg.norm(values, axis=1).max())
