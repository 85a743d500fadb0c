"""Fourier Neural Operator for Parametric Partial Differential Equations (arXiv:2010.08895): its integral operator.

(K u)_o(x) = sum over kept f of exp(2 pi i f.x/n) sum_i W_io(f) U_i(f)                                        eq. 5
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.frequencies import Frequencies, check_modes
from surrogates.blocks.spectral_weights import Dense, SpectralWeights
from surrogates.blocks.truncated_fourier import analyse, synthesise
from surrogates.physics.errors import DomainError


class FourierConv(nn.Module):
    """Periodic convolution whose filter is given by its lowest Fourier coefficients; one for 1, 2 and 3 dimensions.

    The same function on every grid that carries the frequencies, of even, odd and unequal sides: coefficients are means
    over the grid. The result is real; where frequency 0 or Nyquist of the halved axis has no partner, the real part.

    Args:
        modes: k along each axis: frequencies -k..k-1, along the last axis 0..k-1, unless `weights` ask for others.
        weights: the module that mixes channels, see `SpectralWeights`; `Dense` when None.
    """

    def __init__(
        self, in_channels: int, out_channels: int, modes: Sequence[int], weights: nn.Module | None = None
    ) -> None:
        super().__init__()
        modes = check_modes(modes)
        weights = Dense(in_channels, out_channels, modes) if weights is None else weights
        if not isinstance(weights, SpectralWeights):
            raise DomainError(
                f"a {type(weights).__name__} is no spectral weight: it needs in_channels, out_channels, frequencies "
                "and contract(spectrum), as surrogates.blocks.spectral_weights.Dense has"
            )
        if (weights.in_channels, weights.out_channels, weights.frequencies.dim) != (
            in_channels,
            out_channels,
            len(modes),
        ):
            raise DomainError(
                f"weights for {weights.in_channels} -> {weights.out_channels} channels in {weights.frequencies.dim} "
                f"dimensions do not fit a convolution {in_channels} -> {out_channels} in {len(modes)}"
            )
        self.arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "modes": list(modes),
            "weights": weights,
        }
        self.weights = weights

    @property
    def frequencies(self) -> Frequencies:
        return self.weights.frequencies

    def forward(self, u: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        """Raises DomainError where the grid does not carry the modes or the channels do not fit."""
        if u.ndim != self.frequencies.dim + 2 or u.shape[1] != self.weights.in_channels:
            raise DomainError(
                f"a field of shape {tuple(u.shape)} was given; give (batch, {self.weights.in_channels} channels, and "
                f"{self.frequencies.dim} axes of space)"
            )
        self.frequencies.check(u.shape[2:])
        with torch.autocast(u.device.type, enabled=False):  # there are no complex numbers of half precision
            mixed = self.weights.contract(analyse(u if u.dtype == torch.float64 else u.float(), self.frequencies))
            return synthesise(mixed, self.frequencies, u.shape[2:]).to(u.dtype)
