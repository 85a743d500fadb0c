"""Turbulence and the dynamics of coherent structures I (10.1090/qam/910462): modes of snapshots.

Proper orthogonal decomposition through the snapshots' correlation matrix. The inner product is the
finite elements' mass matrix, so that refinement does not change what counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from surrogates.physics.errors import DomainError

Array = np.ndarray
_ROUNDING = 1e-13  # of the largest eigenvalue of the correlation matrix


@dataclass(frozen=True, eq=False)
class Modes:
    """u = mean + sum_k a_k mode_k; modes orthonormal in the mass matrix, applied to each component.

    Args:
        mean: (nodes, components). modes: (k, nodes, components). mass: (nodes, nodes), sparse.
        spectrum: mean square of each coefficient over the snapshots, also of those not kept.
    """

    mean: Float[np.ndarray, "nodes components"]
    modes: Float[np.ndarray, "k nodes components"]
    mass: Any
    spectrum: Float[np.ndarray, "all"]

    def __len__(self) -> int:
        return len(self.modes)

    def coefficients(self, fields: Float[np.ndarray, "n nodes components"]) -> Float[np.ndarray, "n k"]:
        """a of fields."""
        weighted = np.stack([self.mass @ mode for mode in self.modes]) if len(self.modes) else self.modes
        found: Array = (fields - self.mean).reshape(len(fields), -1) @ weighted.reshape(len(self.modes), -1).T
        return found

    def fields(self, coefficients: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n nodes components"]:
        """Fields of coefficients."""
        return self.mean + np.tensordot(coefficients, self.modes, 1)

    def variance(self, variances: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n nodes components"]:
        """Of fields whose coefficients are independent with these variances: sum_k s_k^2 mode_k^2."""
        return np.tensordot(variances, np.square(self.modes), 1)

    def first(self, count: int) -> Modes:
        """The same with fewer modes."""
        return Modes(self.mean, self.modes[:count], self.mass, self.spectrum)

    def truncation(self, fields: Float[np.ndarray, "n nodes components"]) -> Float[np.ndarray, "n"]:
        """|u - its projection| / |u| of each field."""
        rest = fields - self.fields(self.coefficients(fields))
        return norms(rest, self.mass) / np.maximum(norms(fields, self.mass), 1e-300)


def snapshot_pod(
    fields: Float[np.ndarray, "n nodes components"], mass: Any, *, modes: int | None = None, tolerance: float = 0.0
) -> Modes:
    """Modes of training fields, the strongest first.

    Args:
        modes: how many, None for as many as `tolerance` needs: the part of the mean-free snapshots that is left over is
            at most so large, relative to all of it (a ratio of norms).
    Raises DomainError for fewer than two fields, and for values that are not finite.
    """
    if len(fields) < 2 or not np.isfinite(fields).all():
        raise DomainError(f"{len(fields)} fields, not all finite, have no modes; give at least two")
    mean = fields.mean(0)
    centred = fields - mean
    flat = centred.reshape(len(fields), -1)
    weighted = np.stack([mass @ field for field in centred]).reshape(len(fields), -1)
    correlation = flat @ weighted.T / len(fields)
    values, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    values, vectors = values[::-1], vectors[:, ::-1]
    real = values > _ROUNDING * max(float(values[0]), 1e-300)  # negative ones are rounding
    values, vectors = values[real], vectors[:, real]
    count = len(values) if modes is None else min(modes, len(values))
    if modes is None and len(values):
        left = 1 - np.cumsum(values) / values.sum()
        count = min(len(values), 1 + int(np.searchsorted(-left, -(tolerance**2))))
    basis = vectors[:, :count].T @ flat / np.sqrt(len(fields) * values[:count])[:, None]
    return Modes(mean, basis.reshape(count, *mean.shape), mass, values)


def norms(fields: Float[np.ndarray, "n nodes components"], mass: Any) -> Float[np.ndarray, "n"]:
    """sqrt(int |u|^2) of each field."""
    return np.sqrt(np.maximum([float(np.sum(field * (mass @ field))) for field in fields], 0.0))
