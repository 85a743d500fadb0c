"""Fourier transforms of real fields of which a few frequencies are kept, and their inverse.

    analyse:     X_f = 1/N sum_x u(x) exp(-2 pi i f.x/n)            for the kept f only
    synthesise:  u(x) = sum_f c_f Re[ X_f exp(2 pi i f.x/n) ]       c = 1 where the halved axis has f = 0 or n/2, else 2

The mean over the grid makes X independent of the resolution. synthesise gives what irfftn gives for a spectrum that is
zero elsewhere. Where few frequencies are kept, an axis is transformed by a product with its (frequencies x points)
matrix: less work than the whole fast transform, and nothing is cut out or padded. Each such product takes the last
axis and puts its frequencies in front, so that no axis is ever moved in memory and the frequencies end up before batch
and channels, as the mixing of channels wants them. All steps are differentiable as often as one likes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from surrogates.blocks.frequencies import Frequencies


def analyse(u: Float[Tensor, "batch channels *space"], kept: Frequencies) -> Complex[Tensor, "batch channels *kept"]:
    """The kept Fourier coefficients of each channel."""
    *full, half = kept.axes
    z = _real_to_front(u, half)
    for axis in reversed(full):
        z = _to_front(z, axis)
    return z.permute(kept.dim, kept.dim + 1, *range(kept.dim))


def synthesise(
    spectrum: Complex[Tensor, "batch channels *kept"], kept: Frequencies, points: Sequence[int]
) -> Float[Tensor, "batch channels *space"]:
    """The real field on a grid of `points` that has these coefficients and no others."""
    z = spectrum.permute(*range(2, kept.dim + 2), 0, 1)
    for axis, n in zip(kept.axes[:-1], points[:-1], strict=True):
        z = _from_front(z, axis, n)
    return _real_from_front(z, kept.axes[-1], points[-1])


def by_matrix(n_kept: int, limit: int, device: torch.device) -> bool:
    """Whether a matrix product is the faster transform of an axis.

    Measured on one CPU thread with MKL, where 32 to 4096 points make little difference; GPUs use their own library.
    """
    return device.type == "cpu" and n_kept <= limit


HALF, FULL = 20, 28  # up to so many frequencies of a halved (real) and of a full (complex) axis


def _real_to_front(u: Tensor, kept: tuple[int, ...]) -> Tensor:
    n = u.shape[-1]
    if not by_matrix(len(kept), HALF, u.device):
        return torch.fft.rfft(u, norm="forward")[..., list(kept)].movedim(-1, 0)
    planes = _cosines(kept, n, u.dtype, u.device) @ u.reshape(-1, n).T
    planes = planes.view(2, len(kept), *u.shape[:-1])
    return torch.complex(planes[0], planes[1])


def _to_front(z: Tensor, kept: tuple[int, ...]) -> Tensor:
    n = z.shape[-1]
    if not by_matrix(len(kept), FULL, z.device):
        return torch.fft.fft(z, norm="forward")[..., list(kept)].movedim(-1, 0)
    return (_waves(kept, n, z.dtype, z.device) @ z.reshape(-1, n).T).view(len(kept), *z.shape[:-1])


def _from_front(z: Tensor, kept: tuple[int, ...], n: int) -> Tensor:
    if not by_matrix(len(kept), FULL, z.device):
        return torch.fft.ifft(_padded(z, [f % n for f in kept], n), norm="forward")
    return (z.reshape(len(kept), -1).T @ _inverse_waves(kept, n, z.dtype, z.device)).view(*z.shape[1:], n)


def _real_from_front(z: Tensor, kept: tuple[int, ...], n: int) -> Tensor:
    if not by_matrix(len(kept), HALF, z.device):
        return torch.fft.irfft(_padded(z, list(kept), n // 2 + 1), n=n, norm="forward")
    planes = torch.view_as_real(z).movedim(-1, 0).reshape(2 * len(kept), -1)
    return (planes.T @ _inverse_cosines(kept, n, planes.dtype, z.device)).view(*z.shape[1:], n)


def _padded(z: Tensor, places: list[int], n: int) -> Tensor:
    whole = z.new_zeros(*z.shape[1:], n)
    return whole.index_copy(-1, torch.tensor(places, device=z.device), z.movedim(0, -1))


def _angles(kept: tuple[int, ...], n: int) -> Tensor:
    """2 pi f x / n, (kept, n), in float64; f x is reduced modulo n while it is whole."""
    turns = torch.tensor(kept, device="cpu")[:, None] * torch.arange(n, device="cpu") % n
    return turns.double() * (2 * math.pi / n)


def _table(exact: Callable[[tuple[int, ...], int], Tensor]) -> Callable[..., Tensor]:
    """A float64 table, rounded and moved once for each precision and device."""

    @lru_cache(maxsize=64)
    def rounded(kept: tuple[int, ...], n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():  # kept beyond this call, which may be one without gradients
            return exact(kept, n).to(device, dtype)

    return rounded


@_table
def _cosines(kept: tuple[int, ...], n: int) -> Tensor:
    angles = _angles(kept, n)
    return torch.cat([angles.cos(), -angles.sin()]) / n


@_table
def _inverse_cosines(kept: tuple[int, ...], n: int) -> Tensor:
    angles = _angles(kept, n)
    count = torch.tensor([1.0 if 2 * f in (0, n) else 2.0 for f in kept], dtype=torch.float64, device="cpu")[:, None]
    return torch.cat([count * angles.cos(), -count * angles.sin()])


@_table
def _waves(kept: tuple[int, ...], n: int) -> Tensor:
    angles = _angles(kept, n)
    return torch.polar(torch.full_like(angles, 1 / n), -angles)


@_table
def _inverse_waves(kept: tuple[int, ...], n: int) -> Tensor:
    angles = _angles(kept, n)
    return torch.polar(torch.ones_like(angles), angles)
