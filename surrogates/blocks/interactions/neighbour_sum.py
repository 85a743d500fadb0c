"""Sum over neighbours: A_i = W sum_j w_ij (Y(r_ij) x V h_j) / N_i.

Paper: MACE (arXiv:2206.07697), eq. 8. N is a mean number of neighbours or a learned density; W may depend on the
element; the weights w may also read scalars of both atoms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.blocks.interactions.surroundings import Surroundings
from surrogates.blocks.irreps_linear import ElementLinear, IrrepsLinear
from surrogates.blocks.irreps_map import IrrepsMap
from surrogates.blocks.mlp import UnitMLP
from surrogates.equivariance.irreps import ChannelIrreps, channel_irreps, ordered_irreps
from surrogates.equivariance.products import rebound


class NeighbourSum(nn.Module):
    """One-particle basis by one weighted sum over neighbours.

    Args:
        inputs, outputs: irreps of h and of A, such as "32x0e + 32x1o".
        l_max: of the harmonics. radial_widths: of the radial network, its input first.
        between: irreps in which neighbours are seen, those of h unless given.
        norm: what the sum is divided by, from (radial, receivers, atoms); a mean number of neighbours unless given.
        n_elements: W of each element where positive; else W is one for all.
        n_scalars: scalars of each of the two atoms that the radial network reads beside the radial functions.
        vector_parity, rounded: see EdgeConvolution.
        product: what multiplies features and harmonics, made anew for these irreps; see EdgeConvolution.
    """

    def __init__(
        self,
        inputs: str,
        l_max: int,
        outputs: str,
        radial_widths: Sequence[int],
        *,
        between: str | None = None,
        norm: nn.Module | None = None,
        n_elements: int = 0,
        n_scalars: int = 0,
        vector_parity: int = -1,
        rounded: bool = False,
        product: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.norm = MeanNumber() if norm is None else norm
        self.arguments = dict(
            inputs=inputs, l_max=l_max, outputs=outputs, radial_widths=list(radial_widths), between=between,
            norm=self.norm, n_elements=n_elements, n_scalars=n_scalars, vector_parity=vector_parity, rounded=rounded,
            product=product,
        )  # fmt: skip
        irreps, targets = channel_irreps(inputs), ordered_irreps(outputs)
        self.channels = targets.channels
        self.up, seen = neighbours_seen(irreps, between)
        self.convolution = EdgeConvolution(
            seen, l_max, targets.irreps, self.channels, vector_parity=vector_parity, rounded=rounded,
            product=None if product is None else rebound(product, seen, l_max, targets.irreps),
        )  # fmt: skip
        self.outputs = self.convolution.outputs
        self.scalars = nn.Parameter(torch.randn(irreps.channels, n_scalars)) if n_scalars else None
        first, *hidden = radial_widths
        self.radial = UnitMLP([first + 2 * n_scalars, *hidden, self.convolution.n_weights])
        self.mix = ElementLinear(ChannelIrreps(self.outputs, self.channels), n_elements) if n_elements else None

    def forward(
        self, h: Float[Tensor, "components atoms channels"], around: Surroundings
    ) -> Float[Tensor, "components_a atoms channels_a"]:
        radial = around.radial
        if self.scalars is not None:
            receiver, sender = around.edges
            own = h[0] @ (self.scalars / math.sqrt(h.shape[-1]))
            radial = torch.cat([radial, own.index_select(0, sender), own.index_select(0, receiver)], dim=1)
        weights = self.radial.factored(radial)
        weights = replace(weights, left=around.cut(weights.left))
        a = self.convolution(self.up(h), around.harmonics, weights, around.edges)
        a = a / self.norm(around.radial, around.edges[0], h.shape[1], around.cutoff)
        return a if self.mix is None else self.mix(a, around.element)


class MeanNumber(nn.Module):
    """One number for all atoms: the mean number of neighbours.

    Args:
        number: neighbours; a buffer, so that data can set it.
    """

    number: Tensor

    def __init__(self, number: float | int = 8.0) -> None:
        super().__init__()
        self.arguments = {"number": number}
        self.register_buffer("number", torch.tensor(float(number)))

    def forward(
        self,
        radial: Float[Tensor, "edges n_radial"],
        receiver: Int[Tensor, "edges"],
        n_atoms: int,
        cutoff: Float[Tensor, "edges 1"] | None = None,
    ) -> Float[Tensor, ""]:
        return self.number


def neighbours_seen(irreps: ChannelIrreps, between: str | None) -> tuple[nn.Module, ChannelIrreps]:
    """The linear map that neighbours' features go through, and the irreps that come out."""
    if between is None:
        return IrrepsLinear(irreps), irreps
    seen = channel_irreps(between)
    return IrrepsMap(irreps, seen.irreps, seen.channels), seen
