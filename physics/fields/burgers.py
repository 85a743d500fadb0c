"""The viscous Burgers equation, u_t + u . grad(u) = nu Lap(u), and its exact solution by the Cole-Hopf transform."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.fields.equation import Equation, Parameters, mean
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.spectral import Spectral


def burgers(dim: int = 1) -> Equation:
    """Velocity u, with the viscosity nu as its parameter.

    In one dimension u is a scalar in conservation form, u_t + (u^2 / 2)_x = nu u_xx, and its mean is conserved; in
    two and three u is a vector, carried by itself.
    """
    return Equation(
        "burgers",
        dim=dim,
        fields={"u": 0 if dim == 1 else 1},
        parameters=("nu",),
        linear=lambda k, p: p["nu"] * k.laplacian,
        nonlinear=_flux if dim == 1 else _self_advection,
        conserved={"mean": mean()} if dim == 1 else {},
        speed=lambda k, u, p: k.values(u),
    )


def _flux(k: Spectral, u: Tensor, p: Parameters) -> Tensor:
    return k.spectrum(k.values(u).square_()).mul_(-0.5 * k.d(0))


def _self_advection(k: Spectral, u: Tensor, p: Parameters) -> Tensor:
    velocity = k.values(u)
    change = velocity.new_zeros(velocity.shape)
    for axis in range(k.dim):
        change = change.addcmul(velocity[:, axis : axis + 1], k.values(k.d(axis) * u), value=-1)
    return k.spectrum(change)


def cole_hopf(
    initial: Float[Tensor, "samples 1 n"], grid: Grid, nu: float | int, time: float | int
) -> Float[Tensor, "samples 1 n"]:
    """Exact solution at `time` for a smooth initial state of zero mean (J. D. Cole, doi:10.1090/qam/42889).

    u = -2 nu phi_x / phi with phi(x, 0) = exp(-int u / 2 nu) and phi_t = nu phi_xx; exact to rounding while phi is
    resolved, that is for max |int u| / 2 nu up to about 20.
    """
    k = Spectral(grid, order=1, device=initial.device, dtype=initial.dtype)
    potential = k.values(k.spectrum(initial) * k.d(0) * k.inverse_laplacian)
    phi = k.spectrum(torch.exp(-potential / (2 * nu))) * torch.exp(nu * time * k.laplacian)
    return -2 * nu * k.values(k.d(0) * phi) / k.values(phi)
