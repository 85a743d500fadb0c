"""Values of a piecewise smooth function at cell faces from its cell averages, without new oscillations.

Each function takes the averages of the six cells around every face, (6, ...), the face lying between the third and the
fourth, and returns the values on its left and on its right side. Sources: MUSCL, B. van Leer,
doi:10.1016/0021-9991(79)90145-1; WENO5, G.-S. Jiang and C.-W. Shu, doi:10.1006/jcph.1996.0130, with the weights
WENO-Z of R. Borges and others, doi:10.1016/j.jcp.2007.11.038.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Reconstruction = Callable[[Tensor], tuple[Tensor, Tensor]]
REACH = 3  # cells on either side of a face


def constant(w: Tensor) -> tuple[Tensor, Tensor]:
    """The averages themselves (Godunov); first order."""
    return w[2], w[3]


def muscl(w: Tensor) -> tuple[Tensor, Tensor]:
    """Straight lines with van Leer's harmonic mean of both slopes; second order."""
    return w[2] + _harmonic(w[2] - w[1], w[3] - w[2]) / 2, w[3] - _harmonic(w[3] - w[2], w[4] - w[3]) / 2


def weno5(w: Tensor) -> tuple[Tensor, Tensor]:
    """Parabolas through three stencils, weighted by their smoothness; fifth order where the function is smooth."""
    a, b, c, d, e, f = w.unbind(0)
    return _weighted(a, b, c, d, e), _weighted(f, e, d, c, b)


def _harmonic(before: Tensor, after: Tensor) -> Tensor:
    """2 / (1/before + 1/after) where both have one sign, else 0."""
    product = before * after
    same = product > 0
    return torch.where(same, 2 * product / torch.where(same, before + after, 1.0), 0.0)


def _weighted(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor) -> Tensor:
    """The value on c's side of the face between c and d."""
    rough_0 = 13 / 12 * (a - 2 * b + c).square() + (a - 4 * b + 3 * c).square() / 4
    rough_1 = 13 / 12 * (b - 2 * c + d).square() + (b - d).square() / 4
    rough_2 = 13 / 12 * (c - 2 * d + e).square() + (3 * c - 4 * d + e).square() / 4
    small = 1e-13 * (b.square() + c.square() + d.square()) + 1e-150  # relative, for no unit of w is special
    tau = (rough_0 - rough_2).abs()
    weight_0 = 1 + (tau / (rough_0 + small)).square()
    weight_1 = 6 + 6 * (tau / (rough_1 + small)).square()
    weight_2 = 3 + 3 * (tau / (rough_2 + small)).square()
    value_0 = (2 * a - 7 * b + 11 * c) / 6
    value_1 = (5 * c + 2 * d - b) / 6
    value_2 = (2 * c + 5 * d - e) / 6
    return (weight_0 * value_0 + weight_1 * value_1 + weight_2 * value_2) / (weight_0 + weight_1 + weight_2)
