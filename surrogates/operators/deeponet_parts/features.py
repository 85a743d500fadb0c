"""What a trunk network sees of a query point: Fourier features, periodic or random.

Papers: A comprehensive and fair comparison of two neural operators (with practical extensions) based on FAIR data
(arXiv:2111.05512), section 3.1; Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional
Domains (arXiv:2006.10739).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError


class Periodic(nn.Module):
    """cos(2 pi k y_a), sin(2 pi k y_a) for k = 1..harmonics along periodic axes a; other coordinates pass unchanged.

    The output is then periodic exactly, with all its derivatives.

    Args:
        harmonics: highest k. axes: the periodic axes; None: all but a time coordinate behind the `dim` axes.
    """

    def __init__(self, *, harmonics: int = 1, axes: Sequence[int] | None = None) -> None:
        super().__init__()
        if harmonics < 1:
            raise DomainError(f"harmonics={harmonics}; give at least 1")
        self.harmonics, self.axes = harmonics, None if axes is None else tuple(axes)
        self.arguments = {"harmonics": harmonics, "axes": None if axes is None else list(axes)}

    def width(self, n_coordinates: int, dim: int) -> int:
        """Number of features of a point of `n_coordinates`, of which `dim` are in space."""
        periodic = len(self._axes(dim))
        return n_coordinates - periodic + 2 * self.harmonics * periodic

    def forward(self, y: Float[Tensor, "points coordinates"], dim: int) -> Float[Tensor, "points features"]:
        axes = self._axes(dim)
        k = torch.arange(1, self.harmonics + 1, dtype=y.dtype, device=y.device)
        found = [y[:, [a for a in range(y.shape[1]) if a not in axes]]]
        for a in axes:
            angle = 2 * math.pi * y[:, a, None] * k
            found += [angle.cos(), angle.sin()]
        return torch.cat(found, dim=1)

    def _axes(self, dim: int) -> tuple[int, ...]:
        axes = tuple(range(dim)) if self.axes is None else self.axes
        if any(a not in range(dim) for a in axes):
            raise DomainError(f"axes={list(axes)} in {dim} dimensions; axes are numbered from 0")
        return axes


class RandomFourier(nn.Module):
    """cos(2 pi B y), sin(2 pi B y) with entries of B normal of standard deviation `scale`, beside y itself.

    Args:
        count: rows of B, so 2 count features. n_coordinates: of a point (dim, one more with times). seed: of B, which
            is kept in the state.
    """

    frequencies: Tensor

    def __init__(self, *, n_coordinates: int, count: int = 16, scale: float | int = 1.0, seed: int = 0) -> None:
        super().__init__()
        self.arguments = {"n_coordinates": n_coordinates, "count": count, "scale": scale, "seed": seed}
        generator = torch.Generator().manual_seed(seed)
        frequencies = scale * torch.randn(count, n_coordinates, generator=generator, dtype=torch.float64, device="cpu")
        self.register_buffer("frequencies", frequencies.to(torch.get_default_dtype()))

    def width(self, n_coordinates: int, dim: int) -> int:
        """Number of features of a point. Raises DomainError where points have other coordinates than B."""
        if n_coordinates != self.frequencies.shape[1]:
            raise DomainError(
                f"RandomFourier(n_coordinates={self.frequencies.shape[1]}) for points of {n_coordinates} coordinates; "
                f"write n_coordinates={n_coordinates}"
            )
        return n_coordinates + 2 * self.frequencies.shape[0]

    def forward(self, y: Float[Tensor, "points coordinates"], dim: int) -> Float[Tensor, "points features"]:
        angle = 2 * math.pi * y @ self.frequencies.T
        return torch.cat([y, angle.cos(), angle.sin()], dim=1)
