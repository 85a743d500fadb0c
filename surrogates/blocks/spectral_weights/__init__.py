"""How a spectral layer mixes channels at each kept frequency; see `SpectralWeights`."""

from surrogates.blocks.spectral_weights.dense import Dense
from surrogates.blocks.spectral_weights.protocol import SpectralWeights

__all__ = ["Dense", "SpectralWeights"]
