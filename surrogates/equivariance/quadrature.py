"""Points and weights on the sphere whose weighted sums are exact averages of polynomials up to a degree."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


@cache
def gauss_legendre(degree: int) -> tuple[Float[Tensor, "rings"], Float[Tensor, "rings"]]:
    """Nodes in (-1, 1) and weights of sum 1 that average polynomials up to `degree` exactly, float64."""
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    return torch.from_numpy(nodes), torch.from_numpy(weights / 2)


@cache
def azimuths(degree: int) -> Float[Tensor, "points"]:
    """degree + 1 equal steps around the circle, which average cos(m phi), sin(m phi), m <= `degree`, exactly."""
    return torch.arange(degree + 1, dtype=torch.float64) * (2 * math.pi / (degree + 1))


@cache
def sphere_points(degree: int) -> tuple[Float[Tensor, "points 3"], Float[Tensor, "points"]]:
    """Gauss-Legendre rings about y times uniform azimuths: averages of harmonics up to `degree` are exact; float64."""
    y, ring_weights = gauss_legendre(degree)
    phi, rho = azimuths(degree), torch.sqrt(1 - y**2)
    x, z = torch.outer(rho, torch.sin(phi)), torch.outer(rho, torch.cos(phi))
    points = torch.stack([x, y[:, None].expand_as(x), z], dim=-1).reshape(-1, 3)
    return points, (ring_weights[:, None] / len(phi)).expand_as(x).reshape(-1)
