"""Products of features with spherical harmonics of edges, one signature for all.

P(inputs, l_max, outputs, ...) has `outputs`, `n_weights`, `expressivity` and
forward(x1 (edges, components, channels), x2 (edges, harmonics), weights (edges, n_weights)) -> (edges, rows, channels),
rows ordered by output irrep, component, path.
"""

from surrogates.equivariance.products.clebsch_gordan import ClebschGordan
from surrogates.equivariance.products.cp_decomposed import CPDecomposed
from surrogates.equivariance.products.gaunt import Gaunt
from surrogates.equivariance.products.grid import SphericalGrid
from surrogates.equivariance.products.rebound import rebound
from surrogates.equivariance.products.so2 import SO2

__all__ = ["SO2", "CPDecomposed", "ClebschGordan", "Gaunt", "SphericalGrid", "rebound"]
