"""Solitons of the Korteweg-de Vries equation, u_t + alpha u u_x + beta u_xxx = 0.

Papers: doi:10.1080/14786449508620739; with gradients of the residual (gradient-enhanced, arXiv:2111.02801) as in
Stochastic Taylor Derivative Estimator (arXiv:2412.00088), where alpha = 1, beta = 0.0025.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from surrogates.derivatives import partials
from surrogates.physics.solutions import solitons
from surrogates.pinns.named import named
from surrogates.pinns.problem import Problem
from surrogates.pinns.soliton_problem import soliton_problem

_WANTED = [(), (0,), (1,), (0, 0, 0)]
_GRADIENTS = [(0, 0), (0, 1), (1, 1), (0, 0, 0, 0), (0, 0, 0, 1)]


@named
def kdv(
    *,
    k: Sequence[float | int] = (2.0,),
    centres: Sequence[float | int] = (-1.0,),
    alpha: float | int = 6.0,
    beta: float | int = 1.0,
    side: float | int = 5.0,
    until: float | int = 1.0,
    gradients: bool = False,
) -> Problem:
    """u_t + alpha u u_x + beta u_xxx = 0 for |x| <= side, 0 <= t <= until; u are solitons of wave numbers k.

    Args:
        k: one soliton each, beta k^2 fast and 3 beta k^2 / alpha high. centres: where they stand at t = 0.
        gradients: adds the residual's derivatives by x and t, "residual_x" and "residual_t"; the authors weigh them
            1e-3.
    """

    def residual(u: Any, x: Tensor) -> Tensor | dict[str, Tensor]:
        if not gradients:
            v, v_x, v_t, v_xxx = partials(u, x, _WANTED)
            return v_t + alpha * v * v_x + beta * v_xxx
        v, v_x, v_t, v_xxx, v_xx, v_xt, v_tt, v_xxxx, v_xxxt = partials(u, x, [*_WANTED, *_GRADIENTS])
        return {
            "residual": v_t + alpha * v * v_x + beta * v_xxx,
            "residual_x": v_xt + alpha * (v_x**2 + v * v_xx) + beta * v_xxxx,
            "residual_t": v_tt + alpha * (v_t * v_x + v * v_xt) + beta * v_xxxt,
        }

    exact = solitons.kdv([float(q) for q in k], [float(c) for c in centres], alpha=alpha, beta=beta)
    return soliton_problem(residual, exact, low=[-side], high=[side], until=until)
