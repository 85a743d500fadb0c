"""Derivatives of any order in any dimension: Taylor series through a callable, and operators made of them."""

from surrogates.derivatives.directions import SparseDirections
from surrogates.derivatives.propagate import jet, propagate
from surrogates.derivatives.taylor_tensor import taylor_tensor

__all__ = ["SparseDirections", "jet", "propagate", "taylor_tensor"]
