"""Gaussian random fields with the covariance sigma^2 (-Lap + tau^2)^(-alpha), by their Karhunen-Loeve sum.

The random initial states and coefficients of Fourier Neural Operator for Parametric Partial Differential Equations
(arXiv:2010.08895), appendix A.3: Burgers alpha = 2, tau = 5, sigma = 25; Darcy alpha = 2, tau = 3 with walls;
Navier-Stokes alpha = 2.5, tau = 7. Its text gives sigma for the second and third only through the covariance, its
programs take tau^(alpha - d/2), our default; the one for Navier-Stokes then multiplies by sqrt(2).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid


def gaussian_random_field(
    grid: Grid,
    samples: int,
    *,
    alpha: float | int,
    tau: float | int,
    sigma: float | int | None = None,
    mean: float | int = 0.0,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
) -> Float[Tensor, "samples *space"]:
    """mean + sum_k sigma (|w_k|^2 + tau^2)^(-alpha/2) xi_k phi_k(x), xi_k standard normal, the constant phi left out.

    Along a periodic axis the phi are sqrt(2) cos(w x) and sqrt(2) sin(w x) with w = 2 pi m / L, along a walled one
    sqrt(2) cos(w x) with w = pi m / L, which has no slope at the walls; each has a mean square of 1. All frequencies
    below Nyquist's are summed.

    The low frequencies do not depend on the resolution: the same seed gives on a finer grid the same fields with more
    detail. The generator moves on by one draw, whatever is asked of it.

    Args:
        samples: number of fields.
        alpha: decay of the spectrum; the fields are smoother than order alpha - d/2.
        tau: inverse correlation length, in the units of w.
        sigma: scale; None takes tau^(alpha - d/2), for which the variance hardly depends on tau.
        mean: of every field.
        generator: on the CPU, seeded by the caller.
    """
    if samples < 1 or tau < 0 or not all(map(math.isfinite, (alpha, tau, mean))):
        raise DomainError(
            f"{samples} random fields with alpha = {alpha}, tau = {tau}, mean = {mean}; give at least one sample, "
            "finite numbers, and tau >= 0"
        )
    sigma = tau ** (alpha - grid.dim / 2) if sigma is None else sigma
    bases, frequencies = zip(*(_basis(grid, axis) for axis in range(grid.dim)), strict=True)
    square = torch.zeros([1] * grid.dim, dtype=torch.float64)
    for axis, w in enumerate(frequencies):
        square = square + w.square().reshape([-1 if a == axis else 1 for a in range(grid.dim)])
    scale = sigma * (square + tau**2) ** (-alpha / 2)
    scale[(0,) * grid.dim] = 0.0  # the constant; with tau = 0 it would be infinite
    field = scale * _normals(grid, tuple(square.shape), samples, generator)
    for basis in bases:  # contracts the first axis of space and appends it as the last
        field = torch.tensordot(field, basis, dims=([1], [1]))
    return (field + mean).to(dtype)


def _basis(grid: Grid, axis: int) -> tuple[Tensor, Tensor]:
    """phi_j at the points of one axis, (points, j), and the frequency of each."""
    n, length = grid.shape[axis], grid.lengths[axis]
    x = grid.axes()[axis]
    if not grid.periodic[axis]:
        w = math.pi / length * torch.arange(n, dtype=torch.float64)
        phi = math.sqrt(2) * torch.cos(x[:, None] * w)
    else:
        j = torch.arange(2 * ((n - 1) // 2) + 1)
        w = 2 * math.pi / length * ((j + 1) // 2).double()
        phi = math.sqrt(2) * torch.where(j % 2 == 1, torch.cos(x[:, None] * w), torch.sin(x[:, None] * w))
    phi[:, 0] = 1.0
    return phi, w


def _normals(grid: Grid, sizes: tuple[int, ...], samples: int, generator: torch.Generator) -> Tensor:
    """Standard normal numbers (samples, *sizes), drawn shell by shell from the lowest frequency index up.

    A shell holds every index whose largest frequency number is s. It is drawn whole, for a cube, though a side may
    not reach it; so an entry depends on its index, the seed and the number of samples alone.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    own = torch.Generator().manual_seed(seed)
    number = [
        (torch.arange(n) + 1) // 2 if closed else torch.arange(n)
        for n, closed in zip(sizes, grid.periodic, strict=True)
    ]
    width = [lambda s, two=closed: 2 * s + 1 if two else s + 1 for closed in grid.periodic]
    out = torch.zeros(samples, *sizes, dtype=torch.float64)
    for s in range(1 + max(int(n.max()) for n in number)):
        full = [f(s) for f in width]
        inside = torch.zeros(full, dtype=torch.bool)
        inside[tuple(slice(0, f(s - 1)) for f in width) if s else (slice(0, 0),) * grid.dim] = True
        draws = torch.randn(samples, int((~inside).sum()), generator=own, dtype=torch.float64)
        fits = [min(a, b) for a, b in zip(full, sizes, strict=True)]
        shell = torch.zeros(full, dtype=torch.int64)
        shell[~inside] = torch.arange(draws.shape[1])
        part = tuple(slice(0, n) for n in fits)
        chosen = ~inside[part]
        out[(slice(None), *part)][:, chosen] = draws[:, shell[part][chosen]]
    return out
