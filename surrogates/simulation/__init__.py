"""Batched loops over a surrogate: relaxation, molecular dynamics, vibrations."""

from surrogates.simulation.dynamics import dynamics
from surrogates.simulation.elastic import elastic_constants
from surrogates.simulation.elastic_constants import ElasticConstants
from surrogates.simulation.elastic_hessian import SecondDerivatives
from surrogates.simulation.elastic_stress import StressStrain
from surrogates.simulation.ensembles import NVE, Langevin
from surrogates.simulation.equation_of_state import EquationOfState, equation_of_state
from surrogates.simulation.extended import NPT, NoseHoover
from surrogates.simulation.foreign import AseSurrogate, as_surrogate
from surrogates.simulation.modes import Modes
from surrogates.simulation.optimizers import FIRE, LBFGS
from surrogates.simulation.phonon_modes import Phonons
from surrogates.simulation.phonons import phonons
from surrogates.simulation.relax import relax
from surrogates.simulation.relaxed import Relaxed
from surrogates.simulation.trajectory import Trajectory
from surrogates.simulation.vibrations import vibrations

__all__ = [
    "FIRE",
    "LBFGS",
    "NPT",
    "NVE",
    "AseSurrogate",
    "ElasticConstants",
    "EquationOfState",
    "Langevin",
    "Modes",
    "NoseHoover",
    "Phonons",
    "Relaxed",
    "SecondDerivatives",
    "StressStrain",
    "Trajectory",
    "as_surrogate",
    "dynamics",
    "elastic_constants",
    "equation_of_state",
    "phonons",
    "relax",
    "vibrations",
]
