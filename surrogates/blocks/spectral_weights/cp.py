"""Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs (arXiv:2310.00120): CP weights.

W[i o x y] = sum_r w_r U[i r] V[o r] A[x r] B[y r]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Complex
from torch import Tensor, nn

from surrogates.blocks.frequencies import Frequencies
from surrogates.blocks.spectral_weights.factors import ComplexFactors, channel_std, mixed_by_factors
from surrogates.physics.tensors import CP, cp_rank

MATRICES = ("ir", "or", "xr", "yr", "zr")


class CPWeights(nn.Module):
    """`rank` products of one vector for each of in, out and the axes of frequencies.

    At the start the component weights are 1 and the vectors have the standard deviation (std / sqrt r)^(1 / N), so that
    the rebuilt weight has E|w|^2 = std^2 = 2 / (in + out).

    Args:
        modes: k along each axis, see `Frequencies.lowest`.
        rank: fraction of the dense parameters, or the number of components.
    """

    def __init__(self, in_channels: int, out_channels: int, modes: Sequence[int], *, rank: int | float = 0.1) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.frequencies = Frequencies.lowest(modes)
        shape = (in_channels, out_channels, *self.frequencies.shape)
        self.rank = cp_rank(shape, rank)
        self.arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "modes": list(modes),
            "rank": self.rank,
        }
        std = (channel_std(in_channels, out_channels) / math.sqrt(self.rank)) ** (1 / len(shape))
        self.factors = ComplexFactors([(self.rank,), *((d, self.rank) for d in shape)], std)
        self.factors.set([torch.ones(self.rank), *self.factors.tensors()[1:]])

    def contract(self, spectrum: Complex[Tensor, "batch in *kept"]) -> Complex[Tensor, "batch out *kept"]:
        """The spectrum with the factors, in the order that needs the fewest operations."""
        return mixed_by_factors(spectrum, ",".join(["r", *MATRICES[: spectrum.ndim]]), self.factors.tensors())

    def factorised(self) -> CP:
        weights, *matrices = self.factors.tensors()
        return CP(weights, tuple(matrices))

    def dense(self) -> Complex[Tensor, "in out *kept"]:
        """The weights as one tensor."""
        return self.factorised().full()

    def set(self, factors: CP) -> None:
        """Take the numbers of a decomposition of the same rank."""
        self.factors.set([factors.weights, *factors.matrices])
