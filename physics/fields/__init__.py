"""Reference solutions of partial differential equations on regular grids."""

from surrogates.physics.fields.equation import Equation
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.solve import Solution, solve
from surrogates.physics.fields.spectral import Spectral

__all__ = ["Equation", "Grid", "Solution", "Spectral", "solve"]
