"""Equivariant linear maps between different irreps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.irreps import ChannelIrreps, Irrep


class IrrepsMap(nn.Module):
    """Each block that comes out is a mixture of the channels of the block of its irrep, or zero where there is none.

    Weights are standard normal and divided by sqrt(channels) at run time.

    Args:
        inputs: what goes in.
        outputs: irreps of the blocks that come out; an irrep may be there several times.
        channels_out: channels that come out.
    """

    block: Tensor
    row: Tensor
    place: Tensor

    def __init__(self, inputs: ChannelIrreps, outputs: Sequence[Irrep], channels_out: int) -> None:
        super().__init__()
        ends = torch.tensor(inputs.sizes).cumsum(0).tolist()
        first = {irrep: end - 2 * irrep[0] - 1 for irrep, end in zip(inputs.irreps, ends, strict=True)}
        self.dim, self.scale = sum(2 * l + 1 for l, _ in outputs), 1 / math.sqrt(inputs.channels)
        block: list[int] = []
        row: list[int] = []
        place: list[int] = []
        self.mapped: list[int] = []
        start = 0
        for k, irrep in enumerate(outputs):
            size = 2 * irrep[0] + 1
            if irrep in first:
                block += [len(self.mapped)] * size
                row += range(first[irrep], first[irrep] + size)
                place += range(start, start + size)
                self.mapped.append(k)
            start += size
        self.weight = nn.Parameter(torch.randn(len(self.mapped), inputs.channels, channels_out))
        for name, value in (("block", block), ("row", row), ("place", place)):
            self.register_buffer(name, torch.tensor(value, dtype=torch.long), persistent=False)

    def forward(self, x: Float[Tensor, "components atoms channels"]) -> Float[Tensor, "components_out atoms out"]:
        found = torch.bmm(x.index_select(0, self.row), (self.weight * self.scale).index_select(0, self.block))
        if len(found) == self.dim:
            return found
        return found.new_zeros(self.dim, *found.shape[1:]).index_copy(0, self.place, found)
