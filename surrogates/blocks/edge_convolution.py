"""Channel-wise tensor product of neighbours' features with spherical harmonics, summed over neighbours.

Paper: MACE (arXiv:2206.07697), eq. 8, the one-particle basis A before its channels mix.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.irreps import ChannelIrreps, Irrep, natural_irreps
from surrogates.kernels.constant import Constant

Path = tuple[int, int]  # block of the features, degree of the harmonics


class EdgeConvolution(nn.Module):
    """A_i = W sum_j w_ij (Y(r_ij) x h_j), one weight per edge, path and channel.

    Every path (l1 of h, l2 of Y -> l3) has the factor sqrt(2 l3 + 1), so that components keep unit variance. All paths
    of one edge are one small matrix product: the couplings times Y(r_ij), applied to h_j.

    Args:
        inputs: irreps of the features h.
        l_max: highest degree of the harmonics.
        outputs: irreps of A; those that no path reaches are left out, see `outputs`.
    """

    def __init__(self, inputs: ChannelIrreps, l_max: int, outputs: tuple[Irrep, ...]) -> None:
        super().__init__()
        paths = {irrep: _paths(inputs, l_max, irrep) for irrep in outputs}
        self.outputs = tuple(irrep for irrep in outputs if paths[irrep])
        self.channels, self.dim_in = inputs.channels, inputs.dim
        self.sizes = [2 * l + 1 for l, _ in self.outputs]
        self.paths = [len(paths[irrep]) for irrep in self.outputs]
        self.n_weights = sum(self.paths) * inputs.channels
        tables = [_couplings(inputs, l_max, irrep, paths[irrep]) for irrep in self.outputs]
        self.couplings = Constant(torch.from_numpy(np.concatenate(tables, axis=1)).flatten(1))
        self.mix = nn.ParameterList(nn.Parameter(torch.randn(n * inputs.channels, inputs.channels)) for n in self.paths)

    def forward(
        self,
        h: Float[Tensor, "components atoms channels"],
        harmonics: Float[Tensor, "edges harmonics"],
        weights: Float[Tensor, "edges weights"],
        edges: Int[Tensor, "2 edges"],
    ) -> Float[Tensor, "components_out atoms channels"]:
        receiver, sender = edges
        features = h.transpose(0, 1).flatten(1).index_select(0, sender).unflatten(1, (self.dim_in, -1))
        coupling = (harmonics @ self.couplings.like(harmonics)).unflatten(1, (-1, self.dim_in))
        rows = torch.bmm(coupling, features).split([s * p for s, p in zip(self.sizes, self.paths, strict=True)], dim=1)
        factors = weights.unflatten(1, (sum(self.paths), -1)).unsqueeze(1).split(self.paths, dim=2)
        mixed = []
        for row, factor, size, mix in zip(rows, factors, self.sizes, self.mix, strict=True):
            messages = (row.unflatten(1, (size, factor.shape[2])) * factor).flatten(1)
            summed = messages.new_zeros(h.shape[1], messages.shape[1]).index_add(0, receiver, messages)
            mixed.append(summed.unflatten(1, (size, -1)) @ (mix / math.sqrt(len(mix))))
        return torch.cat(mixed, dim=1).transpose(0, 1).contiguous()


def _paths(inputs: ChannelIrreps, l_max: int, output: Irrep) -> list[Path]:
    """Blocks of the features and degrees of the harmonics that couple to `output`."""
    l3, p3 = output
    return [
        (k, l2)
        for k, (l1, p1) in enumerate(inputs.irreps)
        for l2, p2 in natural_irreps(l_max)
        if abs(l1 - l2) <= l3 <= l1 + l2 and p1 * p2 == p3
    ]


def _couplings(inputs: ChannelIrreps, l_max: int, output: Irrep, paths: list[Path]) -> np.ndarray:
    """(harmonics, (2 l3 + 1) * paths, components of h), rows ordered by component, then path."""
    table = np.zeros(((l_max + 1) ** 2, 2 * output[0] + 1, len(paths), inputs.dim))
    ends = np.cumsum(inputs.sizes)
    for n, (k, l2) in enumerate(paths):
        l1 = inputs.irreps[k][0]
        coupling = wigner_3j(l1, l2, output[0]) * math.sqrt(2 * output[0] + 1)
        table[l2**2 : (l2 + 1) ** 2, :, n, ends[k] - 2 * l1 - 1 : ends[k]] = coupling.transpose(1, 2, 0)
    return table.reshape(len(table), -1, inputs.dim)
