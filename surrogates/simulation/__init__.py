"""Batched loops over a surrogate: relaxation, molecular dynamics, vibrations."""

from surrogates.simulation.dynamics import dynamics
from surrogates.simulation.ensembles import NVE, Langevin
from surrogates.simulation.foreign import AseSurrogate, as_surrogate
from surrogates.simulation.modes import Modes
from surrogates.simulation.optimizers import FIRE, LBFGS
from surrogates.simulation.relax import relax
from surrogates.simulation.relaxed import Relaxed
from surrogates.simulation.trajectory import Trajectory
from surrogates.simulation.vibrations import vibrations

__all__ = [
    "FIRE",
    "LBFGS",
    "NVE",
    "AseSurrogate",
    "Langevin",
    "Modes",
    "Relaxed",
    "Trajectory",
    "as_surrogate",
    "dynamics",
    "relax",
    "vibrations",
]
