"""One message passing step of MACE.

Paper: MACE (arXiv:2206.07697), eq. 10 and 11.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.interactions import Surroundings
from surrogates.blocks.irreps_linear import ElementLinear, IrrepsLinear
from surrogates.blocks.symmetric_product import SymmetricProduct
from surrogates.equivariance.irreps import ChannelIrreps, channel_irreps
from surrogates.physics.errors import DomainError

SKIPS = ("element", "channel", "none")


class MACELayer(nn.Module):
    """h' = linear(products of A) + skip(h), A from an interaction.

    Args:
        interaction: (h, surroundings) -> A; knows `outputs`, `channels` and, in `arguments`, its inputs.
        outputs: irreps of h'.
        correlation: highest power of A. n_elements: number of elements.
        skip: "element": W[element] h; "channel": W h; "none": nothing.
        agnostic: products weigh all elements alike.
        couplings: numbers of stored couplings, see SymmetricProduct; none: they are computed.
    """

    def __init__(
        self,
        interaction: nn.Module,
        outputs: str,
        *,
        correlation: int,
        n_elements: int,
        skip: str = "element",
        agnostic: bool = False,
        couplings: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        if skip not in SKIPS:
            raise DomainError(f"skip={skip!r} is unknown; choose one of {', '.join(SKIPS)}")
        self.arguments = dict(
            interaction=interaction, outputs=outputs, correlation=correlation, n_elements=n_elements, skip=skip,
            agnostic=agnostic, couplings=couplings,
        )  # fmt: skip
        self.interaction, self.outputs, self.agnostic = interaction, channel_irreps(outputs), agnostic
        inputs = channel_irreps(interaction.arguments["inputs"])  # type: ignore[union-attr, index, arg-type]
        n_weighed = 1 if agnostic else n_elements
        self.product = SymmetricProduct(
            interaction.outputs,  # type: ignore[arg-type]
            ChannelIrreps(self.outputs.irreps, interaction.channels),  # type: ignore[arg-type]
            correlation,
            n_weighed,
            couplings,
        )
        self.linear = IrrepsLinear(self.outputs)
        shared = min(inputs, self.outputs, key=lambda irreps: irreps.dim)  # one begins with all irreps of the other
        self.n_shared = shared.dim
        self.skip: nn.Module | None = None
        if skip != "none":
            self.skip = ElementLinear(shared, n_elements) if skip == "element" else IrrepsLinear(shared)

    def forward(
        self, h: Float[Tensor, "components atoms channels"], around: Surroundings
    ) -> Float[Tensor, "components_out atoms channels"]:
        a = self.interaction(h, around)
        element = torch.zeros_like(around.element) if self.agnostic else around.element
        out = self.linear(self.product(a, element))
        if self.skip is None:
            return out
        same = h[: self.n_shared]
        kept = self.skip(same, around.element) if isinstance(self.skip, ElementLinear) else self.skip(same)
        return out + nn.functional.pad(kept, (0, 0, 0, 0, 0, len(out) - len(kept)))
