"""The same linear map at every point of a field: a 1x1 convolution, as matrix products."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Pointwise(nn.Module):
    """W u(x) + b. Initialised as torch's convolutions are: uniform within 1 / sqrt(in)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_channels)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound))

    def forward(self, u: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        out = torch.baddbmm(self.bias[:, None], self.weight.expand(len(u), *self.weight.shape), u.flatten(2))
        return torch.ops.aten._unsafe_view(out, (*out.shape[:2], *u.shape[2:]))  # callers may add to the result
