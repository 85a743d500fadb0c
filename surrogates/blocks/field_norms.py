"""Normalisations of fields; each is called with the field and the numbers that came with it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError


class InstanceNorm(nn.Module):
    """Each channel of each sample to mean 0 and variance 1 over space; nothing is learned."""

    def forward(
        self, u: Float[Tensor, "batch channels *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch channels *space"]:
        axes = tuple(range(2, u.ndim))
        variance, mean = torch.var_mean(u, axes, correction=0, keepdim=True)
        return (u - mean) * (variance + 1e-5).rsqrt()


class GroupNorm(nn.Module):
    """All channels of a sample together to mean 0 and variance 1, then a learned scale and shift a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)

    def forward(
        self, u: Float[Tensor, "batch channels *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch channels *space"]:
        return self.norm(u)


class AdaptiveInstanceNorm(nn.Module):
    """Instance norm whose scale and shift of each channel are learned functions of the parameters (such as nu).

    Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization (arXiv:1703.06868), with a network in the
    place of style statistics; scale 1 and shift 0 at the start.
    """

    def __init__(self, channels: int, n_parameters: int, hidden: int = 64) -> None:
        super().__init__()
        if n_parameters < 1:
            raise DomainError("an adaptive norm is steered by parameters; give n_parameters of at least 1")
        self.norm = InstanceNorm()
        last = nn.Linear(hidden, 2 * channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.style = nn.Sequential(nn.Linear(n_parameters, hidden), nn.GELU(), last)

    def forward(
        self, u: Float[Tensor, "batch channels *space"], parameters: Float[Tensor, "batch n"]
    ) -> Float[Tensor, "batch channels *space"]:
        style = self.style(parameters.to(u)).view(*parameters.shape[:1], -1, *(1,) * (u.ndim - 2))
        scale, shift = style.chunk(2, dim=1)
        return self.norm(u) * (1 + scale) + shift
