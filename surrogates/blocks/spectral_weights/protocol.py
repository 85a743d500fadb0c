"""What a spectral convolution asks of its weights."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Complex
from torch import Tensor

from surrogates.blocks.frequencies import Frequencies


@runtime_checkable
class SpectralWeights(Protocol):
    """An nn.Module that mixes channels, frequency by frequency, in whatever form it keeps its numbers.

    `frequencies` says which coefficients it is given, and in which order; `Frequencies.lowest(modes)` is the usual set,
    another one (the symmetric set of group-tied filters) is asked for by holding it here.
    """

    in_channels: int
    out_channels: int
    frequencies: Frequencies

    def contract(self, spectrum: Complex[Tensor, "batch in *kept"]) -> Complex[Tensor, "batch out *kept"]:
        """sum_i W[i, o, f] X[b, i, f]. The spectrum comes with the frequencies in front in memory."""
        ...
