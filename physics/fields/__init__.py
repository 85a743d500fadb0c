"""Reference solutions of partial differential equations on regular grids."""

from surrogates.physics.fields.advection import advection, advection_diffusion
from surrogates.physics.fields.burgers import burgers
from surrogates.physics.fields.diffusion_reaction import fisher_kpp, fitzhugh_nagumo, gray_scott
from surrogates.physics.fields.equation import Equation, advective_limit
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.heat import heat
from surrogates.physics.fields.kdv import kdv
from surrogates.physics.fields.kuramoto_sivashinsky import kuramoto_sivashinsky
from surrogates.physics.fields.navier_stokes import inviscid_flow, navier_stokes, navier_stokes_drag
from surrogates.physics.fields.random_field import gaussian_random_field
from surrogates.physics.fields.residual import residual
from surrogates.physics.fields.solve import Solution, solve
from surrogates.physics.fields.spectral import Spectral

__all__ = [
    "Equation",
    "Grid",
    "Solution",
    "Spectral",
    "advection",
    "advection_diffusion",
    "advective_limit",
    "burgers",
    "fisher_kpp",
    "fitzhugh_nagumo",
    "gaussian_random_field",
    "gray_scott",
    "heat",
    "inviscid_flow",
    "kdv",
    "kuramoto_sivashinsky",
    "navier_stokes",
    "navier_stokes_drag",
    "residual",
    "solve",
]
