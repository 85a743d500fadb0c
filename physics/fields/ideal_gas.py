"""An ideal gas in one dimension: its two sets of variables, its eigenvectors, the HLLC flux, and positive face values.

States are (samples, 3, cells): conserved (density, momentum, energy per volume) or primitive (density, velocity,
pressure), energy = pressure / (gamma - 1) + density velocity² / 2. Sources: E. F. Toro, Riemann Solvers and Numerical
Methods for Fluid Dynamics, sections 3.2 and 10.4 (doi:10.1007/b79761); wave speeds of P. Batten and others,
doi:10.1137/S1064827593260140; positivity: X. Zhang and C.-W. Shu, doi:10.1016/j.jcp.2010.08.016.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

LOBATTO = 1 / 12  # weight of a cell's end in Gauss-Lobatto's rule of four points


def conserved(
    primitive: Float[Tensor, "*samples 3 cells"], gamma: float | int = 1.4
) -> Float[Tensor, "*samples 3 cells"]:
    """(density, momentum, energy) from (density, velocity, pressure)."""
    rho, v, p = primitive.unbind(-2)
    return torch.stack([rho, rho * v, p / (gamma - 1) + rho * v * v / 2], dim=-2)


def primitive(state: Float[Tensor, "*samples 3 cells"], gamma: float | int = 1.4) -> Float[Tensor, "*samples 3 cells"]:
    """(density, velocity, pressure) from (density, momentum, energy)."""
    rho, m, e = state.unbind(-2)
    return torch.stack([rho, m / rho, (gamma - 1) * (e - m * m / (2 * rho))], dim=-2)


def pressure(state: Tensor, gamma: float | int) -> Tensor:
    """(..., cells) from conserved states."""
    rho, m, e = state.unbind(-2)
    return (gamma - 1) * (e - m * m / (2 * rho))


def fastest(state: Tensor, gamma: float | int) -> Tensor:
    """max(|v| + c) of each sample."""
    rho, v, p = primitive(state, gamma).unbind(-2)
    return (v.abs() + torch.sqrt(gamma * p / rho)).amax(dim=-1)


def characteristic(left: Tensor, right: Tensor, gamma: float | int) -> tuple[Tensor, Tensor]:
    """Left and right eigenvectors of dF/dU at Roe's average, (samples, 3, 3, faces): rows and columns."""
    v, h, c = _roe(left, right, gamma)
    b = (gamma - 1) / (c * c)
    q = b * v * v / 2
    one = torch.ones_like(v)
    rows = [
        [(q + v / c) / 2, -(b * v + 1 / c) / 2, b / 2],
        [1 - q, b * v, -b],
        [(q - v / c) / 2, -(b * v - 1 / c) / 2, b / 2],
    ]
    columns = [[one, one, one], [v - c, v, v + c], [h - v * c, v * v / 2, h + v * c]]
    return (
        torch.stack([torch.stack(row, dim=1) for row in rows], dim=1),
        torch.stack([torch.stack(row, dim=1) for row in columns], dim=1),
    )


def hllc(left: Tensor, right: Tensor, gamma: float | int) -> Tensor:
    """Flux through faces between conserved states; exact for single contacts and shocks, positive (eq. 10.71-10.73)."""
    v, _, c = _roe(left, right, gamma)
    (rho_l, v_l, p_l), (rho_r, v_r, p_r) = primitive(left, gamma).unbind(1), primitive(right, gamma).unbind(1)
    s_l = torch.minimum(v_l - torch.sqrt(gamma * p_l / rho_l), v - c)
    s_r = torch.maximum(v_r + torch.sqrt(gamma * p_r / rho_r), v + c)
    through_l, through_r = rho_l * (s_l - v_l), rho_r * (s_r - v_r)
    s = (p_r - p_l + through_l * v_l - through_r * v_r) / (through_l - through_r)
    flux_l = _flux(left, v_l, p_l) + torch.minimum(s_l, torch.zeros_like(s))[:, None] * (
        _star(left, v_l, p_l, s_l, s, through_l) - left
    )
    flux_r = _flux(right, v_r, p_r) + torch.maximum(s_r, torch.zeros_like(s))[:, None] * (
        _star(right, v_r, p_r, s_r, s, through_r) - right
    )
    return torch.where((s >= 0)[:, None], flux_l, flux_r)


def positive(average: Tensor, at_left: Tensor, at_right: Tensor, gamma: float | int) -> tuple[Tensor, Tensor]:
    """Draw each cell's two end values towards its average until density and pressure are positive there.

    So is then the value that Gauss-Lobatto's rule leaves for the inside of the cell, which makes the next average
    positive for small enough steps. Where nothing is negative nothing changes.
    """
    rho = average[:, 0]
    floor = 1e-13 * rho
    ends = torch.stack([at_left, at_right])
    inside = (average - LOBATTO * (at_left + at_right)) / (1 - 2 * LOBATTO)
    least = torch.minimum(ends[:, :, 0].amin(dim=0), inside[:, 0])
    theta = ((rho - floor) / (rho - least).clamp_min(1e-300)).clamp(0, 1)
    theta = torch.where(least < floor, theta, 1.0)[:, None]
    ends, inside = average + theta * (ends - average), average + theta * (inside - average)
    p = pressure(average, gamma)
    floor = 1e-13 * p
    least = torch.minimum(pressure(ends, gamma).amin(dim=0), pressure(inside, gamma))
    theta = ((p - floor) / (p - least).clamp_min(1e-300)).clamp(0, 1)  # pressure is concave, so this is enough
    theta = torch.where(least < floor, theta, 1.0)[:, None]
    left, right = (average + theta * (ends - average)).unbind(0)
    return left, right


def _roe(left: Tensor, right: Tensor, gamma: float | int) -> tuple[Tensor, Tensor, Tensor]:
    """Velocity, enthalpy and speed of sound of Roe's average."""
    (rho_l, v_l, p_l), (rho_r, v_r, p_r) = primitive(left, gamma).unbind(1), primitive(right, gamma).unbind(1)
    root_l, root_r = rho_l.sqrt(), rho_r.sqrt()
    share = root_l / (root_l + root_r)
    h_l, h_r = (left[:, 2] + p_l) / rho_l, (right[:, 2] + p_r) / rho_r
    v, h = share * v_l + (1 - share) * v_r, share * h_l + (1 - share) * h_r
    return v, h, torch.sqrt((gamma - 1) * (h - v * v / 2))


def _flux(state: Tensor, v: Tensor, p: Tensor) -> Tensor:
    return torch.stack([state[:, 1], state[:, 1] * v + p, (state[:, 2] + p) * v], dim=1)


def _star(state: Tensor, v: Tensor, p: Tensor, outer: Tensor, s: Tensor, through: Tensor) -> Tensor:
    """The state between the outer wave and the contact (eq. 10.73)."""
    rho = through / (outer - s)
    energy = state[:, 2] / state[:, 0] + (s - v) * (s + p / through)
    return torch.stack([rho, rho * s, rho * energy], dim=1)
