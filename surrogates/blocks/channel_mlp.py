"""Networks over channels, the same at every point of a field, and their gated shortcut."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.pointwise import Pointwise


class ChannelMLP(nn.Module):
    """W2 gelu(W1 u(x) + b1) + b2."""

    def __init__(self, in_channels: int, hidden: int, out_channels: int) -> None:
        super().__init__()
        self.first, self.second = Pointwise(in_channels, hidden), Pointwise(hidden, out_channels)

    def forward(self, u: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        return self.second.after_gelu(self.first(u))

    def after_gelu(self, z: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        """The same of gelu(z), of which the gradient keeps z alone."""
        return self.second.after_gelu(self.first.after_gelu(z))


class SoftGate(nn.Module):
    """g_c u_c(x): one learned weight a channel, 1 at the start (soft gating)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, u: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        return self.weight.view(-1, *(1,) * (u.ndim - 2)) * u
