"""How large an error to expect, from signs of trouble: a convex log-linear regression.

    expected |error| = exp(a_class + sum_k b_k log signal_k),  b_k >= 0

minimises the mean of log s + |error| / s, the likelihood of an exponential law (a quasi-likelihood: it needs only that
s is the mean of |error|; McCullagh and Nelder, Generalized Linear Models, chapter 8). It is convex in a and b. A signal
whose b comes out negative has no part in it and is left out. A small ridge keeps the fit defined for few data.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

STEPS = 50  # Newton steps; a handful is enough
TINY = 1e-12


@dataclass(frozen=True)
class ErrorScale:
    """Expected size of an error from its class and positive signals.

    Args:
        offset: a, the common one. classes: what each class adds to it.
        power: b, zero for a signal without use.
        low: logs of the smallest signals met while fitting; smaller ones count as these, larger ones grow on.
    """

    offset: float
    classes: Float[Tensor, "classes"]
    power: Float[Tensor, "signals"]
    low: Float[Tensor, "signals"]

    def __call__(self, signals: Float[Tensor, "n signals"], kind: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Expected |error|; a class never met (index beyond the known ones) gets the largest offset."""
        classes = torch.cat([self.classes, self.classes.max()[None]]).to(signals)
        logs = torch.maximum(signals.clamp_min(TINY).log(), self.low.to(signals))
        return torch.exp(self.offset + classes[kind.clamp(max=len(self.classes))] + logs @ self.power.to(signals))


def fit_error_scale(
    signals: Float[Tensor, "n signals"],
    kind: Int[Tensor, "n"],
    error: Float[Tensor, "n"],
    *,
    classes: int,
    ridge: float = 1.0,
) -> ErrorScale:
    """Fit to errors |error| of `n` observations; `kind` is the class of each, 0 to classes - 1.

    `ridge` holds standardised powers and class offsets near zero, with the weight of so many observations.
    """
    error = error.abs().double().clamp_min(TINY)
    logs = signals.double().clamp_min(TINY).log()
    low = logs.quantile(0.005, dim=0) if len(logs) else logs.new_zeros(logs.shape[1])
    logs = torch.maximum(logs, low)
    mean, std = logs.mean(dim=0), logs.std(dim=0, correction=0)
    used = (std > 1e-6).nonzero()[:, 0].tolist()
    one_hot = torch.nn.functional.one_hot(kind, classes).double()
    while True:
        design = torch.cat([torch.ones_like(error)[:, None], one_hot, ((logs - mean) / std)[:, used]], dim=1)
        theta = _newton(design, error, ridge)
        slopes = theta[1 + classes :]
        if not used or bool((slopes >= 0).all()):
            break
        used.pop(int(slopes.argmin()))
    power = logs.new_zeros(logs.shape[1])
    power[used] = slopes / std[used]
    return ErrorScale(float(theta[0] - mean @ power), theta[1 : 1 + classes], power, low)


def _newton(design: Tensor, error: Tensor, ridge: float) -> Tensor:
    """argmin of sum(eta + error exp(-eta)) + ridge, eta = design @ theta; the first column is free of the ridge."""
    held = torch.full((design.shape[1],), ridge, dtype=design.dtype)
    held[0] = 0.0
    theta = torch.zeros(design.shape[1], dtype=design.dtype)
    theta[0] = error.mean().log()

    def cost(theta: Tensor) -> Tensor:
        eta = design @ theta
        return (eta + error * torch.exp(-eta)).sum() + 0.5 * (held * theta**2).sum()

    for _ in range(STEPS):
        pull = error * torch.exp(-design @ theta)
        slope = design.T @ (1 - pull) + held * theta
        curvature = design.T @ (pull[:, None] * design) + torch.diag(held + 1e-9)
        step = torch.linalg.solve(curvature, slope)
        size = 1.0
        while size > 1e-6 and not bool(cost(theta - size * step) <= cost(theta)):
            size /= 2
        theta = theta - size * step
        if float((size * step).abs().max()) < 1e-10:
            break
    return theta
