"""Spectral weights that filter every channel on its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Complex
from torch import Tensor, nn

from surrogates.blocks.frequencies import Frequencies


class Depthwise(nn.Module):
    """One complex number for each channel and frequency ("separable"); channels are mixed elsewhere.

    Args:
        modes: k along each axis, see `Frequencies.lowest`.
    """

    def __init__(self, channels: int, modes: Sequence[int]) -> None:
        super().__init__()
        self.arguments = {"channels": channels, "modes": list(modes)}
        self.in_channels = self.out_channels = channels
        self.frequencies = Frequencies.lowest(modes)
        self.weight = nn.Parameter(torch.randn(channels, *self.frequencies.shape, 2) / math.sqrt(2 * channels))

    def contract(self, spectrum: Complex[Tensor, "batch in *kept"]) -> Complex[Tensor, "batch out *kept"]:
        """The product, frequency by frequency."""
        return spectrum * torch.view_as_complex(self.weight)
