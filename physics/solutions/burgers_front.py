"""The viscous Burgers equation with a moving front, u_t + u u_x = nu u_xx, u0 = c + amplitude sin(2 pi x / period).

The test of arXiv:2205.02902. Burgers' equation is invariant under Galilean boosts: u(x, t) = c + v(x - c t, t), where v
starts from the sine alone. The spectral reference solves for v, which knows no c and so keeps its accuracy at any
speed; the Cole-Hopf integral is an independent check of it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.burgers import burgers
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.solve import solve
from surrogates.physics.fields.spectral import Spectral

FRAMES = 201  # kept times; between them cubic Hermite interpolation with the time derivative that the equation gives
_CHUNK = 4096  # points evaluated together


def burgers_front(
    points: Float[Tensor, "points 2"],
    *,
    c: float | int,
    nu: float | int = 0.01,
    amplitude: float | int = 1.0,
    period: float | int = 2 * math.pi,
    until: float | int = 1.0,
    modes: int = 2048,
) -> Float[Tensor, "points 1"]:
    """u at (x, t), 0 <= t <= until, from a Fourier solution on `modes` points in the frame that moves with c.

    The solution is computed once for each set of numbers. Raises DomainError for points that are no (x, t), times
    outside, nu <= 0, or a front that `modes` do not resolve (the last tenth of the spectrum holds more than 1e-8).
    """
    _check(points, nu, period, until)
    low, high = float(points[:, 1].min()), float(points[:, 1].max())
    if low < 0 or high > until * (1 + 1e-6):  # float32 times may round up
        raise DomainError(f"times from {low:.4g} to {high:.4g}; this solution runs from 0 to until={until}")
    found = _solved(float(nu), float(amplitude), float(period), float(until), int(modes))
    at = points.detach().cpu().double()
    parts = [found.at(at[k : k + _CHUNK], float(c)) for k in range(0, len(at), _CHUNK)]
    return torch.cat(parts).to(points)


def cole_hopf_front(
    points: Float[Tensor, "points 2"],
    *,
    c: float | int,
    nu: float | int = 0.01,
    amplitude: float | int = 1.0,
    period: float | int = 2 * math.pi,
    nodes: int = 4001,
) -> Float[Tensor, "points 1"]:
    """The same by the integral of J. D. Cole (doi:10.1090/qam/42889), for any t >= 0 and any nu > 0.

    v(y, t) = int s w(s) ds / int w(s) ds, w = exp(-(Phi(y - t s) + t s^2 / 2) / 2 nu), Phi = int_0 v0; the trapezoidal
    rule converges exponentially here, and the exponents are shifted by their largest, so that small nu does no harm.
    """
    _check(points, nu, period, 1.0)
    at = points.detach().cpu().double()
    numbers = float(c), float(nu), float(amplitude), float(period)
    parts = [_cole_hopf(at[k : k + 512], *numbers, nodes) for k in range(0, len(at), 512)]
    return torch.cat(parts).to(points)


def _cole_hopf(points: Tensor, c: float, nu: float, amplitude: float, period: float, nodes: int) -> Tensor:
    k = 2 * math.pi / period
    t = points[:, 1:]
    y = points[:, :1] - c * t
    safe = t.clamp_min(1e-12)
    # beyond |s| = amplitude the weight falls at least as exp(-t (|s| - amplitude)^2 / 4 nu)
    reach = abs(amplitude) + torch.sqrt(4 * nu * 40 / safe)
    s = torch.linspace(-1, 1, nodes, dtype=torch.float64) * reach
    potential = amplitude / k * (1 - torch.cos(k * (y - t * s)))
    weight = torch.softmax(-(potential + t * s**2 / 2) / (2 * nu), dim=1)
    v = (weight * s).sum(1, keepdim=True)
    start = amplitude * torch.sin(k * y)
    return c + torch.where(t > 1e-9, v, start)


class _Solved:
    """Spectra of v and v_t at equally spaced times."""

    def __init__(self, nu: float, amplitude: float, period: float, until: float, modes: int) -> None:
        self.period, self.until = period, until
        grid = Grid(modes, period)
        y = torch.arange(modes, dtype=torch.float64) * (period / modes)
        initial = amplitude * torch.sin(2 * math.pi / period * y)[None, None]
        times = torch.linspace(0, until, FRAMES, dtype=torch.float64)
        equation, numbers = burgers(), {"nu": nu}
        found = solve(equation, initial, grid=grid, times=times, parameters=numbers, tolerance=1e-10)
        k = Spectral(grid, order=2, dtype=torch.float64)
        self.wavenumbers = k.wavenumbers[0].flatten()
        right = equation.right_hand_side(k, equation.numbers(numbers, FRAMES, initial))
        self.spectra = k.spectrum(found.values[0])  # (times, 1, modes)
        self.slopes = right(self.spectra)[:, 0]
        self.spectra = self.spectra[:, 0]
        tail = float(self.spectra[:, -(self.spectra.shape[1] // 10) :].abs().max())
        if tail > 1e-8 * abs(amplitude):
            raise DomainError(
                f"a front of nu = {nu} is not resolved by modes={modes} (the end of the spectrum is {tail:.1e}); "
                "give more modes or a larger nu"
            )

    def at(self, points: Tensor, c: float) -> Tensor:
        t = points[:, 1].clamp(0, self.until)
        y = (points[:, 0] - c * points[:, 1]) % self.period
        dt = self.until / (FRAMES - 1)
        row = (t / dt).long().clamp(0, FRAMES - 2)
        s = (t / dt - row)[:, None]
        spectra = (
            (1 + 2 * s) * (1 - s) ** 2 * self.spectra[row]
            + s * (1 - s) ** 2 * dt * self.slopes[row]
            + s**2 * (3 - 2 * s) * self.spectra[row + 1]
            - s**2 * (1 - s) * dt * self.slopes[row + 1]
        )
        phase = y[:, None] * self.wavenumbers
        waves: Tensor = spectra.real * torch.cos(phase) - spectra.imag * torch.sin(phase)
        v: Tensor = 2 * waves[:, 1:].sum(1, keepdim=True) + waves[:, :1]
        return c + v


@lru_cache(maxsize=8)
def _solved(nu: float, amplitude: float, period: float, until: float, modes: int) -> _Solved:
    return _Solved(nu, amplitude, period, until, modes)


def _check(points: Tensor, nu: float | int, period: float | int, until: float | int) -> None:
    if points.dim() != 2 or points.shape[1] != 2 or len(points) == 0:
        raise DomainError(f"points of shape {tuple(points.shape)}; give (n, 2), the columns x and t")
    if not (nu > 0 and period > 0 and until > 0 and all(math.isfinite(v) for v in (nu, period, until))):
        raise DomainError(f"nu = {nu}, period = {period}, until = {until}; all three must be positive numbers")
