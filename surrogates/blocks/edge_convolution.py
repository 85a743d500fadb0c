"""Channel-wise tensor product of neighbours' features with spherical harmonics, summed over neighbours.

Paper: MACE (arXiv:2206.07697), eq. 8, the one-particle basis A before its channels mix.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.blocks.bilinear_sum import BilinearSum
from surrogates.blocks.low_rank import LowRank
from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.equivariance.products.paths import Path, paths_to
from surrogates.kernels.edge_code import EdgeCode, PathCode


class EdgeConvolution(nn.Module):
    """A_i = W sum_j w_ij (Y(r_ij) x h_j), one weight per edge, path and channel.

    Every path (l1 of h, l2 of Y -> l3) has the factor sqrt(2 l3 + 1), so that components keep unit variance.

    Args:
        inputs: irreps of the features h.
        l_max: highest degree of the harmonics.
        outputs: irreps of A; those that no path reaches are left out, see `outputs`.
        channels_out: channels of A, as many as h has unless given.
        vector_parity: of the harmonics of degree 1: -1; or 1 where reflections do not count and all irreps are even.
        rounded: couplings of three degrees above zero are rounded to float32, as in networks that were born in it.
        product: what multiplies features and harmonics, one of surrogates.equivariance.products; None is the sparse
            Clebsch-Gordan product with its sum over neighbours in one kernel.
    """

    def __init__(
        self,
        inputs: ChannelIrreps,
        l_max: int,
        outputs: tuple[Irrep, ...],
        channels_out: int | None = None,
        vector_parity: int = -1,
        rounded: bool = False,
        product: nn.Module | None = None,
    ) -> None:
        super().__init__()
        paths = {irrep: paths_to(inputs, l_max, irrep, vector_parity) for irrep in outputs}
        blocks = [(irrep, len(paths[irrep])) for irrep in outputs if paths[irrep]]
        if product is not None:
            blocks = list(product.outputs)  # type: ignore[arg-type]
        self.product = product
        self.outputs = tuple(irrep for irrep, _ in blocks)
        self.channels, self.channels_out = inputs.channels, channels_out or inputs.channels
        self.counts = [n for _, n in blocks]
        if product is None:
            self.n_weights = sum(self.counts) * self.channels
            self.bilinear_sum = BilinearSum(
                *_code(inputs, {irrep: paths[irrep] for irrep in self.outputs}, l_max, rounded)
            )
        else:
            self.n_weights = int(product.n_weights)  # type: ignore[arg-type]
        self.mix = nn.ParameterList(
            nn.Parameter(torch.randn(n * self.channels, self.channels_out)) for n in self.counts
        )

    def forward(
        self,
        h: Float[Tensor, "components atoms channels"],
        harmonics: Float[Tensor, "edges harmonics"],
        weights: Float[Tensor, "edges weights"] | LowRank,
        edges: Int[Tensor, "2 edges"],
    ) -> Float[Tensor, "components_out atoms channels_out"]:
        return self.mixed(self.sums(h, harmonics, weights, edges))

    def sums(self, h: Tensor, harmonics: Tensor, weights: Tensor | LowRank, edges: Tensor) -> list[Tensor]:
        """Sums over neighbours before their channels mix: (components, atoms, paths * channels) of each output."""
        found = self.bilinear_sum if self.product is None else self._by_product
        return found(h, harmonics, weights, edges)

    def mixed(self, sums: list[Tensor]) -> Tensor:
        """A from the sums: (components_out, atoms, channels_out)."""
        blocks = [s.flatten(0, 1) @ (mix * len(mix) ** -0.5) for s, mix in zip(sums, self.mix, strict=True)]
        return torch.cat(blocks).view(sum(map(len, sums)), sums[0].shape[1], self.channels_out)

    def _by_product(self, h: Tensor, harmonics: Tensor, weights: Tensor | LowRank, edges: Tensor) -> list[Tensor]:
        """Blocks (components, atoms, paths * channels) of the sum of another product's messages."""
        assert self.product is not None
        receiver, sender = edges
        w = weights.full() if isinstance(weights, LowRank) else weights
        messages = self.product(h.index_select(1, sender).transpose(0, 1), harmonics, w)
        summed = messages.new_zeros(h.shape[1], *messages.shape[1:]).index_add(0, receiver, messages)
        sizes = [(2 * l + 1) * n for (l, _), n in zip(self.outputs, self.counts, strict=True)]
        parts = zip(summed.split(sizes, dim=1), self.counts, strict=True)
        return [part.unflatten(1, (-1, n)).transpose(0, 1).flatten(2) for part, n in parts]


def _code(
    inputs: ChannelIrreps, paths: dict[Irrep, list[Path]], l_max: int, rounded: bool
) -> tuple[EdgeCode, list[float]]:
    """The structure of all couplings, and their values, which `PathCode.entries` index."""
    values: list[float] = []
    coded = []
    firsts = np.cumsum([0, *inputs.sizes])
    for block, (irrep, own) in enumerate(paths.items()):
        for place, (k, l2) in enumerate(own):
            l1, l3 = inputs.irreps[k][0], irrep[0]
            coupling = wigner_3j(l1, l2, l3)
            if rounded and min(l1, l2, l3) > 0:
                coupling = coupling.astype(np.float32).astype(np.float64)
            coupling = coupling * math.sqrt(2 * l3 + 1)
            entries = []
            for row in range(2 * l3 + 1):
                for i in range(2 * l1 + 1):
                    found = np.nonzero(np.abs(coupling[i, :, row]) > 1e-12)[0]
                    terms = tuple((l2 * l2 + int(s), len(values) + n) for n, s in enumerate(found))
                    values += coupling[i, found, row].tolist()
                    if terms:
                        entries.append((row, i, terms))
            coded.append(PathCode(int(firsts[k]), 2 * l1 + 1, block, place, 2 * l3 + 1, tuple(entries)))
    counts = tuple(len(own) for own in paths.values())
    return EdgeCode(tuple(coded), inputs.dim, (l_max + 1) ** 2, counts), values
