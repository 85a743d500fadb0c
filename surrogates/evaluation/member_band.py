"""The band that the scatter of an ensemble's members promises where nothing is there to calibrate it on.

If the truth were one more draw like the members, then mean ± t sqrt(1 + 1/m) s would hold it with probability `level`,
with s the members' sample standard deviation and t the quantile of Student's distribution with m - 1 degrees of
freedom (the prediction interval of a normal sample). Errors that all members share break that promise: measure it.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit

from surrogates.evaluation.coverage import LEVEL
from surrogates.physics.errors import DomainError


def member_band(std: np.ndarray, members: int, *, level: float = LEVEL) -> np.ndarray:
    """Half-widths of the band, of the shape of `std`, the sample standard deviation of at least two members."""
    if members < 2:
        raise DomainError(f"{members} member has no scatter; train two or more")
    factor = float(stdtrit(members - 1, 0.5 * (1 + level))) * math.sqrt(1 + 1 / members)
    return factor * np.asarray(std)
