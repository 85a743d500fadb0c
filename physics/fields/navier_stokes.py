"""Incompressible flow in two dimensions by its vorticity: w_t + u . grad(w) = nu Lap(w) + f, w = v_x - u_y.

The advection is formed as (d_yy - d_xx)(u v) + d_xy (u^2 - v^2), which needs two transforms each way where the
products with w need three and two (C. Basdevant, Technical Improvements for Direct Numerical Simulation of
Homogeneous Three-Dimensional Turbulence, doi:10.1016/0021-9991(83)90064-5). Free of aliasing, it keeps energy and
enstrophy of the kept modes exactly. Coordinates: x along the first axis, y along the second; the mean flow is zero.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.equation import Equation, Parameters, mean, mean_square
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.spectral import Spectral


def navier_stokes() -> Equation:
    """Vorticity w, with the viscosity nu as its parameter; give a forcing to `solve`. The mean of w is conserved."""
    return Equation(
        "navier_stokes",
        dim=2,
        fields=("w",),
        parameters=("nu",),
        linear=lambda k, p: p["nu"] * k.laplacian,
        nonlinear=_advection,
        conserved={"mean": mean()},
        speed=lambda k, w, p: k.values(w * k.once(_curl)),
    )


def navier_stokes_drag() -> Equation:
    """As `navier_stokes` with a linear drag, w_t + u . grad(w) = nu Lap(w) - drag w + f; parameters nu and drag."""
    return Equation(
        "navier_stokes_drag",
        dim=2,
        fields=("w",),
        parameters=("nu", "drag"),
        linear=lambda k, p: p["nu"] * k.laplacian - p["drag"],
        nonlinear=_advection,
        speed=lambda k, w, p: k.values(w * k.once(_curl)),
    )


def inviscid_flow() -> Equation:
    """The incompressible Euler equations, nu = 0: mean, energy and enstrophy are conserved."""
    return Equation(
        "inviscid_flow",
        dim=2,
        fields=("w",),
        linear=lambda k, p: torch.zeros_like(k.laplacian),
        nonlinear=_advection,
        conserved={"mean": mean(), "energy": energy, "enstrophy": enstrophy},
        speed=lambda k, w, p: k.values(w * k.once(_curl)),
    )


def _advection(k: Spectral, w: Tensor, p: Parameters) -> Tensor:
    along, across = k.once(_stresses)
    flow = k.values(w * k.once(_curl))
    u, v = flow[:, :1], flow[:, 1:]
    shear = k.spectrum(u * v).mul_(across)
    return shear.addcmul_(k.spectrum(torch.addcmul(u * u, v, v, value=-1)), along)


def _curl(k: Spectral) -> Tensor:
    """Symbols (2, *modes) of u = psi_y and v = -psi_x with Lap(psi) = -w."""
    return torch.stack([-k.d(1) * k.inverse_laplacian, k.d(0) * k.inverse_laplacian])


def _stresses(k: Spectral) -> tuple[Tensor, Tensor]:
    """Symbols of d_xy and d_yy - d_xx; complex, as they multiply spectra in place."""
    along = (k.d(0) * k.d(1)).real
    across = k.d(1, 2) - k.d(0, 2)
    return torch.complex(along, torch.zeros_like(along)), torch.complex(across, torch.zeros_like(across))


def velocity(vorticity: Float[Tensor, "samples 1 x y"], grid: Grid) -> Float[Tensor, "samples 2 x y"]:
    """The flow (u, v) of zero mean and zero divergence with this vorticity."""
    k = Spectral(grid, order=1, dtype=vorticity.dtype, device=vorticity.device)
    return k.values(k.spectrum(vorticity) * k.once(_curl))


def vorticity(flow: Float[Tensor, "samples 2 x y"], grid: Grid) -> Float[Tensor, "samples 1 x y"]:
    """v_x - u_y."""
    k = Spectral(grid, order=1, dtype=flow.dtype, device=flow.device)
    spectrum = k.spectrum(flow)
    return k.values(k.d(0) * spectrum[:, 1:] - k.d(1) * spectrum[:, :1])


def energy(values: Tensor, grid: Grid) -> Tensor:
    """Kinetic energy for each unit of area, mean of |(u, v)|^2 / 2, of vorticities (samples, 1, x, y)."""
    return 0.5 * velocity(values, grid).square().sum(1).flatten(1).mean(1)


def enstrophy(values: Tensor, grid: Grid) -> Tensor:
    """Mean of w^2 / 2."""
    return 0.5 * mean_square()(values, grid)


def diagonal_forcing(grid: Grid, amplitude: float = 0.1) -> Float[Tensor, "1 1 x y"]:
    """amplitude (sin 2 pi (x + y) + cos 2 pi (x + y)), x and y in box lengths (arXiv:2010.08895, section 5.3)."""
    x, y = _in_lengths(grid)
    angle = 2 * math.pi * (x + y)
    return (amplitude * (torch.sin(angle) + torch.cos(angle)))[None, None]


def symmetric_forcing(grid: Grid, amplitude: float = 0.1) -> Float[Tensor, "1 1 x y"]:
    """amplitude (cos 4 pi x + cos 4 pi y), x and y in box lengths, which quarter turns and mirrors leave alone.

    From Group Equivariant Fourier Neural Operators for Partial Differential Equations (arXiv:2306.05697).
    """
    x, y = _in_lengths(grid)
    return (amplitude * (torch.cos(4 * math.pi * x) + torch.cos(4 * math.pi * y)))[None, None]


def kolmogorov_forcing(grid: Grid, waves: int = 4, amplitude: float = 1.0) -> Float[Tensor, "1 1 x y"]:
    """-amplitude k cos(k y), k = 2 pi waves / L: the curl of the force amplitude sin(k y) along x."""
    k = 2 * math.pi * waves / grid.lengths[1]
    _, y = grid.points()
    return (-amplitude * k * torch.cos(k * y))[None, None]


def _in_lengths(grid: Grid) -> tuple[Tensor, Tensor]:
    if grid.dim != 2:
        raise DomainError(f"a forcing of a flow in 2 dimensions on a grid of shape {grid.shape}; give a 2-D grid")
    x, y = grid.points()
    return x / grid.lengths[0], y / grid.lengths[1]
