"""Residual-based adaptive distribution of points (arXiv:2207.10289).

Paper: A comprehensive study of non-adaptive and residual-based adaptive sampling for physics-informed neural networks.
Kept: points are drawn with a probability that goes as |r|^k / mean |r|^k + c, without replacement; k = c = 1 unless
given. Changed: they are drawn at every step from candidates drawn anew, where the authors keep a set for many steps; so
no state has to be kept, and a resumed training sees the same points.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.physics.errors import DomainError


class ResidualAdaptive(nn.Module):
    """More points where the equation holds least: `Collocation(..., resampling=ResidualAdaptive())`.

    Args:
        candidates: points looked at for each one that trains; each costs an evaluation without gradient.
        power: k. offset: c; 0 follows the residual alone, large ones draw evenly.
    """

    def __init__(self, *, candidates: int = 4, power: float | int = 1.0, offset: float | int = 1.0) -> None:
        super().__init__()
        if candidates < 2 or power < 0 or offset < 0:
            raise DomainError(
                f"candidates={candidates}, power={power}, offset={offset}; give two candidates or more, and numbers of "
                "at least 0"
            )
        self.arguments = {"candidates": candidates, "power": power, "offset": offset}
        self.candidates, self.power, self.offset = candidates, float(power), float(offset)

    def forward(
        self, sizes: Float[Tensor, "candidates"], count: int, generator: torch.Generator
    ) -> Int[Tensor, "points"]:
        """Which `count` of the candidates train, from the sizes |r| of their residuals."""
        chances = self.chances(sizes.double())
        return torch.multinomial(chances, count, replacement=False, generator=generator)

    def chances(self, sizes: Float[Tensor, "candidates"]) -> Float[Tensor, "candidates"]:
        """Their probabilities, all alike where no residual is finite and above zero."""
        grown = torch.nan_to_num(sizes, nan=0.0, posinf=0.0) ** self.power
        mean = grown.mean()
        flat = torch.ones_like(grown)
        chances = torch.where(mean > 0, grown / mean.clamp_min(torch.finfo(grown.dtype).tiny) + self.offset, flat)
        return chances.clamp_min(1e-12) / chances.clamp_min(1e-12).sum()
