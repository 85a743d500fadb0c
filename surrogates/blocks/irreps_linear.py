"""Equivariant linear maps: channels mix within each irrep."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.equivariance.irreps import ChannelIrreps


class IrrepsLinear(nn.Module):
    """Mixes the channels of every irrep by a matrix of its own; features are (components, atoms, channels).

    Weights are standard normal and divided by sqrt(channels) at run time.

    Args:
        irreps: what goes in; the same irreps come out.
        channels_out: channels that come out, as many as go in unless given.
    """

    block: Tensor

    def __init__(self, irreps: ChannelIrreps, channels_out: int | None = None) -> None:
        super().__init__()
        self.scale = 1 / math.sqrt(irreps.channels)
        shape = (len(irreps.irreps), irreps.channels, channels_out or irreps.channels)
        self.weight = nn.Parameter(torch.randn(shape))
        self.register_buffer("block", torch.tensor(irreps.block_of_component), persistent=False)

    def forward(self, x: Float[Tensor, "components atoms channels"]) -> Float[Tensor, "components atoms out"]:
        return torch.bmm(x, (self.weight * self.scale).index_select(0, self.block))


class ElementLinear(nn.Module):
    """An equivariant linear map whose matrices depend on the atom's element: y_i = W[z_i] x_i.

    Args:
        irreps: what goes in and out.
        n_elements: number of elements.
    """

    block: Tensor

    def __init__(self, irreps: ChannelIrreps, n_elements: int) -> None:
        super().__init__()
        self.n_elements, self.scale = n_elements, 1 / math.sqrt(irreps.channels)
        self.weight = nn.Parameter(torch.randn(len(irreps.irreps), irreps.channels, n_elements, irreps.channels))
        self.register_buffer("block", torch.tensor(irreps.block_of_component), persistent=False)

    def forward(
        self, x: Float[Tensor, "components atoms channels"], element: Int[Tensor, "atoms"]
    ) -> Float[Tensor, "components atoms channels"]:
        weight = (self.weight * self.scale).index_select(0, self.block).flatten(2)
        every = torch.bmm(x, weight).unflatten(2, (self.n_elements, -1))  # all elements at once, then the atom's own
        chosen = element[None, :, None, None].expand(len(x), -1, 1, every.shape[-1])
        return every.gather(2, chosen).squeeze(2)
