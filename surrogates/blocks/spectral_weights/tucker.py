"""Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs (arXiv:2310.00120): Tucker weights.

W[i o x y] = sum G[p q s t] U[i p] V[o q] A[x s] B[y t]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Complex
from torch import Tensor, nn

from surrogates.blocks.frequencies import Frequencies
from surrogates.blocks.spectral_weights.factors import ComplexFactors, channel_std, mixed_by_factors
from surrogates.physics.tensors import Tucker, tucker_ranks

MATRICES = ("ip", "oq", "xs", "yt", "zu")


class TuckerWeights(nn.Module):
    """A complex core and one matrix for each of in, out and the axes of frequencies.

    At the start the rebuilt weight has E|w|^2 = 2 / (in + out): core and factors have the standard deviation
    (std / prod sqrt r_k)^(1 / (N + 1)).

    Args:
        modes: k along each axis, see `Frequencies.lowest`.
        rank: fraction of the dense parameters, one rank for all axes, or one for each of (in, out, *frequencies);
            `surrogates.physics.tensors.tucker_ranks` has the rule.
    """

    def __init__(
        self, in_channels: int, out_channels: int, modes: Sequence[int], *, rank: int | float | Sequence[int] = 0.1
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.frequencies = Frequencies.lowest(modes)
        shape = (in_channels, out_channels, *self.frequencies.shape)
        self.ranks = tucker_ranks(shape, rank)
        self.arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "modes": list(modes),
            "rank": list(self.ranks),
        }
        std = (channel_std(in_channels, out_channels) / math.sqrt(math.prod(self.ranks))) ** (1 / (len(shape) + 1))
        self.factors = ComplexFactors([self.ranks, *zip(shape, self.ranks, strict=True)], std)

    def contract(self, spectrum: Complex[Tensor, "batch in *kept"]) -> Complex[Tensor, "batch out *kept"]:
        """The spectrum with the factors, in the order that needs the fewest operations."""
        matrices = MATRICES[: len(self.ranks)]
        indices = ",".join(["".join(m[1] for m in matrices), *matrices])
        return mixed_by_factors(spectrum, indices, self.factors.tensors())

    def factorised(self) -> Tucker:
        core, *matrices = self.factors.tensors()
        return Tucker(core, tuple(matrices))

    def dense(self) -> Complex[Tensor, "in out *kept"]:
        """The weights as one tensor."""
        return self.factorised().full()

    def set(self, factors: Tucker) -> None:
        """Take the numbers of a decomposition of the same ranks."""
        self.factors.set([factors.core, *factors.matrices])
