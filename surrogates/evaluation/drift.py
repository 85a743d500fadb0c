"""Does a trajectory keep its energy?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def energy_drift(time: Float[np.ndarray, "frames"], energy: Float[np.ndarray, "frames"], atoms: int) -> float:
    """Slope of the straight line fitted to the total energy (eV) over time (fs), in meV/atom/ps.

    A fit uses every frame, so that the oscillation of a symplectic integrator, which is no drift, averages out.
    NaN with fewer than two finite frames.
    """
    good = np.isfinite(energy)
    if good.sum() < 2:
        return float("nan")
    t, e = time[good] - time[good].mean(), energy[good] - energy[good].mean()
    slope = float((t * e).sum() / (t * t).sum())  # eV/fs
    return slope * 1e6 / atoms
