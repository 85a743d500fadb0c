"""What may be done to fields on a grid, (batch, channels, *space): turned, mirrored, smoothed, thinned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from surrogates.testing.field_claims import KINDS


def turned(values: Tensor, kinds: Sequence[str], plane: tuple[int, int], centre: str = "grid") -> Tensor:
    """By 90 degrees in a plane of two axes, from the first towards the second; vectors and tensors turn with space.

    About the middle of the array, or with `centre` "origin" about the point 0 of a periodic grid.
    """
    a, b = plane
    moved = torch.rot90(values, 1, (a + 2, b + 2))
    if centre == "origin":
        moved = moved.roll(1, a + 2)
    return _mixed(moved, kinds, lambda axis: {a: (b, -1.0), b: (a, 1.0)}.get(axis, (axis, 1.0)))


def mirrored(values: Tensor, kinds: Sequence[str], axis: int, centre: str = "grid") -> Tensor:
    """Along an axis; components along it, and pseudoscalars, change their sign."""
    moved = values.flip(axis + 2)
    if centre == "origin":
        moved = moved.roll(1, axis + 2)
    moved = _mixed(moved, kinds, lambda other: (other, -1.0 if other == axis else 1.0))
    signs = [-1.0 if k == "pseudoscalar" else 1.0 for k, block in _blocks(kinds, _dim(values)) for _ in range(block)]
    return moved * torch.tensor(signs, dtype=values.dtype, device=values.device).view(1, -1, *[1] * _dim(values))


def smoothed(values: Tensor, points: Sequence[str], share: float | int = 8) -> Tensor:
    """Without the frequencies from n / share up along each axis (from half of that between walls, mirrored there).

    `points` of each axis are "periodic", "cells" or "ends", see `Question`.
    """
    for axis, kind in enumerate(points):
        d, n = axis + 2, values.shape[axis + 2]
        mirror = {"periodic": slice(0, 0), "cells": slice(None), "ends": slice(1, n - 1)}[kind]
        back = values.flip(d).index_select(d, torch.arange(n, device=values.device)[mirror])
        whole = torch.cat([values, back], dim=d)
        spectrum = torch.fft.rfft(whole, dim=d)
        low = torch.arange(spectrum.shape[d], device=values.device) < n / share
        shape = [-1 if k == d else 1 for k in range(values.ndim)]
        values = torch.fft.irfft(spectrum * low.view(shape), n=whole.shape[d], dim=d).narrow(d, 0, n)
    return values


def thinned(values: Tensor, points: Sequence[str]) -> Tensor:
    """Half the points along each axis: every second one, or the means of two cells; of "ends" both stay."""
    for axis, kind in enumerate(points):
        d = axis + 2
        even = values.index_select(d, torch.arange(0, values.shape[d], 2, device=values.device))
        if kind == "cells":
            even = (even + values.index_select(d, torch.arange(1, values.shape[d], 2, device=values.device))) / 2
        values = even
    return values


def _mixed(values: Tensor, kinds: Sequence[str], source: Callable[[int], tuple[int, float]]) -> Tensor:
    """Components of vectors and tensors exchanged and signed: new component `axis` is sign * old component `other`."""
    dim, parts, start = _dim(values), [], 0
    for kind, size in _blocks(kinds, dim):
        block = values[:, start : start + size]
        start += size
        if KINDS[kind]:
            block = block.unflatten(1, (dim,) * KINDS[kind])
            for k in range(KINDS[kind]):
                pairs = [source(axis) for axis in range(dim)]
                block = torch.stack([sign * block.select(k + 1, other) for other, sign in pairs], dim=k + 1)
            block = block.flatten(1, KINDS[kind])
        parts.append(block)
    return torch.cat(parts, dim=1)


def _blocks(kinds: Sequence[str], dim: int) -> Iterator[tuple[str, int]]:
    return ((kind, dim ** KINDS[kind]) for kind in kinds)


def _dim(values: Tensor) -> int:
    return values.ndim - 2
