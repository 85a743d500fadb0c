"""The Korteweg-de Vries equation, u_t + alpha u u_x + beta u_xxx = 0, and its soliton.

D. J. Korteweg, G. de Vries, On the Change of Form of Long Waves (doi:10.1080/14786449508620739); the customary form
has alpha = 6, beta = 1, that of Zabusky and Kruskal (doi:10.1103/PhysRevLett.15.240) alpha = 1, beta = 0.022^2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.fields.equation import Equation, Parameters, mean, mean_square
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.spectral import Spectral


def kdv() -> Equation:
    """Height u in one dimension; parameters alpha (steepening) and beta (dispersion).

    Mean and mean square are conserved.
    """
    return Equation(
        "kdv",
        dim=1,
        fields=("u",),
        parameters=("alpha", "beta"),
        linear=lambda k, p: -p["beta"] * k.d(0, 3),
        nonlinear=_flux,
        conserved={"mean": mean(), "mean_square": mean_square()},
        speed=lambda k, u, p: p["alpha"] * k.values(u),
    )


def _flux(k: Spectral, u: Tensor, p: Parameters) -> Tensor:
    return k.spectrum(k.values(u).square_()).mul_(-0.5 * p["alpha"] * k.d(0))


def soliton(
    grid: Grid, time: float | int, *, kappa: float, centre: float, alpha: float | int = 6, beta: float | int = 1
) -> Float[Tensor, "1 1 n"]:
    """12 beta kappa^2 / alpha sech^2(kappa (x - centre - 4 beta kappa^2 t)), seen across the periodic ends.

    Exact on the infinite line; on a period L the images differ by about exp(-kappa L).
    """
    (length,) = grid.lengths
    (x,) = grid.axes()
    shifted = torch.remainder(x - centre - 4 * beta * kappa**2 * time + length / 2, length) - length / 2
    return (12 * beta * kappa**2 / alpha / torch.cosh(kappa * shifted) ** 2)[None, None]
