"""Layers of a mace-torch model (interaction and product) as ours."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from surrogates.blocks.irreps_linear import ElementLinear
from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.physics.errors import FileError
from surrogates.potentials.mace_parts import MACELayer
from surrogates.potentials.mace_torch.interaction import interaction, kind_of
from surrogates.potentials.mace_torch.linear import blocks, element_matrices, matrices
from surrogates.potentials.mace_torch.product import coefficients, contractions, weights
from surrogates.potentials.mace_torch.stubs import Stub


def layer(block: Stub, product: Stub, *, n_radial: int, order: Tensor, last: bool, rounded: bool) -> MACELayer:
    """One message passing step with its weights; of the last one only scalars are kept, since nothing reads more."""
    found = contractions(product)
    irreps = tuple(sorted(found, key=lambda irrep: (irrep[0], -irrep[1])))
    if (0, 1) not in found:
        raise FileError("a layer of this model gives no scalars 0e, so its readout is zero; that is not supported")
    irreps = irreps[:1] if last else irreps
    message = interaction(block, n_radial, order, rounded)
    outputs = ChannelIrreps(irreps, message.channels)
    correlation = int(found[0, 1].number("correlation"))
    components = _components([irrep for _, irrep in blocks(block.get("target_irreps"))], message.outputs)
    tables = [[coefficients(found[irrep], n + 1, components) for n in range(correlation)] for irrep in irreps]
    agnostic = bool(product.get("use_agnostic_product", False))
    ours = MACELayer(
        message,
        str(outputs),
        correlation=correlation,
        n_elements=len(order),
        skip=_skip(block, product),
        agnostic=agnostic,
        couplings=[[len(table) for table in of_irrep] for of_irrep in tables],
    ).double()
    for k, of_irrep in enumerate(tables):
        for n, table in enumerate(of_irrep, 1):
            ours.product.get_buffer(f"coefficients_{k}_{n}").copy_(torch.from_numpy(table))
    every = [weights(found[irrep], n + 1) for irrep in irreps for n in range(correlation)]
    weight = torch.cat(every, dim=1)
    ours.product.weight.data = weight if agnostic else weight[order]
    mixing = matrices(product.module("linear"))
    ours.linear.weight.data = torch.stack([mixing[irrep] for irrep in irreps]) * outputs.channels**0.5
    _fill_skip(ours, block, order)
    return ours


def _components(theirs: list[Irrep], ours: tuple[Irrep, ...]) -> np.ndarray:
    """Their component of A for each of ours."""
    ends = np.cumsum([2 * l + 1 for l, _ in theirs])
    first = {irrep: int(end) - 2 * irrep[0] - 1 for irrep, end in zip(theirs, ends, strict=True)}
    return np.concatenate([np.arange(first[irrep], first[irrep] + 2 * irrep[0] + 1) for irrep in ours])


def _skip(block: Stub, product: Stub) -> str:
    if not product.get("use_sc", True) or kind_of(block) in ("", "Density"):
        return "none"
    return "element" if kind_of(block) in ("Residual", "DensityResidual") else "channel"


def _fill_skip(ours: MACELayer, block: Stub, order: Tensor) -> None:
    if ours.skip is None:
        return
    irreps = ours.outputs.irreps
    if isinstance(ours.skip, ElementLinear):
        every = element_matrices(block.module("skip_tp"))
        found = [every[irrep][:, order] for irrep in irreps if irrep in every]
    else:
        plain = matrices(block.module("skip_linear" if kind_of(block) == "AttResidual" else "skip_tp"))
        found = [plain[irrep] for irrep in irreps if irrep in plain]
    ours.skip.weight.data = torch.stack(found) * ours.outputs.channels**0.5  # type: ignore[union-attr]
