"""Viscous Burgers with a moving front: the nonlinear test of Lagrangian PINNs (arXiv:2205.02902)."""

from __future__ import annotations

import math

from torch import Tensor

from surrogates.physics.solutions.burgers_front import burgers_front as reference
from surrogates.pinns.initial_values import FourierSeries
from surrogates.pinns.named import named
from surrogates.pinns.problem import Problem
from surrogates.pinns.transport import Transport


@named
def burgers_front(
    *, c: float | int = 30.0, nu: float | int = 0.01, until: float | int = 1.0, hard: bool = True
) -> Problem:
    """u_t + u u_x = nu u_xx, u(x, 0) = c + sin x, of period 2 pi: a front that forms about t = 1 and moves with c.

    `exact` is a Fourier solution in the frame that moves with c. Judge errors against ||u - c||: ||u|| hides them in c.

    Args:
        c: mean and speed of the front. nu: viscosity. until: last time.
        hard: whether the network brings initial state and period itself, a LagrangianPINN or FromInitial around
            Periodic with initial=FourierSeries(constant=c, sines=[1.0]); else they are conditions.
    """

    def exact(points: Tensor) -> Tensor:
        return reference(points, c=c, nu=nu, until=until)

    initial = FourierSeries(constant=c, sines=[1.0])
    equation = Transport(lambda u, x, t: u, initial, nu=nu, period=2 * math.pi, until=until)
    return equation.problem(exact=exact, hard=hard)
