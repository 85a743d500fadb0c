"""Exact solution of the Riemann problem of the Euler equations for an ideal gas, vacuum included.

E. F. Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics, chapter 4 (doi:10.1007/b79761): pressure and
velocity between the two outer waves by Newton's iteration, then the state along each ray x/t.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError

ITERATIONS = 60


def star(
    left: Float[Tensor, "*samples 3"], right: Float[Tensor, "*samples 3"], gamma: float | int = 1.4
) -> tuple[Float[Tensor, "*samples"], Float[Tensor, "*samples"]]:
    """(pressure, velocity) between the outer waves of the states (density, velocity, pressure); pressure 0 in vacuum.

    Raises DomainError where a density or pressure is negative or not finite.
    """
    _check(left, right, gamma)
    (_, v_l, p_l), (_, v_r, p_r) = left.unbind(-1), right.unbind(-1)
    c_l, c_r = _sound(left, gamma), _sound(right, gamma)
    opened = 2 * (c_l + c_r) / (gamma - 1) <= v_r - v_l  # the gas tears apart (eq. 4.40)
    opened = opened | (left[..., 0] == 0) | (right[..., 0] == 0)
    tiny = 1e-14 * torch.maximum(p_l, p_r)
    # The two-rarefaction value is exact for two rarefactions and a start elsewhere (eq. 4.46).
    power = (gamma - 1) / (2 * gamma)
    top = (c_l + c_r - (gamma - 1) / 2 * (v_r - v_l)).clamp_min(0)
    bottom = c_l / p_l.clamp_min(1e-300) ** power + c_r / p_r.clamp_min(1e-300) ** power
    p = torch.maximum((top / bottom.clamp_min(1e-300)) ** (1 / power), tiny)
    for _ in range(ITERATIONS):
        f_l, d_l = _wave(p, left, gamma)
        f_r, d_r = _wave(p, right, gamma)
        step = (f_l + f_r + v_r - v_l) / (d_l + d_r).clamp_min(1e-300)
        p = torch.where((p - step) > 0, p - step, 0.1 * p)
        if bool((step.abs() <= 1e-15 * p).all()):
            break
    p = torch.where(opened, torch.zeros_like(p), p)
    v = (v_l + v_r) / 2 + (_wave(p, right, gamma)[0] - _wave(p, left, gamma)[0]) / 2
    return p, v


def sample(
    left: Float[Tensor, "*#samples 3"],
    right: Float[Tensor, "*#samples 3"],
    speed: Float[Tensor, "*#samples"],
    gamma: float | int = 1.4,
) -> Float[Tensor, "*#samples 3"]:
    """(density, velocity, pressure) along the ray x/t = speed from a jump at x = 0; everything broadcasts.

    Vacuum has density and pressure 0.
    """
    left, right = torch.broadcast_tensors(left, right)
    p, v = star(left, right, gamma)
    opened = p <= 0
    shape = torch.broadcast_shapes(left.shape[:-1], speed.shape)
    left, right, p, v = left.expand(*shape, 3), right.expand(*shape, 3), p.expand(shape), v.expand(shape)
    flip = torch.tensor([1.0, -1.0, 1.0], dtype=left.dtype, device=left.device)
    edge_left = left[..., 1] + 2 * _sound(left, gamma) / (gamma - 1)  # where the gas of the left side ends
    edge_right = right[..., 1] - 2 * _sound(right, gamma) / (gamma - 1)
    edge_left = torch.where(left[..., 0] == 0, -torch.inf, edge_left)
    edge_right = torch.where(right[..., 0] == 0, torch.inf, edge_right)
    v_left = torch.where(opened, edge_left, v)
    v_right = torch.where(opened, edge_right, v)
    from_left = _side(left, p, v_left, speed, gamma)
    from_right = _side(right * flip, p, -v_right, -speed, gamma) * flip
    out = torch.where((speed < v_left)[..., None], from_left, from_right)
    empty = opened & (speed >= edge_left) & (speed <= edge_right)
    void = torch.stack([torch.zeros_like(speed), speed, torch.zeros_like(speed)], dim=-1)
    return torch.where(empty[..., None], void, out)


def _side(state: Tensor, p: Tensor, v: Tensor, speed: Tensor, gamma: float | int) -> Tensor:
    """The state left of the contact: outside its wave, inside its rarefaction, or behind its wave."""
    rho_0, v_0, p_0 = state.unbind(-1)
    c_0, ratio = _sound(state, gamma), p / state[..., 2].clamp_min(1e-300)
    g = (gamma - 1) / (gamma + 1)
    shock = p > p_0
    front = v_0 - c_0 * torch.sqrt((gamma + 1) / (2 * gamma) * ratio + (gamma - 1) / (2 * gamma))
    rho_shock = rho_0 * (ratio + g) / (g * ratio + 1)
    rho_fan = rho_0 * ratio ** (1 / gamma)
    head, tail = v_0 - c_0, v - c_0 * ratio ** ((gamma - 1) / (2 * gamma))
    c_fan = (2 / (gamma + 1) + g * (v_0 - speed) / c_0.clamp_min(1e-300)).clamp_min(0)
    fan = torch.stack(
        [
            rho_0 * c_fan ** (2 / (gamma - 1)),
            2 / (gamma + 1) * (c_0 + (gamma - 1) / 2 * v_0 + speed),
            p_0 * c_fan ** (2 * gamma / (gamma - 1)),
        ],
        dim=-1,
    )
    behind = torch.stack([torch.where(shock, rho_shock, rho_fan), v, p], dim=-1)
    untouched = torch.where(shock, speed < front, speed < head)
    inside = ~shock & (speed >= head) & (speed < tail)
    return torch.where(untouched[..., None], state, torch.where(inside[..., None], fan, behind))


def _wave(p: Tensor, state: Tensor, gamma: float | int) -> tuple[Tensor, Tensor]:
    """Velocity jump across one wave to the pressure p and its slope: a shock or a rarefaction (eqs. 4.6, 4.7)."""
    rho, _, p_0 = state.unbind(-1)
    c = _sound(state, gamma)
    a, b = 2 / ((gamma + 1) * rho.clamp_min(1e-300)), (gamma - 1) / (gamma + 1) * p_0
    root = torch.sqrt(a / (p + b).clamp_min(1e-300))
    shock = (p - p_0) * root, root * (1 - (p - p_0) / (2 * (b + p).clamp_min(1e-300)))
    ratio = p / p_0.clamp_min(1e-300)
    power = (gamma - 1) / (2 * gamma)
    fan = (
        2 * c / (gamma - 1) * (ratio**power - 1),
        ratio.clamp_min(1e-300) ** (-(gamma + 1) / (2 * gamma)) / (rho * c).clamp_min(1e-300),
    )
    return torch.where(p > p_0, shock[0], fan[0]), torch.where(p > p_0, shock[1], fan[1])


def _sound(state: Tensor, gamma: float | int) -> Tensor:
    return torch.sqrt(gamma * state[..., 2] / state[..., 0].clamp_min(1e-300))


def _check(left: Tensor, right: Tensor, gamma: float | int) -> None:
    if not gamma > 1:
        raise DomainError(f"gamma={gamma!r}; the ratio of specific heats is above 1 (1.4 for air, 5/3 monatomic)")
    for name, state in (("left", left), ("right", right)):
        if not bool(state.isfinite().all()) or bool((state[..., 0] < 0).any()) or bool((state[..., 2] < 0).any()):
            raise DomainError(
                f"the {name} state has a negative or non-finite entry; give (density, velocity, pressure)"
            )
        if bool(((state[..., 0] == 0) != (state[..., 2] == 0)).any()):
            raise DomainError(f"the {name} state has no density or no pressure but the other; vacuum has neither")
