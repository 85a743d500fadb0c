"""Quantum circuits: gates, exact and matrix-product simulation, gradients, compilation to basis gates."""

from surrogates.physics.circuits.angles import Angle
from surrogates.physics.circuits.circuit import Barrier, Circuit, Gate, Measure, Reset, of_matrix
from surrogates.physics.circuits.statevector import statevector, unitary

__all__ = ["Angle", "Barrier", "Circuit", "Gate", "Measure", "Reset", "of_matrix", "statevector", "unitary"]
