"""A product of the same kind for other irreps: what a model does with the product that it is given."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.physics.errors import DomainError

OF_THE_LAYER = ("inputs", "l_max", "outputs")


def rebound(product: nn.Module, inputs: ChannelIrreps, l_max: int, outputs: Sequence[Irrep]) -> nn.Module:
    """`product` made anew for a layer's irreps, with the options that it was made with.

    Thus `MACE(product=SO2(m_max=2))` gives each layer an SO(2) product of its own. Raises DomainError for what is no
    product.
    """
    options = getattr(product, "arguments", None)
    if not isinstance(product, nn.Module) or not isinstance(options, dict) or not set(OF_THE_LAYER) <= set(options):
        raise DomainError(
            f"product={product!r} is no product: give one of surrogates.equivariance.products, such as SO2(m_max=2), "
            "or a module made from inputs, l_max, outputs that keeps its `arguments`"
        )
    kept = {name: value for name, value in options.items() if name not in OF_THE_LAYER}
    return type(product)(inputs, l_max, tuple(outputs), **kept)
