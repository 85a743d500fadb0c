"""Kinks of a Korteweg-de Vries equation in two dimensions, with a mixed derivative of fourth order.

Paper: Stochastic Taylor Derivative Estimator (arXiv:2412.00088), its two-dimensional KdV equation. The partials come
from univariate series by polarisation, exactly, in one pass; the paper's jets of order 9 and 13 are not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from surrogates.derivatives import partials
from surrogates.physics.solutions import solitons
from surrogates.pinns.named import named
from surrogates.pinns.problem import Problem
from surrogates.pinns.soliton_problem import plane_waves, soliton_problem

_WANTED = [(1, 2), (0, 0, 0, 1), (0, 1), (0,), (1,), (0, 0), (1, 1)]


@named
def kdv_2d(
    *,
    k: Sequence[float | int] = (1.0,),
    l: Sequence[float | int] = (1.0,),
    centres: Sequence[float | int] = (0.0,),
    side: float | int = 3.0,
    until: float | int = 1.0,
) -> Problem:
    """u_ty + u_xxxy + 3 (u_xy u_x + u_y u_xx) - u_xx + 2 u_yy = 0 for |x|, |y| <= side, 0 <= t <= until.

    Args:
        k, l: wave numbers by x and y of one or two kinks. centres: where they cross the x axis at t = 0.
    """

    def residual(u: Any, x: Tensor) -> Tensor:
        v_yt, v_xxxy, v_xy, v_x, v_y, v_xx, v_yy = partials(u, x, _WANTED)
        return v_yt + v_xxxy + 3 * (v_xy * v_x + v_y * v_xx) - v_xx + 2 * v_yy

    exact = solitons.kdv_2d(plane_waves(k, l), [float(c) for c in centres])
    return soliton_problem(residual, exact, low=[-side] * 2, high=[side] * 2, until=until)
