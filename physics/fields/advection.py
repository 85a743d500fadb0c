"""Transport of a scalar at a constant velocity, u_t + c . grad(u) = kappa Lap(u); solved exactly, mode by mode."""

from __future__ import annotations

from torch import Tensor

from surrogates.physics.fields.equation import Equation, Parameters, mean, mean_square
from surrogates.physics.fields.spectral import Spectral

VELOCITY = ("c_x", "c_y", "c_z")


def advection(dim: int = 1) -> Equation:
    """u_t + c . grad(u) = 0: a scalar u, with the velocity c as parameters: c_x, c_y, c_z as far as `dim` goes.

    Its mean and mean square are conserved.
    """
    return Equation(
        "advection",
        dim=dim,
        fields=("u",),
        parameters=VELOCITY[:dim],
        linear=_carried,
        conserved={"mean": mean(), "mean_square": mean_square()},
    )


def advection_diffusion(dim: int = 1) -> Equation:
    """u_t + c . grad(u) = kappa Lap(u); parameters c_x (c_y, c_z) and the diffusivity kappa. Its mean is conserved."""
    return Equation(
        "advection_diffusion",
        dim=dim,
        fields=("u",),
        parameters=(*VELOCITY[:dim], "kappa"),
        linear=lambda k, p: _carried(k, p) + p["kappa"] * k.laplacian,
        conserved={"mean": mean()},
    )


def _carried(k: Spectral, p: Parameters) -> Tensor:
    symbol = -p["c_x"] * k.d(0)
    for axis in range(1, k.dim):
        symbol = symbol - p[VELOCITY[axis]] * k.d(axis)
    return symbol
