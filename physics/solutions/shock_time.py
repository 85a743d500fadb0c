"""When characteristics of u_t + a(u, x, t) u_x = R(u) first cross: the time at which a smooth solution ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError

Speed = Callable[[Tensor, Tensor, Tensor], Tensor]


def shock_time(
    speed: Speed,
    initial: Callable[[Tensor], Tensor],
    *,
    period: float | int,
    until: float | int,
    reaction: Callable[[Tensor], Tensor] | None = None,
    labels: int = 512,
    steps: int = 64,
) -> float | None:
    """First t at which x_xi = 0 on a characteristic x_t = a, u_t = R from x(xi, 0) = xi; None if not before `until`.

    The characteristics of `labels` evenly spread xi are integrated by the classical Runge-Kutta method together with
    their derivatives by xi; the time is interpolated within a step. For a = u it is -1 / min(u0'). Diffusion is left
    out: with nu > 0 the trajectories x_t = a of a smooth field obey x_xi = exp(int a_x dt) > 0 and never cross, and
    this time only says when they begin to pile up in a front.

    Args:
        speed: (u, x, t) -> a, elementwise. initial: x -> u0. reaction: u -> R; none by default.
        period: length of the interval. until: latest time looked at.
    Raises:
        DomainError: a period or time that is not positive, or a speed that is not finite.
    """
    if not (period > 0 and until > 0 and math.isfinite(period) and math.isfinite(until)):
        raise DomainError(f"period = {period} and until = {until}; both must be positive numbers")
    xi = torch.arange(labels, dtype=torch.float64) * (float(period) / labels)
    one = torch.ones_like(xi)
    state, stretch = _with_tangent(lambda s: torch.stack([s, initial(s)]), xi, one)
    dt = float(until) / steps
    for step in range(steps):
        t = step * dt

        after, changed = _with_tangent(
            partial(_runge_kutta, t=t, dt=dt, speed=speed, reaction=reaction), state, stretch
        )
        if not bool(torch.isfinite(changed).all()):
            raise DomainError(
                f"the characteristics are not finite at t = {t + dt:.4g}; check the speed and the reaction"
            )
        if float(changed[0].min()) <= 0:
            worst = int(changed[0].argmin())
            before, low = float(stretch[0, worst]), float(changed[0, worst])
            return t + dt * before / (before - low)
        state, stretch = after, changed
    return None


def _with_tangent(function: Callable[[Tensor], Tensor], at: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor]:
    found = torch.func.jvp(function, (at,), (tangent,))
    return found[0], found[1]


def _runge_kutta(s: Tensor, t: float, dt: float, speed: Speed, reaction: Callable[[Tensor], Tensor] | None) -> Tensor:
    """One step of x_t = a, u_t = R."""

    def slope(s: Tensor, t: float) -> Tensor:
        x, u = s
        a = speed(u, x, torch.full_like(x, t)) + torch.zeros_like(x)
        return torch.stack([a, torch.zeros_like(u) if reaction is None else reaction(u)])

    k1 = slope(s, t)
    k2 = slope(s + 0.5 * dt * k1, t + 0.5 * dt)
    k3 = slope(s + 0.5 * dt * k2, t + 0.5 * dt)
    k4 = slope(s + dt * k3, t + dt)
    return s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
