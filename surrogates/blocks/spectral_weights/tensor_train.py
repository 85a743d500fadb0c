"""Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs (arXiv:2310.00120): tensor-train weights.

W[i o x y] = sum G[i p] H[p o q] A[q x s] B[s y]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Complex
from torch import Tensor, nn

from surrogates.blocks.frequencies import Frequencies
from surrogates.blocks.spectral_weights.factors import ComplexFactors, channel_std, mixed_by_factors
from surrogates.physics.tensors import TensorTrain, train_ranks

BONDS = "mpqstu"


class TrainWeights(nn.Module):
    """A chain of cores (left bond, size, right bond) over in, out and the axes of frequencies.

    At the start all cores have the standard deviation (std / prod sqrt r_k)^(1 / N), so that the rebuilt weight has
    E|w|^2 = std^2 = 2 / (in + out).

    Args:
        modes: k along each axis, see `Frequencies.lowest`.
        rank: fraction of the dense parameters, one size for all inner bonds, or one for each;
            `surrogates.physics.tensors.train_ranks` has the rule.
    """

    def __init__(
        self, in_channels: int, out_channels: int, modes: Sequence[int], *, rank: int | float | Sequence[int] = 0.1
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.frequencies = Frequencies.lowest(modes)
        shape = (in_channels, out_channels, *self.frequencies.shape)
        self.ranks = train_ranks(shape, rank)
        self.arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "modes": list(modes),
            "rank": list(self.ranks),
        }
        std = (channel_std(in_channels, out_channels) / math.sqrt(math.prod(self.ranks))) ** (1 / len(shape))
        bonds = (1, *self.ranks, 1)
        self.factors = ComplexFactors([*zip(bonds[:-1], shape, bonds[1:], strict=True)], std)

    def contract(self, spectrum: Complex[Tensor, "batch in *kept"]) -> Complex[Tensor, "batch out *kept"]:
        """The spectrum with the cores, in the order that needs the fewest operations."""
        first, *inner, last = self.factors.tensors()
        names = "ioxyz"[: spectrum.ndim]
        middle = [BONDS[k] + name + BONDS[k + 1] for k, name in enumerate(names)]
        indices = [middle[0][1:], *middle[1:-1], middle[-1][:-1]]
        return mixed_by_factors(spectrum, ",".join(indices), [first[0], *inner, last[..., 0]])

    def factorised(self) -> TensorTrain:
        return TensorTrain(self.factors.tensors())

    def dense(self) -> Complex[Tensor, "in out *kept"]:
        """The weights as one tensor."""
        return self.factorised().full()

    def set(self, factors: TensorTrain) -> None:
        """Take the numbers of a decomposition of the same bonds."""
        self.factors.set(factors.cores)
