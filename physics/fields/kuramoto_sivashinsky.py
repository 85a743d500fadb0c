"""The Kuramoto-Sivashinsky equation: long waves grow, short ones are damped, and the advection between is chaotic.

G. I. Sivashinsky, Nonlinear Analysis of Hydrodynamic Instability in Laminar Flames (doi:10.1016/0094-5765(77)90096-0).
A mode exp(i k x) of small amplitude grows at the rate k^2 - nu k^4. The length of the box decides how chaotic it is.
"""

from __future__ import annotations

from torch import Tensor

from surrogates.physics.fields.equation import Equation, Parameters, mean
from surrogates.physics.fields.spectral import Spectral


def kuramoto_sivashinsky(dim: int = 1) -> Equation:
    """Field u, with nu, the strength of the fourth derivative, as its parameter (1 in the customary form).

    In one dimension the derivative form, u_t + u u_x + u_xx + nu u_xxxx = 0, which conserves the mean; in two and
    three the form for the height, u_t + |grad(u)|^2 / 2 + Lap(u) + nu Lap(Lap(u)) = 0, whose mean sinks.
    """
    return Equation(
        "kuramoto_sivashinsky",
        dim=dim,
        fields=("u",),
        parameters=("nu",),
        linear=lambda k, p: -k.laplacian - p["nu"] * k.laplacian**2,
        nonlinear=_flux if dim == 1 else _steepness,
        conserved={"mean": mean()} if dim == 1 else {},
        speed=(lambda k, u, p: k.values(u)) if dim == 1 else (lambda k, u, p: k.values(u * k.gradient)),
    )


def _flux(k: Spectral, u: Tensor, p: Parameters) -> Tensor:
    return k.spectrum(k.values(u).square_()).mul_(-0.5 * k.d(0))


def _steepness(k: Spectral, u: Tensor, p: Parameters) -> Tensor:
    return k.spectrum(k.values(u * k.gradient).square_().sum(1, keepdim=True)).mul_(-0.5)
