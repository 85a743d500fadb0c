"""Hard boundary transforms: the output has its boundary values exactly, whatever the weights.

Paper: A comprehensive and fair comparison of two neural operators (with practical extensions) based on FAIR data
(arXiv:2111.05512), section 3.1: G(y) = g(y) + l(y) N(y) with l = 0 on the boundary.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError


class Pinned(nn.Module):
    """g + l(y) N(y): the constant g where a pinned coordinate is 0 or 1; l is the product of y_a and of 1 - y_a.

    l is scaled to 1 at its largest, so that pinning does not shrink the output. A further coordinate behind those of
    space is the time: `low=[dim]` pins an initial value.

    Args:
        low, high: coordinates pinned at 0, at 1. value: g, in the data's units (of a model inside a task that
            normalises its targets the task says how, through `set_target_scale`).
    """

    def __init__(self, *, low: Sequence[int] = (), high: Sequence[int] = (), value: float | int = 0.0) -> None:
        super().__init__()
        if not (low or high):
            raise DomainError("nothing is pinned; name coordinates, for example low=[0] for y_0 = 0")
        self.low, self.high, self.value = tuple(low), tuple(high), float(value)
        self.arguments = {"low": list(low), "high": list(high), "value": value}

    def check(self, n_coordinates: int) -> None:
        """Raises DomainError for a coordinate that query points do not have."""
        wrong = [a for a in (*self.low, *self.high) if a not in range(n_coordinates)]
        if wrong:
            raise DomainError(f"coordinate {wrong[0]} is pinned, but points have {n_coordinates}, numbered from 0")

    def forward(
        self, y: Float[Tensor, "points coordinates"], output: Float[Tensor, "batch channels points"]
    ) -> Float[Tensor, "batch channels points"]:
        factor = y.new_ones(len(y))
        for a in sorted({*self.low, *self.high}):
            rise = y[:, a] if a in self.low else 1.0
            fall = 1 - y[:, a] if a in self.high else 1.0
            factor = factor * rise * fall * (4.0 if a in self.low and a in self.high else 1.0)
        return self.value + factor * output
