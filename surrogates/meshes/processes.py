"""Coefficients of modes as Gaussian processes of the same inputs, one each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from surrogates.meshes.gaussian_process import GaussianProcess, fit_gaussian_process

Array = np.ndarray
_LOOK_BACK, _GAIN = 8, 0.02


@dataclass(frozen=True, eq=False)
class Processes:
    """One process for each output."""

    each: tuple[GaussianProcess, ...]

    def __len__(self) -> int:
        return len(self.each)

    def predict(self, inputs: Float[np.ndarray, "m d"]) -> tuple[Array, Array]:
        """Means and variances (m, outputs), of the values with their noise."""
        found = [p.predict(inputs) for p in self.each]
        noise = np.array([p.nugget * p.variance for p in self.each])
        return np.stack([m for m, _ in found], 1), np.stack([v for _, v in found], 1) + noise

    def leave_one_out(self) -> tuple[Array, Array]:
        """Means and variances (n, outputs) of each training output from the others."""
        found = [p.leave_one_out() for p in self.each]
        return np.stack([m for m, _ in found], 1), np.stack([v for _, v in found], 1)


def fit_processes(
    inputs: Float[np.ndarray, "n d"], outputs: Float[np.ndarray, "n k"], *, restarts: int, seed: int, stop: bool
) -> Processes:
    """Processes of the outputs in order; `stop`: no more once eight in a row are not predictable from the others."""
    found: list[GaussianProcess] = []
    gained: list[float] = []
    for k in range(outputs.shape[1]):
        made = fit_gaussian_process(inputs, outputs[:, k], restarts=restarts, seed=seed + k)
        found.append(made)
        left = np.square(made.leave_one_out()[0] - outputs[:, k]).sum()
        gained.append(1 - float(left) / max(float(np.square(outputs[:, k] - outputs[:, k].mean()).sum()), 1e-300))
        if stop and len(gained) >= _LOOK_BACK and np.mean(gained[-_LOOK_BACK:]) < _GAIN:
            return Processes(tuple(found[: max(1, len(found) - _LOOK_BACK)]))
    return Processes(tuple(found))
