"""Where the points of a grid lie in the unit cube, and fields read between them.

Along each axis points are "periodic" (i/n, the right end is the left one), "cells" (centres, (i+1/2)/n) or "ends"
(i/(n-1), both ends included).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.physics.errors import DomainError

KINDS = ("periodic", "cells", "ends")
_SNAP = 1e-6  # of a spacing: closer than this a point is a grid point


def kinds_of(points: str | Sequence[str], dim: int) -> tuple[str, ...]:
    """One kind for each axis; a single name stands for all. Raises DomainError."""
    kinds = (points,) * dim if isinstance(points, str) else tuple(points)
    if len(kinds) != dim or any(kind not in KINDS for kind in kinds):
        raise DomainError(f"points={points!r} for {dim} axes; write one of {', '.join(KINDS)}, or one for each axis")
    return kinds


def axis(n: int, kind: str, like: Tensor | None = None) -> Float[Tensor, "n"]:
    """Coordinates of n points of an axis of length 1; float64, or of the type and device of `like`."""
    i = torch.arange(n, dtype=torch.float64, device=None if like is None else like.device)
    x = {"periodic": i / n, "cells": (i + 0.5) / n, "ends": i / max(n - 1, 1)}[kind]
    return x if like is None else x.to(like.dtype)


def grid(shape: Sequence[int], kinds: Sequence[str], like: Tensor | None = None) -> Float[Tensor, "points dim"]:
    """All points of a grid, the last axis running fastest."""
    axes = torch.meshgrid(*(axis(n, k, like) for n, k in zip(shape, kinds, strict=True)), indexing="ij")
    return torch.stack([a.reshape(-1) for a in axes], dim=1)


def linear(
    x: Float[Tensor, "points dim"], shape: Sequence[int], kinds: Sequence[str]
) -> list[tuple[Int[Tensor, "points"], Float[Tensor, "points"]]]:
    """Multilinear interpolation as (flat grid index, weight) by corner; a single corner where x are grid points."""
    near = [_neighbours(x[:, d], n, kind) for d, (n, kind) in enumerate(zip(shape, kinds, strict=True))]
    corners = []
    for choice in product((0, 1), repeat=len(near)):
        index = torch.zeros(len(x), dtype=torch.long, device=x.device)
        weight = torch.ones(len(x), dtype=x.dtype, device=x.device)
        for (low, high, fraction), side, n in zip(near, choice, shape, strict=True):
            index = index * n + (high if side else low)
            weight = weight * (fraction if side else 1 - fraction)
        if bool((weight != 0).any()):
            corners.append((index, weight))
    return corners


def smooth(x: Float[Tensor, "points"], n: int, kind: str) -> Float[Tensor, "points n"]:
    """Weights that interpolate n grid values at x, differentiable in x.

    Trigonometric along periodic axes, exact below the Nyquist frequency; cubic through the four nearest points along
    others.
    """
    return _trigonometric(x, n) if kind == "periodic" else _cubic(_index(x, n, kind), n)


def _index(x: Tensor, n: int, kind: str) -> Tensor:
    return {"periodic": x * n, "cells": x * n - 0.5, "ends": x * (n - 1)}[kind]


def _neighbours(x: Tensor, n: int, kind: str) -> tuple[Tensor, Tensor, Tensor]:
    """Grid points below and above, and the share of the one above; beyond the ends the last slope goes on."""
    t = _index(x.double(), n, kind)
    t = torch.where((t - t.round()).abs() < _SNAP, t.round(), t)
    low = t.floor()
    if kind != "periodic":
        low = low.clamp(0, max(n - 2, 0))
    fraction = (t - low).to(x.dtype) if n > 1 else torch.zeros_like(x)
    return low.long() % n, (low.long() + 1) % n, fraction


def _trigonometric(x: Tensor, n: int) -> Tensor:
    """sum_k w_k cos(2 pi k (x - j/n)) / n with w = 1, 2, 2, ...; the Nyquist frequency of even n counts once."""
    k = torch.arange(n // 2 + 1, dtype=x.dtype, device=x.device)
    weight = torch.full_like(k, 2.0)
    weight[0] = 1.0
    if n % 2 == 0:
        weight[-1] = 1.0
    here, there = 2 * math.pi * x[:, None] * k, 2 * math.pi * axis(n, "periodic", x)[:, None] * k
    return ((weight * here.cos()) @ there.cos().T + (weight * here.sin()) @ there.sin().T) / n


def _cubic(t: Tensor, n: int) -> Tensor:
    """Lagrange polynomials on the four grid points around t (on all of fewer than four)."""
    count = min(4, n)
    low = (t.detach().floor() - 1).clamp(0, n - count)
    s, weights = t - low, []
    for i in range(count):
        others = [(s - j) / (i - j) for j in range(count) if j != i]
        weights.append(torch.stack(others).prod(0) if others else torch.ones_like(s))
    columns = low.long()[:, None] + torch.arange(count, device=t.device)
    return t.new_zeros(len(t), n).scatter(1, columns, torch.stack(weights, dim=1))
