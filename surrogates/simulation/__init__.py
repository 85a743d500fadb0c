"""Batched loops over a surrogate: relaxation, molecular dynamics, vibrations."""

from surrogates.simulation.dynamics import dynamics
from surrogates.simulation.ensembles import NVE, Langevin
from surrogates.simulation.foreign import AseSurrogate, as_surrogate
from surrogates.simulation.optimizers import FIRE, LBFGS
from surrogates.simulation.relax import relax
from surrogates.simulation.relaxed import Relaxed
from surrogates.simulation.trajectory import Trajectory

__all__ = [
    "FIRE",
    "LBFGS",
    "NVE",
    "AseSurrogate",
    "Langevin",
    "Relaxed",
    "Trajectory",
    "as_surrogate",
    "dynamics",
    "relax",
]
