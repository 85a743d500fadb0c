"""Mean and standard deviation of fields, joined over trajectories without loss of digits.

Joining two sets of moments follows Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing
sample variances" (1979): n = n1 + n2, d = m2 - m1, m = m1 + d n2/n, M2 = M2_1 + M2_2 + d^2 n1 n2 / n.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates.datasets.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Moments:
    """Over all samples, frames and points inside the mask.

    Args:
        mean, std: one value a component (shape () for a scalar, (dim,) for a vector). count: values of each component.
    """

    mean: np.ndarray
    std: np.ndarray
    count: int

    def joined(self, other: Moments) -> Moments:
        """Moments of both sets together."""
        n = max(self.count + other.count, 1)
        gap = other.mean - self.mean
        square = self.std**2 * self.count + other.std**2 * other.count + gap**2 * (self.count * other.count / n)
        return Moments(np.asarray(self.mean + gap * (other.count / n)), np.asarray(np.sqrt(square / n)), n)

    def plain(self) -> dict[str, Any]:
        """As JSON-able numbers, exact to the bit."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist(), "count": self.count}

    @staticmethod
    def restored(plain: Mapping[str, Any]) -> Moments:
        """Inverse of `plain`."""
        return Moments(np.array(plain["mean"], float), np.array(plain["std"], float), int(plain["count"]))


def moments_of(trajectories: Iterable[Trajectory]) -> dict[str, Moments]:
    """Moments of every field, with time and without."""
    found: dict[str, Moments] = {}
    for t in trajectories:
        for name, array in (*t.fields.items(), *t.constants.items()):
            own = _moments(np.asarray(array), t.mask, has_time=name in t.fields, dim=t.dim)
            found[name] = found[name].joined(own) if name in found else own
    return found


def _moments(array: np.ndarray, mask: np.ndarray | None, *, has_time: bool, dim: int) -> Moments:
    framed = array if has_time else array[None]
    if mask is None:
        values = framed.reshape(-1, *framed.shape[1 + dim :])
    else:
        values = framed[:, mask].reshape(-1, *framed.shape[1 + dim :])
    if not len(values):
        return Moments(np.zeros(values.shape[1:]), np.zeros(values.shape[1:]), 0)
    mean = np.asarray(values.mean(axis=0, dtype=np.float64))
    return Moments(mean, np.asarray(np.sqrt(np.square(values - mean).mean(axis=0, dtype=np.float64))), len(values))
