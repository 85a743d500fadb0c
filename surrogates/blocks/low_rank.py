"""A matrix given as the product of two thin ones, so that whoever uses it need not write it out."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class LowRank:
    """left @ right: the weights of edges before the last matrix of a radial network has been applied."""

    left: Float[Tensor, "edges rank"]
    right: Float[Tensor, "rank weights"]

    def full(self) -> Float[Tensor, "edges weights"]:
        """The product itself."""
        return self.left @ self.right
