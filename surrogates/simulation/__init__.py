"""Batched loops over a surrogate: relaxation, and what moves or vibrates."""

from surrogates.simulation.foreign import AseSurrogate, as_surrogate
from surrogates.simulation.optimizers import FIRE, LBFGS
from surrogates.simulation.relax import relax
from surrogates.simulation.relaxed import Relaxed

__all__ = ["FIRE", "LBFGS", "AseSurrogate", "Relaxed", "as_surrogate", "relax"]
