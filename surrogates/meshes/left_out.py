"""What MMGP would have said of each training sample without it: modes and processes of the others.

The modes come from the others' correlation matrix. The processes keep their lengths and noise; the k-th strongest mode
of the others takes those of the k-th of all. What they say at a point left out follows from one inverse for all points
(Gaussian Processes for Machine Learning, ISBN 026218253X, equations 5.10 to 5.12).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from surrogates.meshes.gaussian_process import GaussianProcess

Array = np.ndarray
_FLAT = 1e4  # variance of the unknown mean, relative to the process


def left_out(
    fields: Float[np.ndarray, "n nodes components"], mass: Any, processes: tuple[GaussianProcess, ...], rows: Array
) -> Iterator[tuple[int, Array, Array]]:
    """For each of these rows: its number, the predicted field (nodes, components) and its variance by the processes."""
    n, count = len(fields), len(processes)
    flat = fields.reshape(n, -1)
    centred = flat - flat.mean(0)
    weighted = np.stack([mass @ field for field in centred.reshape(fields.shape)]).reshape(n, -1)
    gram = centred @ weighted.T
    precisions = np.stack([_precision(p) for p in processes])
    scales = np.array([p.variance for p in processes])
    for i in rows:
        others = np.delete(np.arange(n), i)
        part = gram[np.ix_(others, others)]
        part = part - part.mean(0) - part.mean(1)[:, None] + part.mean()
        values, vectors = np.linalg.eigh(part)
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
        real = values > 1e-13 * max(float(values[0]), 1e-300)
        values, vectors, k = values[real], vectors[:, real], int(real.sum())
        coefficients = vectors * np.sqrt(values)  # of the others, (n - 1, k)
        row = precisions[:k, i]
        mean = -np.einsum("kj,jk->k", row[:, others], coefficients) / row[:, i]
        variance = scales[:k] / row[:, i]
        weights = vectors / np.sqrt(values)
        weights = weights - weights.mean(0)  # modes are combinations of the others less their mean
        modes = weights.T @ flat[others]
        field = flat[others].mean(0) + mean @ modes
        yield int(i), field.reshape(fields.shape[1:]), (variance @ np.square(modes)).reshape(fields.shape[1:])


def _precision(process: GaussianProcess) -> Array:
    """Inverse of the kernel with noise and with a mean that is unknown."""
    kernel = process.factor @ process.factor.T + _FLAT
    return np.linalg.inv(kernel)
