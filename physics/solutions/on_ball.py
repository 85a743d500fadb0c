"""u = (1 - |x|^2) w(x): functions that vanish on the unit sphere, with all that an elliptic equation asks of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError

Reaction = Callable[[Tensor], Tensor]


@runtime_checkable
class Inner(Protocol):
    """A function w of points in `dim` dimensions that knows its derivatives."""

    @property
    def dim(self) -> int:
        """Coordinates of a point."""
        ...

    def pieces(self, x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"], Float[Tensor, "n"]]:
        """w, x . grad w, Lap w at each point, in O(d)."""
        ...

    def gradient(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """grad w."""
        ...


@dataclass(frozen=True)
class OnBall:
    """The exact solution u = (1 - |x|^2) w of Lap u + f(u) = g on the unit ball with u = 0 on its sphere.

    Args:
        inner: w, such as TwoBody(...). A point of another dimension raises DomainError in every method.
    """

    inner: Inner

    @property
    def dim(self) -> int:
        return self.inner.dim

    def __call__(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
        """u."""
        self._check(x)
        return _factor(x) * self.inner.pieces(x)[0][:, None]

    def gradient(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """(1 - |x|^2) grad w - 2 x w."""
        self._check(x)
        return _factor(x) * self.inner.gradient(x) - 2 * x * self.inner.pieces(x)[0][:, None]

    def laplacian(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
        """(1 - |x|^2) Lap w - 4 x . grad w - 2 d w."""
        return self._value_and_laplacian(x)[1]

    def source(self, x: Float[Tensor, "n d"], reaction: Reaction) -> Float[Tensor, "n 1"]:
        """g = Lap u + f(u), which makes u the solution; `reaction` is f."""
        u, laplacian = self._value_and_laplacian(x)
        return laplacian + reaction(u)

    def _value_and_laplacian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self._check(x)
        factor = _factor(x)
        w, radial, curvature = (piece[:, None] for piece in self.inner.pieces(x))
        return factor * w, factor * curvature - 4 * radial - 2 * self.dim * w

    def _check(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise DomainError(f"points of shape {tuple(x.shape)} for a solution in {self.dim} dimensions; give (n, d)")


def poisson(u: Tensor) -> Tensor:
    """f = 0: Lap u = g."""
    return torch.zeros_like(u)


def allen_cahn(u: Tensor) -> Tensor:
    """f = u - u^3."""
    return u - u**3


def sine_gordon(u: Tensor) -> Tensor:
    """f = sin u."""
    return torch.sin(u)


def _factor(x: Tensor) -> Tensor:
    return 1 - x.square().sum(dim=1, keepdim=True)
