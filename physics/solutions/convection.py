"""Linear convection with diffusion on a periodic interval, u_t + beta u_x = nu u_xx, in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError


def convection(
    points: Float[Tensor, "points 2"],
    *,
    beta: float | int,
    nu: float | int = 0.0,
    mean: float | int = 0.0,
    cosines: Sequence[float | int] = (),
    sines: Sequence[float | int] = (1.0,),
    period: float | int = 2 * math.pi,
) -> Float[Tensor, "points 1"]:
    """u at (x, t): mean + sum_k exp(-nu k^2 t) (a_k cos k (x - beta t) + b_k sin k (x - beta t)), k = 2 pi m / period.

    The initial state is its Fourier series: `cosines` are a_1, a_2, ..., `sines` b_1, b_2, ...; sin x by default.
    Raises DomainError for points that are no (x, t), nu < 0 or a period that is not positive.
    """
    if points.dim() != 2 or points.shape[1] != 2:
        raise DomainError(f"points of shape {tuple(points.shape)}; give (n, 2), the columns x and t")
    if not (nu >= 0 and period > 0 and math.isfinite(nu) and math.isfinite(period)):
        raise DomainError(f"nu = {nu} and period = {period}; give nu >= 0 and a positive period")
    x, t = points[:, :1], points[:, 1:]
    u = torch.full_like(x, float(mean))
    for m in range(1, max(len(cosines), len(sines)) + 1):
        k = 2 * math.pi * m / period
        a = cosines[m - 1] if m <= len(cosines) else 0.0
        b = sines[m - 1] if m <= len(sines) else 0.0
        phase = k * (x - beta * t)
        u = u + torch.exp(-nu * k**2 * t) * (a * torch.cos(phase) + b * torch.sin(phase))
    return u
