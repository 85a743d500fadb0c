"""Sum over neighbours with a gate: messages over a learned density, plus the atom's own features, through a gate.

Formulas of the residual non-linear interaction of mace-torch 0.3.14, which has no paper; density as in LearnedDensity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.blocks.gate import Gate
from surrogates.blocks.interactions.neighbour_sum import neighbours_seen
from surrogates.blocks.interactions.surroundings import Surroundings
from surrogates.blocks.irreps_linear import IrrepsLinear
from surrogates.blocks.irreps_map import IrrepsMap
from surrogates.blocks.mlp import NormMLP
from surrogates.equivariance.irreps import channel_irreps, ordered_irreps


class GatedSum(nn.Module):
    """A_i = W gate(sum_j w_ij (Y(r_ij) x x_j) / (alpha + beta rho_i) + V x_i), x = U h.

    Weights w and density rho_i = sum_j tanh(d_ij^2) are networks of the radial functions and of embeddings of both
    elements.

    Args:
        inputs, outputs: irreps of h and of A. l_max: of the harmonics.
        radial_widths: of the radial network, the number of radial functions first.
        n_elements: number of elements.
        between: irreps of x, those of h unless given.
        density_width: hidden width of the network of the density.
        vector_parity, rounded: see EdgeConvolution.
    """

    place: Tensor

    def __init__(
        self,
        inputs: str,
        l_max: int,
        outputs: str,
        radial_widths: Sequence[int],
        *,
        n_elements: int,
        between: str | None = None,
        density_width: int = 64,
        vector_parity: int = -1,
        rounded: bool = False,
    ) -> None:
        super().__init__()
        self.arguments = dict(
            inputs=inputs, l_max=l_max, outputs=outputs, radial_widths=list(radial_widths), n_elements=n_elements,
            between=between, density_width=density_width, vector_parity=vector_parity, rounded=rounded,
        )  # fmt: skip
        irreps, targets = channel_irreps(inputs), ordered_irreps(outputs)
        self.outputs, self.channels = targets.irreps, targets.channels
        self.gate = Gate(self.outputs)
        self.source, self.target = (nn.Parameter(torch.randn(n_elements, irreps.channels)) for _ in range(2))
        self.up, seen = neighbours_seen(irreps, between)
        self.convolution = EdgeConvolution(
            seen, l_max, targets.irreps, self.channels, vector_parity=vector_parity, rounded=rounded
        )
        paths = self.convolution.counts[0] * seen.channels
        self.gates = nn.Parameter(torch.randn(paths, self.gate.n_gates * self.channels))
        self.own = IrrepsMap(seen, self.gate.inputs, self.channels)
        first, *hidden = radial_widths
        n = first + 2 * irreps.channels
        self.radial, self.density = (
            NormMLP([n, *hidden, self.convolution.n_weights]),
            NormMLP([n, density_width, 1]),
        )
        self.alpha, self.beta = nn.Parameter(torch.tensor(20.0)), nn.Parameter(torch.tensor(0.0))
        self.linear = IrrepsLinear(targets)
        self.n_scalars = sum(l == 0 for l, _ in self.convolution.outputs)
        self.register_buffer("place", self._places(), persistent=False)

    def forward(
        self, h: Float[Tensor, "components atoms channels"], around: Surroundings
    ) -> Float[Tensor, "components_a atoms channels_a"]:
        receiver, sender = around.edges
        elements = around.element.index_select(0, sender), around.element.index_select(0, receiver)
        pair = (table.index_select(0, z) for table, z in zip((self.source, self.target), elements, strict=True))
        edge = torch.cat([around.radial, *pair], dim=1)
        x = self.up(h)
        sums = self.convolution.sums(x, around.harmonics, around.cut(self.radial(edge)), around.edges)
        gates = sums[0][0] @ (self.gates / math.sqrt(len(self.gates)))
        gates = gates.unflatten(1, (self.gate.n_gates, self.channels)).transpose(0, 1)
        a = self.convolution.mixed(sums)
        a = torch.cat([a[: self.n_scalars], gates, a[self.n_scalars :]])
        density = around.cut(torch.tanh(self.density(edge) ** 2))
        rho = density.new_zeros(h.shape[1], 1).index_add(0, receiver, density)
        summed = self.own(x).index_add(0, self.place, a / (self.beta * rho + self.alpha))
        return self.linear(self.gate(summed))

    def _places(self) -> Tensor:
        """Rows of the gate's input that the convolution fills: it leaves out irreps that nothing couples to."""
        reached = ((0, 1), *self.convolution.outputs)
        rows: list[int] = []
        start = 0
        for irrep in self.gate.inputs:
            size = 2 * irrep[0] + 1
            if irrep in reached:
                rows += range(start, start + size)
            start += size
        return torch.tensor(rows, dtype=torch.long)
