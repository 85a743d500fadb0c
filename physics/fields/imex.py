"""Additive Runge-Kutta schemes for convection-diffusion-reaction equations (doi:10.1016/S0168-9274(02)00138-1).

C. A. Kennedy and M. H. Carpenter's ARK4(3)6L[2]SA: the stiff part implicit and L-stable with one diagonal, the rest
explicit, fourth order together, and a third-order companion that tells the error of each step.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor


def _row(*texts: str) -> tuple[float, ...]:
    return tuple(float(Fraction(text)) for text in texts)


GAMMA = 0.25
EXPLICIT = (
    _row("1/2"),
    _row("13861/62500", "6889/62500"),
    _row("-116923316275/2393684061468", "-2731218467317/15368042101831", "9408046702089/11113171139209"),
    _row(
        "-451086348788/2902428689909",
        "-2682348792572/7519795681897",
        "12662868775082/11960479115383",
        "3355817975965/11060851509271",
    ),
    _row(
        "647845179188/3216320057751",
        "73281519250/8382639484533",
        "552539513391/3454668386233",
        "3354512671639/8306763924573",
        "4040/17871",
    ),
)
IMPLICIT = (  # without the diagonal, which is GAMMA
    _row("1/4"),
    _row("8611/62500", "-1743/31250"),
    _row("5012029/34652500", "-654441/2922500", "174375/388108"),
    _row("15267082809/155376265600", "-71443401/120774400", "730878875/902184768", "2285395/8070912"),
    _row("82889/524892", "0", "15625/83664", "69875/102672", "-2260/8211"),
)
WEIGHTS = _row("82889/524892", "0", "15625/83664", "69875/102672", "-2260/8211", "1/4")
COMPANION = _row(
    "4586570599/29645900160",
    "0",
    "178811875/945068544",
    "814220225/1159782912",
    "-3700637/11593932",
    "61727/225920",
)


def additive_step(
    u: Tensor,
    h: float,
    explicit: Callable[[Tensor], Tensor],
    implicit: Callable[[Tensor], Tensor],
    solve: Callable[[Tensor, float], Tensor],
) -> tuple[Tensor, Tensor]:
    """One step of u' = explicit(u) + implicit(u): (u at the end, estimated error of it).

    Args:
        h: the step. implicit: affine in u. solve: (right, c) -> x with x - c implicit(x) = right.
    """
    slopes = [(explicit(u), implicit(u))]
    for row_e, row_i in zip(EXPLICIT, IMPLICIT, strict=True):
        right = u.clone()
        for (slope_e, slope_i), weight_e, weight_i in zip(slopes, row_e, row_i, strict=True):
            right.add_(slope_e, alpha=h * weight_e).add_(slope_i, alpha=h * weight_i)
        stage = solve(right, h * GAMMA)
        slopes.append((explicit(stage), (stage - right) / (h * GAMMA)))
    end, error = u.clone(), torch.zeros_like(u)
    for (slope_e, slope_i), weight, other in zip(slopes, WEIGHTS, COMPANION, strict=True):
        slope = slope_e + slope_i
        end.add_(slope, alpha=h * weight)
        error.add_(slope, alpha=h * (weight - other))
    return end, error
