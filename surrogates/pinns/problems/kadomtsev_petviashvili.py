"""Line solitons of the Kadomtsev-Petviashvili equation (KP-II).

Papers: B. B. Kadomtsev, V. I. Petviashvili, Sov. Phys. Dokl. 15, 539 (1970); as a test of mixed derivatives in
Stochastic Taylor Derivative Estimator (arXiv:2412.00088).
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

_WANTED = [(), (0, 2), (0,), (0, 0), (0, 0, 0, 0), (1, 1)]


@named
def kadomtsev_petviashvili(
    *,
    k: Sequence[float | int] = (1.5,),
    l: Sequence[float | int] = (0.5,),
    centres: Sequence[float | int] = (-1.0,),
    side: float | int = 4.0,
    until: float | int = 0.5,
) -> Problem:
    """(u_t + 6 u u_x + u_xxx)_x + 3 u_yy = 0 for |x|, |y| <= side, 0 <= t <= until.

    Args:
        k, l: wave numbers by x and y of each soliton. centres: where they cross the x axis at t = 0.
    """

    def residual(u: Any, x: Tensor) -> Tensor:
        v, v_xt, v_x, v_xx, v_xxxx, v_yy = partials(u, x, _WANTED)
        return v_xt + 6 * (v_x**2 + v * v_xx) + v_xxxx + 3 * v_yy

    exact = solitons.kadomtsev_petviashvili(plane_waves(k, l), [float(c) for c in centres])
    return soliton_problem(residual, exact, low=[-side] * 2, high=[side] * 2, until=until)
