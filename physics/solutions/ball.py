"""Random points in the unit ball of any dimension, and on its sphere."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError


def uniform_radius(
    n: int, dim: int, *, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
) -> Float[Tensor, "n dim"]:
    """Points of uniform direction and uniform |x| in [0, 1], made where the generator lives (torch's dtype by default).

    The sampling of the STDE paper (arXiv:2412.00088). It is not uniform in the volume, which in d dimensions lies
    almost all within 1/d of the sphere, where a function that vanishes there has next to nothing to be tested by.
    """
    x = sphere(n, dim, generator=generator, dtype=dtype)
    return x.mul_(_rand(n, generator, dtype))


def uniform_ball(
    n: int, dim: int, *, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
) -> Float[Tensor, "n dim"]:
    """Points uniform in the volume: |x| = U^(1/d) with U uniform in [0, 1]."""
    x = sphere(n, dim, generator=generator, dtype=dtype)
    return x.mul_(_rand(n, generator, dtype).pow_(1 / dim))


def sphere(
    n: int, dim: int, *, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
) -> Float[Tensor, "n dim"]:
    """Points uniform on |x| = 1. Raises DomainError without a dimension."""
    if n < 0 or dim < 1:
        raise DomainError(f"{n} points in {dim} dimensions; give at least one dimension and no negative number")
    x = torch.randn(n, dim, generator=generator, dtype=dtype, device=_device(generator))
    return x.div_(x.norm(dim=1, keepdim=True))


def _rand(n: int, generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
    return torch.rand(n, 1, generator=generator, dtype=dtype, device=_device(generator))


def _device(generator: torch.Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device
