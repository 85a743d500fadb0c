"""How the error falls with the number of training samples, and what a given error would cost.

Errors of learned potentials follow power laws over decades: error = a n^(-b) (Cortes et al., NeurIPS 6, 1994).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class PowerLaw:
    """error = amplitude * n^(-exponent), fitted in logarithms; `amplitude` in the error's unit."""

    amplitude: float
    exponent: float

    def error(self, n: float) -> float:
        """Predicted error after training on `n` samples."""
        return self.amplitude * n ** (-self.exponent)

    def samples(self, error: float) -> float:
        """Samples that the law asks for to reach `error`; inf where more data does not help."""
        if self.exponent <= 0:
            return math.inf
        return (self.amplitude / error) ** (1 / self.exponent)


def power_law(samples: Sequence[float], errors: Sequence[float]) -> PowerLaw:
    """Least squares through (log n, log error) of at least two sizes."""
    n, e = np.asarray(samples, dtype=float), np.asarray(errors, dtype=float)
    if len(n) != len(e) or len(set(n.tolist())) < 2 or not (np.all(n > 0) and np.all(e > 0)):
        raise DomainError(
            f"a learning curve needs positive errors at two or more sizes; given sizes {n} and errors {e}"
        )
    slope, intercept = np.polyfit(np.log(n), np.log(e), 1)
    return PowerLaw(amplitude=float(np.exp(intercept)), exponent=float(-slope))
