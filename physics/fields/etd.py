"""Fourth-order exponential time differencing for u' = L u + N(u) with a diagonal L (ETDRK4).

S. M. Cox, P. C. Matthews, Exponential Time Differencing for Stiff Systems (doi:10.1006/jcph.2002.6995), eqs. 26-29,
with the coefficients of A.-K. Kassam, L. N. Trefethen, Fourth-Order Time-Stepping for Stiff PDEs
(doi:10.1137/S1064827502410633): where the closed forms cancel, they are means over a circle around z = L dt.
The error estimate swaps the last stage for the slope at the new point, which leaves a third-order formula (as in
P. Whalen, M. Brio, J. V. Moloney, doi:10.1016/j.jcp.2014.09.024); that slope is the next step's first stage, so the
estimate costs no evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

CIRCLE = 32  # points on the circle; the mean is then good to rounding error
RADIUS = 2.0  # of the circle; with z inside FAR its points keep a distance of 1 from the cancellation at 0
FAR = 1.0  # beyond this |z| the closed forms lose no digits that matter


@dataclass(frozen=True)
class Coefficients:
    """exp(z), exp(z/2) and the weights of the slopes (they include dt), each (samples or 1, fields or 1, *modes).

    Real symbols are stored with a last axis of 2, so that they multiply real and imaginary parts alike.
    """

    dt: float
    whole: Tensor
    half: Tensor
    q: Tensor
    f1: Tensor
    f2: Tensor  # twice f2, as both middle stages share it
    f3: Tensor


def coefficients(linear: Tensor, dt: float) -> Coefficients:
    """The weights of one step of length dt for the symbol `linear`, real or complex."""
    z = linear * dt
    near = z.abs() < FAR
    safe = torch.where(near, torch.ones_like(z), z)
    q, f1, f2, f3 = _closed(safe)
    if near.any():
        turn = RADIUS * torch.exp(
            2j * math.pi * (torch.arange(CIRCLE, dtype=z.real.dtype, device=z.device) + 0.5) / CIRCLE
        )
        around = [mean.mean(-1) for mean in _closed(z[near][:, None] + turn)]
        if not z.is_complex():
            around = [mean.real for mean in around]
        for out, mean in zip((q, f1, f2, f3), around, strict=True):
            out[near] = mean
    every = [torch.exp(z), torch.exp(z / 2), dt * q, dt * f1, 2 * dt * f2, dt * f3]
    if not z.is_complex():
        every = [part.unsqueeze(-1).expand(*part.shape, 2).contiguous() for part in every]
    return Coefficients(dt, *every)


def _closed(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    e, e2 = torch.exp(z), torch.exp(z / 2)
    cube = z**3
    return (
        (e2 - 1) / z,
        (-4 - z + e * (4 - 3 * z + z**2)) / cube,
        (2 + z + e * (z - 2)) / cube,
        (-4 - 3 * z - z**2 + e * (4 - z)) / cube,
    )


def step(
    weights: Coefficients, u: Tensor, slope: Tensor, nonlinear: Callable[[Tensor, float], Tensor], time: float
) -> tuple[Tensor, Tensor]:
    """Spectra one step on, and the last stage's slope, of which `error` makes the estimate.

    Args:
        weights: of this step length.
        u: spectra (samples, fields, *modes) at `time`.
        slope: nonlinear(u, time).
        nonlinear: N of spectra and a time; it may not keep its result, which is overwritten.
    """
    w, dt = weights, weights.dt
    view, back = _views(weights)
    u, n = view(u), view(slope)
    start = w.half * u
    a = torch.addcmul(start, w.q, n)
    na = view(nonlinear(back(a), time + dt / 2))
    b = start.addcmul_(w.q, na)
    nb = view(nonlinear(back(b), time + dt / 2))
    c = a.mul_(w.half).addcmul_(w.q, torch.sub(nb, n, alpha=0.5), value=2)
    nc = view(nonlinear(back(c), time + dt))
    new = (w.whole * u).addcmul_(w.f1, n).addcmul_(w.f2, na.add_(nb)).addcmul_(w.f3, nc)
    return back(new), back(nc)


def error(weights: Coefficients, last: Tensor, slope: Tensor) -> Tensor:
    """Spectra of the local error estimate, f3 (N(u_new) - N(c)); of fourth order in dt. Overwrites `last`."""
    view, back = _views(weights)
    return back(view(last).sub_(view(slope)).mul_(weights.f3))


def _views(weights: Coefficients) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """To and from the form in which the weights multiply."""
    if weights.q.is_complex():
        return _same, _same
    return torch.view_as_real, torch.view_as_complex


def _same(x: Tensor) -> Tensor:
    return x
