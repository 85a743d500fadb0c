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
from surrogates.equivariance.irreps import ChannelIrreps, Irrep, rows_of
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
        channels_out: channels of A, as many as h has unless given.
        vector_parity: of the harmonics of degree 1: -1; or 1 where reflections do not count and all irreps are even.
        rounded: couplings of three degrees above zero are rounded to float32, as in networks that were born in it.
    """

    path: Tensor

    def __init__(
        self,
        inputs: ChannelIrreps,
        l_max: int,
        outputs: tuple[Irrep, ...],
        channels_out: int | None = None,
        vector_parity: int = -1,
        rounded: bool = False,
    ) -> None:
        super().__init__()
        harmonics = tuple((l, vector_parity**l) for l in range(l_max + 1))
        paths = {irrep: edge_paths(inputs, harmonics, irrep) for irrep in outputs}
        self.outputs = tuple(irrep for irrep in outputs if paths[irrep])
        self.channels, self.dim_in = inputs.channels, inputs.dim
        self.channels_out = channels_out or inputs.channels
        counts = [len(paths[irrep]) for irrep in self.outputs]
        self.n_weights = sum(counts) * inputs.channels
        tables = [_couplings(inputs, l_max, irrep, paths[irrep], rounded) for irrep in self.outputs]
        path, component = rows_of(self.outputs, counts)
        self.couplings = Constant(torch.from_numpy(np.concatenate(tables, axis=1)).flatten(1))
        self.collect = Constant(torch.nn.functional.one_hot(component).T)
        self.scale = Constant(
            torch.tensor([(n * inputs.channels) ** -0.5 for n in counts for _ in range(n)], dtype=torch.float64)
        )
        self.register_buffer("path", path, persistent=False)
        self.mix = nn.ParameterList(nn.Parameter(torch.randn(n * inputs.channels, self.channels_out)) for n in counts)

    def forward(
        self,
        h: Float[Tensor, "components atoms channels"],
        harmonics: Float[Tensor, "edges harmonics"],
        weights: Float[Tensor, "edges weights"],
        edges: Int[Tensor, "2 edges"],
    ) -> Float[Tensor, "components_out atoms channels_out"]:
        receiver, sender = edges
        n_edges, n_atoms, c = len(sender), h.shape[1], self.channels
        neighbours = h.transpose(0, 1).flatten(1).index_select(0, sender).view(n_edges, self.dim_in, c)
        coupling = (harmonics @ self.couplings.like(harmonics)).view(n_edges, len(self.path), self.dim_in)
        factors = weights.view(n_edges, self.n_weights // c, c).index_select(1, self.path)
        messages = (torch.bmm(coupling, neighbours) * factors).flatten(1)
        summed = messages.new_zeros(n_atoms, messages.shape[1]).index_add(0, receiver, messages)
        mixed = torch.bmm(summed.view(n_atoms, len(self.path), c).transpose(0, 1), self._mix())
        return (self.collect.like(h) @ mixed.flatten(1)).view(-1, n_atoms, self.channels_out)

    def _mix(self) -> Tensor:
        """The matrix that mixes channels in each row (component, path) before paths are added, (rows, c, c_out)."""
        weight = torch.cat(list(self.mix)).view(-1, self.channels, self.channels_out)
        return (weight * self.scale.like(weight)[:, None, None]).index_select(0, self.path)


def edge_paths(inputs: ChannelIrreps, harmonics: tuple[Irrep, ...], output: Irrep) -> list[Path]:
    """Blocks of the features and degrees of the harmonics that couple to `output`."""
    l3, p3 = output
    return [
        (k, l2)
        for k, (l1, p1) in enumerate(inputs.irreps)
        for l2, p2 in harmonics
        if abs(l1 - l2) <= l3 <= l1 + l2 and p1 * p2 == p3
    ]


def _couplings(inputs: ChannelIrreps, l_max: int, output: Irrep, paths: list[Path], rounded: bool) -> np.ndarray:
    """(harmonics, (2 l3 + 1) * paths, components of h), rows ordered by component, then path."""
    table = np.zeros(((l_max + 1) ** 2, 2 * output[0] + 1, len(paths), inputs.dim))
    ends = np.cumsum(inputs.sizes)
    for n, (k, l2) in enumerate(paths):
        l1 = inputs.irreps[k][0]
        coupling = wigner_3j(l1, l2, output[0])
        if rounded and min(l1, l2, output[0]) > 0:
            coupling = coupling.astype(np.float32).astype(np.float64)
        coupling = coupling * math.sqrt(2 * output[0] + 1)
        table[l2**2 : (l2 + 1) ** 2, :, n, ends[k] - 2 * l1 - 1 : ends[k]] = coupling.transpose(1, 2, 0)
    return table.reshape(len(table), -1, inputs.dim)
