"""Linear convection of a sine, on which networks of (x, t) fail at large speeds.

Papers: Characterizing possible failure modes in physics-informed neural networks (arXiv:2109.01050), beta = 30;
Lagrangian PINNs (arXiv:2205.02902).
"""

from __future__ import annotations

import math

from torch import Tensor

from surrogates.physics.solutions.convection import convection as exact_convection
from surrogates.pinns.initial_values import FourierSeries
from surrogates.pinns.named import named
from surrogates.pinns.problem import Problem
from surrogates.pinns.transport import Transport


@named
def convection(
    *, beta: float | int = 30.0, nu: float | int = 0.0, until: float | int = 1.0, hard: bool = True
) -> Problem:
    """u_t + beta u_x = nu u_xx, u(x, 0) = sin x, of period 2 pi; u = exp(-nu t) sin(x - beta t).

    Args:
        beta: speed. nu: diffusivity. until: last time.
        hard: whether the network brings initial state and period itself, a LagrangianPINN or FromInitial around
            Periodic with initial=FourierSeries(sines=[1.0]); else they are conditions "initial" and "periodic".
    """

    def exact(points: Tensor) -> Tensor:
        return exact_convection(points, beta=beta, nu=nu)

    equation = Transport(beta, FourierSeries(sines=[1.0]), nu=nu, period=2 * math.pi, until=until)
    return equation.problem(exact=exact, hard=hard)
