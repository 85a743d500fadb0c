"""The same linear map at every point of a field: a 1x1 convolution, as matrix products."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Pointwise(nn.Module):
    """W u(x) + b. Initialised as torch's convolutions are: uniform within 1 / sqrt(in)."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_channels)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound)) if bias else None

    def forward(self, u: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        flat = u.flatten(2)
        weight = self.weight.expand(len(u), *self.weight.shape)
        out = torch.bmm(weight, flat) if self.bias is None else torch.baddbmm(self.bias[:, None], weight, flat)
        return out.view(*out.shape[:2], *u.shape[2:])
