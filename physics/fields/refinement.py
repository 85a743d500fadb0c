"""Fields on finer grids, by the trigonometric polynomial through their points, and on coarser ones, by every n-th."""

from __future__ import annotations

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError


def refined(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Periodic values (..., *space) on a finer grid of `shape`, by their trigonometric interpolant."""
    dim = len(shape)
    if any(new < old for new, old in zip(shape, values.shape[-dim:], strict=True)):
        raise DomainError(f"points {tuple(values.shape[-dim:])} are finer than {shape}; take every n-th point instead")
    if tuple(values.shape[-dim:]) == shape:
        return values.clone()
    for axis, n in zip(range(-dim, 0), shape, strict=True):
        old = values.shape[axis]
        spectrum = torch.fft.rfft(values, dim=axis, norm="forward")
        if old % 2 == 0 and n > old:
            spectrum.select(axis, old // 2).mul_(0.5)  # the Nyquist wave is shared by its two signs
        values = torch.fft.irfft(spectrum, n=n, dim=axis, norm="forward")
    return values


def thinned(values: Tensor, n: int, dim: int) -> Tensor:
    """Every n-th point along each of the last `dim` axes, a view."""
    for axis in range(-dim, 0):
        values = values.movedim(axis, 0)[::n].movedim(0, axis)
    return values
