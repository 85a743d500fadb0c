"""Scattering length of a spherical potential of finite range, S wave at zero energy, and its Born series.

u'' = U(r) u with u(0) = 0 on 0 <= r <= 1, where U = 2 m V R^2 / hbar^2 is constant in each of d equal shells and
lengths are in units of the range R; outside u is a line that meets zero at the scattering length a = 1 - u(1) / u'(1).
From u(r) = r + int_0^r (r - s) U(s) u(s) ds follow the Born terms a1 = int r^2 U dr and
a2 = - int int r s min(r, s) U(r) U(s) dr ds.

Paper: A Neural Network Perturbation Theory Based on the Born Series (arXiv:2009.03192), where these are learned.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

_TERMS = 12  # of cosh and sinh in powers of U h^2, which is below 1 for shells that resolve the wave


def scattering_length(potential: Float[Tensor, "batch shells"]) -> Float[Tensor, "batch 1"]:
    """Scattering length in units of the range, for U (batch, d) in units of 1 / R^2, of either sign.

    Exact within each shell: (u, u') turns by cosh(h sqrt U) and sinh(h sqrt U) / sqrt U, which are power series in
    U, so that U = 0 is no special case. It diverges where a bound state appears (U = -pi^2 / 4 for a square well).
    """
    h = 1 / potential.shape[-1]
    u, slope = torch.zeros_like(potential[:, :1]), torch.ones_like(potential[:, :1])
    for i in range(potential.shape[-1]):
        w = potential[:, i : i + 1]
        even, odd = _series(w * h * h, 0), _series(w * h * h, 1) * h
        u, slope = even * u + odd * slope, w * odd * u + even * slope
    return 1 - u / slope


def _series(x: Tensor, shift: int) -> Tensor:
    """sum over k of x^k / (2 k + shift)!: cosh sqrt x and sinh sqrt x / sqrt x."""
    total = torch.zeros_like(x)
    for k in reversed(range(_TERMS)):
        total = total * x + 1 / math.factorial(2 * k + shift)
    return total


def born_terms(shells: int) -> tuple[Float[Tensor, "shells"], Float[Tensor, "shells shells"]]:
    """First and second Born kernel: a = b . U + U . B U + O(U^3), float64."""
    edge = torch.linspace(0, 1, shells + 1, dtype=torch.float64)
    moment = [(edge[1:] ** n - edge[:-1] ** n) / n for n in range(6)[1:]]
    first, square = moment[1], moment[2]  # int r dr, int r^2 dr of each shell
    off = first[:, None] * square[None, :]  # the inner shell, the column, has the smaller radius
    second = torch.tril(off, -1) + torch.tril(off, -1).T
    # within one shell: twice int r dr int_a^r s^2 ds
    a = edge[:-1]
    inside = 2 * ((edge[1:] ** 5 - a**5) / 15 - a**3 * first / 3)
    return square, -(second + torch.diag(inside))
