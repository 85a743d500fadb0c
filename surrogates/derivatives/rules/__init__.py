"""Rules of operations on Taylor series, a family a file; importing this package enters them."""

from surrogates.derivatives.rules import (
    arithmetic,
    attention,
    constants,
    convolution,
    elementwise,
    inplace,
    linear,
    matrices,
    normalise,
    piecewise,
    powers,
    products,
    queries,
    reductions,
    shapes,
)

__all__ = [
    "arithmetic",
    "attention",
    "constants",
    "convolution",
    "elementwise",
    "inplace",
    "linear",
    "matrices",
    "normalise",
    "piecewise",
    "powers",
    "products",
    "queries",
    "reductions",
    "shapes",
]
