"""Radial bases and cutoffs on pair distances.

Bases are finite for every r > 0; cutoffs are exactly zero, with zero derivatives, from r_max on. Edges may be longer
than r_max (a Verlet skin), so a basis is always used times a cutoff.

Papers: Directional Message Passing for Molecular Graphs (arXiv:2003.03123), eq. 7 and 8, `bessel`, `polynomial_cutoff`;
PhysNet (arXiv:1902.08408), eq. 7, `exp_normal`; `cosine_cutoff`: Behler, J. Chem. Phys. 134, 074106 (2011), eq. 4.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def bessel(r: Float[Tensor, "edges"], r_max: float, n: int) -> Float[Tensor, "edges n"]:
    """sqrt(2/r_max) sin(k pi r / r_max) / r for k = 1..n; r > 0 in Å, result in Å^(-3/2)."""
    k = torch.arange(1, n + 1, dtype=r.dtype, device=r.device) * (math.pi / r_max)
    return torch.sin(r[:, None] * k) * (math.sqrt(2 / r_max) / r)[:, None]


def polynomial_cutoff(r: Float[Tensor, "edges"], r_max: float, p: int = 5) -> Float[Tensor, "edges"]:
    """1 - (p+1)(p+2)/2 u^p + p(p+2) u^(p+1) - p(p+1)/2 u^(p+2) at u = r/r_max; 0 beyond, twice differentiable there."""
    u = (r / r_max).clamp(max=1.0)
    inner = -(p + 1) * (p + 2) / 2 + p * (p + 2) * u - p * (p + 1) / 2 * u * u
    return torch.where(r < r_max, 1 + u**p * inner, 0.0)


def cosine_cutoff(r: Float[Tensor, "edges"], r_max: float) -> Float[Tensor, "edges"]:
    """(1 + cos(pi r / r_max)) / 2, and 0 beyond r_max; once differentiable there."""
    u = (r / r_max).clamp(max=1.0)
    return torch.where(r < r_max, (1 + torch.cos(math.pi * u)) / 2, 0.0)


def exp_normal(
    r: Float[Tensor, "edges"], means: Float[Tensor, "n"], betas: Float[Tensor, "n"], alpha: float
) -> Float[Tensor, "edges n"]:
    """exp(-beta_k (exp(-alpha r) - mean_k)^2): Gaussians in exp(-alpha r); alpha in 1/Å."""
    return torch.exp(-betas * (torch.exp(-alpha * r)[:, None] - means) ** 2)


def exp_normal_parameters(r_max: float, n: int, alpha: float) -> tuple[Tensor, Tensor]:
    """Means spread evenly over exp(-alpha r) for r in [0, r_max], and betas for a width of one spacing (float64)."""
    start = math.exp(-alpha * r_max)
    means = torch.linspace(start, 1.0, n, dtype=torch.float64)
    betas = torch.full((n,), (2 / n * (1 - start)) ** -2, dtype=torch.float64)
    return means, betas
