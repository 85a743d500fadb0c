"""Minimisers of many structures at once, one a file."""

from surrogates.simulation.optimizers.fire import FIRE
from surrogates.simulation.optimizers.lbfgs import LBFGS
from surrogates.simulation.optimizers.state import Minimiser, MinimiserState

__all__ = ["FIRE", "LBFGS", "Minimiser", "MinimiserState"]
