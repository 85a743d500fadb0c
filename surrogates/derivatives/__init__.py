"""Derivatives of any order in any dimension: Taylor series through a callable, and operators made of them."""

from surrogates.derivatives.differentials import Biharmonic, Diagonal, SecondOrder
from surrogates.derivatives.directions import SparseDirections
from surrogates.derivatives.forward_laplacian import forward_laplacian
from surrogates.derivatives.operators import (
    Estimate,
    Parabolic,
    biharmonic,
    diagonal_operator,
    directional,
    estimate,
    laplacian,
    mixed,
    parabolic,
    partial_sum,
    partials,
    second_order,
)
from surrogates.derivatives.partial_sum import PartialSum
from surrogates.derivatives.planner import Plan, plan
from surrogates.derivatives.propagate import jet, propagate
from surrogates.derivatives.stde import Dense, Exact, Sparse
from surrogates.derivatives.taylor_tensor import taylor_tensor

__all__ = [
    "Biharmonic",
    "Dense",
    "Diagonal",
    "Estimate",
    "Exact",
    "Parabolic",
    "PartialSum",
    "Plan",
    "SecondOrder",
    "Sparse",
    "SparseDirections",
    "biharmonic",
    "diagonal_operator",
    "directional",
    "estimate",
    "forward_laplacian",
    "jet",
    "laplacian",
    "mixed",
    "parabolic",
    "partial_sum",
    "partials",
    "plan",
    "propagate",
    "second_order",
    "taylor_tensor",
]
