"""Semilinear parabolic equations u_t + Lap u + f(u) = 0 for t < T, u(x, T) = g(x), in any dimension.

Test problems and published values of u(0, 0) at T = 0.3 from Deep splitting method for parabolic PDEs
(arXiv:1907.03452, by multilevel Picard iteration), as Stochastic Taylor Derivative Estimator (arXiv:2412.00088) uses
them. With time s = T - t they are reaction-diffusion equations with the start g.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

HORIZON = 0.3


@dataclass(frozen=True)
class SemilinearParabolic:
    """One equation.

    Args:
        name: of the equation.
        reaction: f, a function of u.
        terminal: g, from points (n, d) to (n, 1).
        published: u(0, 0) by dimension, as far as there is one.
        radial: g as a function of |x|^2, where it is one.
        horizon: T.
    """

    name: str
    reaction: Callable[[Tensor], Tensor]
    terminal: Callable[[Tensor], Tensor]
    published: Mapping[int, float]
    radial: Callable[[Tensor], Tensor] | None = None
    horizon: float = HORIZON


def allen_cahn() -> SemilinearParabolic:
    """f = u - u^3, g = arctan(max_i x_i)."""
    return SemilinearParabolic(
        "allen_cahn",
        reaction=lambda u: u - u**3,
        terminal=lambda x: torch.atan(x.amax(dim=1, keepdim=True)),
        published={10: 0.89060, 100: 1.04510, 1000: 1.09100, 10_000: 1.11402},
    )


def semilinear_heat() -> SemilinearParabolic:
    """f = (1 - u^2) / (1 + u^2), g = 5 / (10 + 2 |x|^2)."""
    return SemilinearParabolic(
        "semilinear_heat",
        reaction=lambda u: (1 - u**2) / (1 + u**2),
        terminal=_bump,
        published={10: 0.47006, 100: 0.31674, 1000: 0.28753, 10_000: 0.28433},
        radial=_radial_bump,
    )


def sine_gordon() -> SemilinearParabolic:
    """f = sin u, g = 5 / (10 + 2 |x|^2)."""
    return SemilinearParabolic(
        "sine_gordon",
        reaction=torch.sin,
        terminal=_bump,
        published={10: 0.3229470, 100: 0.0528368, 1000: 0.0055896, 10_000: 0.0005621},
        radial=_radial_bump,
    )


def brownian_points(
    n: int,
    dim: int,
    horizon: float | int = HORIZON,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "n dim_1"]:
    """(x, t): t uniform in [0, T], x where a Brownian motion from 0 with generator Lap is then, normal of variance 2 t.

    The sampling of arXiv:2412.00088: u(0, 0) depends on the equation along these paths.
    """
    device = torch.device("cpu") if generator is None else generator.device
    t = horizon * torch.rand(n, 1, generator=generator, dtype=dtype, device=device)
    x = torch.randn(n, dim, generator=generator, dtype=dtype, device=device)
    return torch.cat([x * torch.sqrt(2 * t), t], dim=1)


def _bump(x: Tensor) -> Tensor:
    return _radial_bump(x.square().sum(dim=1, keepdim=True))


def _radial_bump(square: Tensor) -> Tensor:
    return 5 / (10 + 2 * square)
