"""One complex matrix for each kept frequency: the weights of the FNO paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Complex
from torch import Tensor, nn

from surrogates.blocks.frequencies import Frequencies


class Dense(nn.Module):
    """in x out complex numbers a frequency, with E|w|^2 = 2 / (in + out) at the start.

    Stored as real numbers (frequencies, in, out, 2), so that every optimiser and file format takes them.

    Args:
        modes: k along each axis, see `Frequencies.lowest`.
    """

    def __init__(self, in_channels: int, out_channels: int, modes: Sequence[int]) -> None:
        super().__init__()
        self.arguments = {"in_channels": in_channels, "out_channels": out_channels, "modes": list(modes)}
        self.in_channels, self.out_channels = in_channels, out_channels
        self.frequencies = Frequencies.lowest(modes)
        shape = (math.prod(self.frequencies.shape), in_channels, out_channels, 2)
        self.weight = nn.Parameter(torch.randn(shape) / math.sqrt(in_channels + out_channels))

    def contract(self, spectrum: Complex[Tensor, "batch in *kept"]) -> Complex[Tensor, "batch out *kept"]:
        """Batched matrix products, one a frequency."""
        return mix(spectrum, torch.view_as_complex(self.weight))

    def dense(self) -> Complex[Tensor, "in out *kept"]:
        """The weights as one complex tensor, with the axes that formulas have."""
        return (
            torch.view_as_complex(self.weight)
            .permute(1, 2, 0)
            .reshape(self.in_channels, self.out_channels, *self.frequencies.shape)
        )

    def set(self, weight: Complex[Tensor, "in out *kept"]) -> None:
        """Take these numbers."""
        by_frequency = torch.view_as_real(weight.detach().flatten(2).movedim(-1, 0).contiguous())
        self.weight.data = by_frequency.to(self.weight).reshape(self.weight.shape)


def mix(
    spectrum: Complex[Tensor, "batch in *kept"], weight: Complex[Tensor, "frequencies in out"]
) -> Complex[Tensor, "batch out *kept"]:
    """sum_i W[f, i, o] X[b, i, f] for frequencies that are flattened in the weight."""
    by_frequency = spectrum.flatten(2).permute(2, 0, 1)
    mixed = torch.bmm(by_frequency, weight).view(*spectrum.shape[2:], len(spectrum), weight.shape[-1])
    return mixed.permute(-2, -1, *range(spectrum.ndim - 2))
