"""Radial solutions of u_s = Lap u + f(u) in d dimensions, to many digits: a check of values found by other means.

With q = |x|^2 the equation is u_s = 4 q u_qq + 2 d u_q + f(u), one-dimensional whatever d is. It is solved by
fourth-order differences on a grid uniform in y = log(1 + q / a), with u_q = u_y / (a + q) and
u_qq = (u_yy - u_y) / (a + q)^2, and an implicit integrator.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.solutions.semilinear import SemilinearParabolic


def value_at_origin(
    problem: SemilinearParabolic, dim: int, *, points: int = 151, scale: float = 5.0, tol: float = 1e-9
) -> float:
    """u(0, 0) of a problem with a radial terminal function.

    Seen from 0 the paths end near q = 2 d T, within a few times T sqrt(8 d). The grid reaches well beyond: its far end
    is carried along without diffusion, an error that does not come back to 0.

    Args:
        points: of the grid. scale: a, the |x|^2 over which the terminal function changes near 0.
        tol: relative, of the integrator.
    Raises:
        DomainError: the terminal function is not radial.
    """
    if problem.radial is None:
        raise DomainError(f"{problem.name} has no radial terminal function; its published values are all there is")
    radial, horizon = problem.radial, problem.horizon
    far = 2 * dim * horizon + 14 * horizon * math.sqrt(8 * dim) + 40 * horizon
    y = np.linspace(0, math.log1p(far / scale), points)
    q = scale * np.expm1(y)
    by_y, by_yy = _differences(points, y[1])
    slope = by_y / (scale + q)[:, None]
    operator = 4 * (q / (scale + q) ** 2)[:, None] * (by_yy - by_y) + 2 * dim * slope

    operator[-1] = 0.0

    def change(s: float, u: np.ndarray) -> np.ndarray:
        out: np.ndarray = operator @ u + problem.reaction(torch.from_numpy(u)).numpy()
        out[-1] += 2 * dim * _slope(radial, np.array([q[-1] + 2 * dim * s]))[0]
        return out

    def jacobian(s: float, u: np.ndarray) -> np.ndarray:
        return operator + np.diag(_slope(problem.reaction, u))

    start = radial(torch.from_numpy(q)).numpy()
    found = solve_ivp(change, (0, horizon), start, method="BDF", rtol=tol, atol=tol * 1e-3, jac=jacobian)
    return float(found.y[0, -1])


def _slope(function: Callable[[Tensor], Tensor], at: np.ndarray) -> np.ndarray:
    """Derivative of a function that acts on each number alone."""
    x = torch.from_numpy(at).requires_grad_()
    (slope,) = torch.autograd.grad(function(x).sum(), x)
    return slope.numpy()


def _differences(n: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Matrices of the first and second derivative, by the polynomials through five neighbours."""
    first, second = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        begin = min(max(i - 2, 0), n - 5)
        moments = np.vander(np.arange(begin, begin + 5) - i, 5, increasing=True).T
        for matrix, order in ((first, 1), (second, 2)):
            unit = np.zeros(5)
            unit[order] = math.factorial(order)
            matrix[i, begin : begin + 5] = np.linalg.solve(moments, unit) / step**order
    return first, second
