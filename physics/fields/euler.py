"""The compressible Euler equations of an ideal gas in one dimension, by conservative finite volumes.

U_t + F(U)_x = 0 for U = (density, momentum, energy per volume): face values reconstructed in characteristic variables
(`reconstruction`), HLLC fluxes and a positivity limiter (`ideal_gas`), and the third-order strong-stability-preserving
Runge-Kutta method of C.-W. Shu and S. Osher, Efficient Implementation of Essentially Non-oscillatory Shock-Capturing
Schemes (doi:10.1016/0021-9991(88)90177-5), eq. 2.18.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.ideal_gas import characteristic, fastest, hllc, positive, pressure
from surrogates.physics.fields.reconstruction import REACH, Reconstruction, weno5
from surrogates.physics.fields.solve import Solution

BOUNDARIES = ("transmissive", "reflective", "periodic")
COURANT = 0.5  # of our own steps; the schemes are stable to 1
HALVINGS = 12  # how often a step that left a negative density or pressure is tried again
CELLS = 2**14  # cells of all samples that are advanced together; what is touched then stays in the cache


@dataclass(frozen=True)
class Scheme:
    """How a step is made.

    Args:
        gamma: ratio of specific heats. boundary: at the lower and at the upper end. spacing: of the cells.
        reconstruction: of face values.
    """

    gamma: float
    boundary: tuple[str, str]
    spacing: float
    reconstruction: Reconstruction

    def rate(self, u: Float[Tensor, "samples 3 cells"]) -> Float[Tensor, "samples 3 cells"]:
        """-dF/dx of the averages."""
        return -self.fluxes(u).diff(dim=-1) / self.spacing

    def fluxes(self, u: Float[Tensor, "samples 3 cells"]) -> Float[Tensor, "samples 3 faces"]:
        """Through all n + 1 faces; nothing but pressure passes a reflective end."""
        padded = extended(u, self.boundary)
        n = u.shape[-1]
        left, right = padded[..., REACH - 1 : REACH + n], padded[..., REACH : REACH + n + 1]
        to, back = characteristic(left, right, self.gamma)
        stencil = torch.stack([padded[..., i : i + n + 1] for i in range(2 * REACH)])
        waves = self.reconstruction(torch.einsum("sijf,ksjf->ksif", to, stencil))
        lower, upper = (torch.einsum("sijf,sjf->sif", back, w) for w in waves)
        # Each cell's two end values, ghost cells included, are limited together.
        cells = padded[..., REACH - 1 : REACH + n + 1]
        at_left = torch.cat([cells[..., :1], upper], dim=-1)
        at_right = torch.cat([lower, cells[..., -1:]], dim=-1)
        at_left, at_right = positive(cells, at_left, at_right, self.gamma)
        flow = hllc(at_right[..., :-1], at_left[..., 1:], self.gamma)
        for end, face in zip(self.boundary, (0, n), strict=True):
            if end == "reflective":
                flow[:, 0, face] = flow[:, 2, face] = 0.0
        return flow

    def step(self, u: Float[Tensor, "samples 3 cells"], dt: Float[Tensor, "samples"]) -> tuple[Tensor, Tensor]:
        """The averages one step later, and which samples kept positive densities and pressures throughout."""
        h = dt[:, None, None]
        first = u + h * self.rate(u)
        good = self.physical(first)
        first = torch.where(good[:, None, None], first, u)
        second = 0.75 * u + 0.25 * (first + h * self.rate(first))
        good &= self.physical(second)
        second = torch.where(good[:, None, None], second, u)
        third = u / 3 + 2 / 3 * (second + h * self.rate(second))
        return third, good & self.physical(third)

    def physical(self, u: Float[Tensor, "samples 3 cells"]) -> Tensor:
        """Which samples have positive, finite density and pressure in every cell."""
        p = pressure(u, self.gamma)
        return ((u[:, 0] > 0) & (p > 0) & u[:, 0].isfinite() & p.isfinite()).all(dim=-1)


@torch.no_grad()
def solve(
    initial: Float[Tensor, "samples 3 points"],
    *,
    grid: Grid,
    times: Float[Tensor, "times"] | Sequence[float | int],
    gamma: float | int = 1.4,
    boundary: str | tuple[str, str] = "transmissive",
    dt: float | int | None = None,
    reconstruction: Reconstruction = weno5,
) -> Solution:
    """Advance cell averages of (density, momentum, energy) to each of the times; every sample has its own steps.

    Args:
        initial: conserved averages at times[0]; `ideal_gas.conserved` makes them from (density, velocity, pressure).
        grid: one axis; periodic with boundary="periodic", else with walls.
        times: increasing; the first one belongs to `initial`.
        gamma: ratio of specific heats, above 1.
        boundary: "transmissive" (waves leave), "reflective" (a wall) or "periodic"; or (lower, upper).
        dt: longest step; None takes half of what is stable, dx / max(|v| + c), anew before each step.
        reconstruction: weno5, muscl or constant of `reconstruction`.
    Raises:
        DomainError: shapes that do not fit, a density or pressure that is not positive (names sample and cell), a dt
            that is unstable (names sample, time, the limit and a safe dt), a boundary that does not fit the grid.
    """
    ends = (boundary, boundary) if isinstance(boundary, str) else tuple(boundary)
    moments = [float(t) for t in times]
    scheme = Scheme(float(gamma), (ends[0], ends[-1]), grid.spacing[0], reconstruction)
    _check(initial, grid, moments, ends, gamma)
    if dt is not None and not dt > 0:
        raise DomainError(f"dt={dt!r}; a time step is positive")
    parts = []
    size = max(1, CELLS // initial.shape[-1])
    for at in range(0, len(initial), size):
        parts.append(_march(scheme, initial[at : at + size], moments, dt, at))
    values, steps, rejected = (torch.cat(part) for part in zip(*parts, strict=True))
    stored = torch.tensor(moments, dtype=initial.dtype, device=initial.device)
    return Solution(values, stored, steps, rejected, torch.full_like(values[:, 0, 0, 0], torch.nan))


def totals(values: Float[Tensor, "*samples 3 points"], grid: Grid) -> Float[Tensor, "*samples 3"]:
    """Mass, momentum and energy in the domain, per cross-section."""
    return values.sum(dim=-1) * grid.spacing[0]


def extended(u: Float[Tensor, "samples 3 cells"], boundary: tuple[str, str]) -> Float[Tensor, "samples 3 longer"]:
    """Ghost cells added beyond both ends."""
    mirror = torch.tensor([1.0, -1.0, 1.0], dtype=u.dtype, device=u.device)[:, None]
    ghosts = {
        "periodic": (u[..., -REACH:], u[..., :REACH]),
        "transmissive": (u[..., :1].expand(-1, -1, REACH), u[..., -1:].expand(-1, -1, REACH)),
        "reflective": (u[..., :REACH].flip(-1) * mirror, u[..., -REACH:].flip(-1) * mirror),
    }
    return torch.cat([ghosts[boundary[0]][0], u, ghosts[boundary[1]][1]], dim=-1)


def _march(
    scheme: Scheme, initial: Tensor, moments: list[float], dt: float | int | None, first: int
) -> tuple[Tensor, Tensor, Tensor]:
    u = initial.clone()
    steps = torch.zeros(len(u), dtype=torch.long, device=u.device)
    rejected = torch.zeros_like(steps)
    frames = [initial]
    now = torch.full((len(u),), moments[0], dtype=torch.float64, device=u.device)
    share = torch.ones_like(now)  # of the step that the rule allows; halved after a failure
    for moment in moments[1:]:
        while bool((now < moment).any()):
            rows = torch.nonzero(now < moment)[:, 0]
            limit = scheme.spacing / fastest(u[rows], scheme.gamma).double()
            length = _length(limit, dt, share[rows], now[rows], rows + first)
            left = moment - now[rows]
            ends = length >= left * (1 - 1e-12)
            length = torch.where(ends, left, torch.where(2 * length > left, left / 2, length))  # no crumb at the end
            after, good = scheme.step(u[rows], length.to(u.dtype))
            done = rows[good]
            u[done] = after[good]
            now[done] = torch.where(ends, moment, now[rows] + length)[good]
            steps[done] += 1
            rejected[rows[~good]] += 1
            share[done] = (share[done] * 2).clamp_max(1.0)
            share[rows[~good]] /= 2
            _stuck(share, now, limit, rows + first, rows)
        frames.append(u.clone())
    return torch.stack(frames, dim=1), steps, rejected


def _length(limit: Tensor, dt: float | int | None, share: Tensor, now: Tensor, samples: Tensor) -> Tensor:
    """Steps of the samples; DomainError where the caller's dt is beyond what is stable."""
    if dt is None:
        return COURANT * limit * share
    worst = int(limit.argmin())
    if dt > limit[worst]:
        raise DomainError(
            f"sample {int(samples[worst])} at time {now[worst].item():.6g}: dt = {dt:g} is above the limit "
            f"dx / max(|v| + c) = {limit[worst].item():.4g}, so the step is unstable; a safe dt is "
            f"{COURANT * limit[worst].item():.3g}, or leave dt out"
        )
    return dt * share


def _stuck(share: Tensor, now: Tensor, limit: Tensor, samples: Tensor, rows: Tensor) -> None:
    stuck = share[rows] < 0.5**HALVINGS
    if bool(stuck.any()):
        at = int(stuck.nonzero()[0])
        raise DomainError(
            f"sample {int(samples[at])} at time {now[rows][at].item():.6g}: density or pressure becomes negative even "
            f"with steps of {0.5**HALVINGS * COURANT * limit[at].item():.2g}; the state is too close to vacuum for "
            "this grid: use more cells, or reconstruction=muscl"
        )


def _check(initial: Tensor, grid: Grid, moments: list[float], ends: tuple[str, ...], gamma: float | int) -> None:
    if grid.dim != 1 or tuple(initial.shape[1:]) != (3, *grid.shape):
        raise DomainError(
            f"initial averages of shape {tuple(initial.shape)} on a grid of {grid.shape}; give (samples, 3, points) on "
            "a grid of one axis: density, momentum, energy"
        )
    if grid.shape[0] < REACH:
        raise DomainError(f"a grid of {grid.shape[0]} cells; the stencils need at least {REACH}")
    if len(ends) != 2 or not set(ends) <= set(BOUNDARIES):
        raise DomainError(f"boundary={ends!r}; choose {', '.join(BOUNDARIES)}, or a pair (lower, upper)")
    if (grid.periodic[0], grid.periodic[0]) != tuple(end == "periodic" for end in ends):
        raise DomainError(
            f"boundary={ends!r} on a grid that is {'' if grid.periodic[0] else 'not '}periodic; "
            'boundary="periodic" and Grid(..., periodic=True) go together'
        )
    if len(moments) < 1 or any(b <= a for a, b in pairwise(moments)):
        raise DomainError(f"times={moments}; give increasing times, the first one of the initial state")
    if not gamma > 1:
        raise DomainError(f"gamma={gamma!r}; the ratio of specific heats is above 1 (1.4 for air, 5/3 monatomic)")
    for name, field in (("density", initial[:, 0]), ("pressure", pressure(initial, gamma))):
        wrong = ~(field.isfinite() & (field > 0))
        if bool(wrong.any()):
            sample, cell = wrong.nonzero()[0].tolist()
            raise DomainError(
                f"sample {sample}: the {name} at cell {cell} is {field[sample, cell].item():g}; it must be positive "
                "and finite (initial is density, momentum, energy: see ideal_gas.conserved)"
            )
