"""Semilinear parabolic equations u_t + Lap u + f(u) = 0 with a terminal state, for the value u(0, 0).

Paper: Stochastic Taylor Derivative Estimator (arXiv:2412.00088); values and sources in physics.solutions.semilinear.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from surrogates.derivatives import parabolic
from surrogates.derivatives.stde import How
from surrogates.physics.errors import DomainError
from surrogates.physics.solutions import semilinear as equations
from surrogates.pinns.named import named
from surrogates.pinns.problem import Problem

_EQUATIONS = {
    "allen_cahn": equations.allen_cahn,
    "semilinear_heat": equations.semilinear_heat,
    "sine_gordon": equations.sine_gordon,
}


@named
def semilinear(
    *,
    dim: int = 10,
    equation: Literal["allen_cahn", "semilinear_heat", "sine_gordon"] = "semilinear_heat",
    how: How | None = None,
) -> Problem:
    """u_t + Lap u + f(u) = 0 in d dimensions of space until T = 0.3, where u = g.

    The coordinates are x_1..x_d, t. Points lie on Brownian paths from 0. The terminal state is a second residual,
    "terminal", at the same paths' ends (the paper weighs it 20); a network that brings it itself, such as FromInitial
    with start=0.3, makes it zero. That is not for allen_cahn: its g has edges, whose curvature no point sees.

    Args:
        dim: d. equation: f and g. how: the Laplacian is taken; None plans it.
    """
    if equation not in _EQUATIONS:
        raise DomainError(f"equation={equation!r} is unknown; choose one of {', '.join(_EQUATIONS)}")
    if dim < 1:
        raise DomainError(f"dim={dim}; give at least one dimension of space")
    which = _EQUATIONS[equation]()

    def residual(u: Any, x: Tensor) -> dict[str, Tensor]:
        found = parabolic(u, x, how=how)
        inside = found.time + found.elliptic + which.reaction(found.value)
        return {"residual": inside, "terminal": terminal_error(u, x)}

    def terminal_error(u: Any, x: Tensor) -> Tensor:
        space, time = x[:, :-1].detach(), x[:, -1:].detach()
        end = space * torch.sqrt(which.horizon / time.clamp_min(1e-12))
        error: Tensor = u(torch.cat([end, torch.full_like(time, which.horizon)], dim=1)) - which.terminal(end)
        return error

    def sample(n: int, generator: torch.Generator) -> Tensor:
        return equations.brownian_points(n, dim, which.horizon, generator=generator, dtype=torch.float32)

    names = (*(f"x{k + 1}" for k in range(dim)), "t")
    return Problem(dim + 1, residual, sample=sample, coordinates=names)
