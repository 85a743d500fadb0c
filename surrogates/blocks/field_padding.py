"""Room beyond the domain for Fourier layers, whose convolutions wrap around: nothing may wrap into the domain."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError


def check_padding(padding: float) -> float:
    """Raises DomainError unless it is a fraction of the side, from 0 up to 1."""
    if not 0 <= padding <= 1:
        raise DomainError(f"padding={padding}; give a fraction of the domain's side from 0 (periodic) to 1")
    return float(padding)


def pad_end(u: Float[Tensor, "batch channels *space"], fraction: float) -> Float[Tensor, "batch channels *padded"]:
    """Zeros behind the end of each axis, `fraction` of its points (rounded up)."""
    if fraction == 0:
        return u
    return nn.functional.pad(u, [n for side in reversed(u.shape[2:]) for n in (0, math.ceil(fraction * side))])


def crop_end(u: Float[Tensor, "batch channels *padded"], like: Tensor) -> Float[Tensor, "batch channels *space"]:
    """The part of a padded field where `like` lives."""
    return u[(slice(None), slice(None), *(slice(n) for n in like.shape[2:]))]
