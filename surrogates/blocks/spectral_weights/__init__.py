"""How a spectral layer mixes channels at each kept frequency; see `SpectralWeights`."""

from surrogates.blocks.spectral_weights.cp import CPWeights
from surrogates.blocks.spectral_weights.dense import Dense
from surrogates.blocks.spectral_weights.depthwise import Depthwise
from surrogates.blocks.spectral_weights.protocol import SpectralWeights
from surrogates.blocks.spectral_weights.tensor_train import TrainWeights
from surrogates.blocks.spectral_weights.tucker import TuckerWeights

__all__ = ["CPWeights", "Dense", "Depthwise", "SpectralWeights", "TrainWeights", "TuckerWeights"]
