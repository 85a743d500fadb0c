"""Quantum circuits: gates, exact and matrix-product simulation, gradients, compilation to basis gates."""

from surrogates.physics.circuits.angles import Angle
from surrogates.physics.circuits.circuit import Barrier, Circuit, Gate, Measure, Reset, of_matrix
from surrogates.physics.circuits.decompose import in_gates
from surrogates.physics.circuits.gates import known
from surrogates.physics.circuits.mps_simulator import Simulation, simulate
from surrogates.physics.circuits.noise import Channel, Noise
from surrogates.physics.circuits.statevector import statevector, unitary
from surrogates.physics.circuits.trajectories import Shots, average, sample_circuit
from surrogates.physics.circuits.transpile import cz_depth, to_basis

__all__ = [
    "Angle",
    "Barrier",
    "Channel",
    "Circuit",
    "Gate",
    "Measure",
    "Noise",
    "Reset",
    "Shots",
    "Simulation",
    "average",
    "cz_depth",
    "in_gates",
    "known",
    "of_matrix",
    "sample_circuit",
    "simulate",
    "statevector",
    "to_basis",
    "unitary",
]
