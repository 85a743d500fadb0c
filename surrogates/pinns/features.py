"""What a network sees of a point instead of its coordinates: rescaled ones, random Fourier features.

Papers: Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains (arXiv:2006.10739); On
the eigenvector bias of Fourier feature networks (arXiv:2012.10047), for physics-informed networks.
Periodic coordinates are hard_boundary.Periodic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError


class Rescaled(nn.Module):
    """Coordinates shifted and divided so that [low, high] becomes [-1, 1], by coordinate.

    Args:
        low, high: corners of the domain. then: features of the rescaled coordinates, None for themselves.
    """

    low: Tensor
    sides: Tensor

    def __init__(
        self, *, low: Sequence[float | int], high: Sequence[float | int], then: nn.Module | None = None
    ) -> None:
        super().__init__()
        if not len(low) == len(high) or not all(a < b for a, b in zip(low, high, strict=True)):
            raise DomainError(f"low={list(low)}, high={list(high)}; give two corners, low below high")
        self.arguments = {"low": list(low), "high": list(high), "then": then}
        self.then = then
        self.register_buffer("low", torch.tensor([float(a) for a in low]), persistent=False)
        self.register_buffer(
            "sides", torch.tensor([float(b - a) for a, b in zip(low, high, strict=True)]), persistent=False
        )

    def width(self, inputs: int) -> int:
        """Number of features of a point. Raises DomainError where its coordinates are not those of the corners."""
        if inputs != len(self.low):
            raise DomainError(f"Rescaled has {len(self.low)} coordinates, the network inputs={inputs}; make them agree")
        return inputs if self.then is None else int(self.then.width(inputs))  # type: ignore[operator]

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch features"]:
        y = (x - self.low) * (2.0 / self.sides) - 1.0
        out: Tensor = y if self.then is None else self.then(y)
        return out


class RandomFourier(nn.Module):
    """cos(2 pi B x), sin(2 pi B x) with entries of B normal of standard deviation `scale`.

    Args:
        inputs: coordinates of a point. count: rows of B. seed: of B, which is kept in the state.
    """

    frequencies: Tensor

    def __init__(self, *, inputs: int, count: int = 32, scale: float | int = 1.0, seed: int = 0) -> None:
        super().__init__()
        if min(inputs, count) < 1 or not scale > 0:
            raise DomainError(f"RandomFourier(inputs={inputs}, count={count}, scale={scale}); give positive numbers")
        self.arguments = {"inputs": inputs, "count": count, "scale": scale, "seed": seed}
        generator = torch.Generator().manual_seed(seed)
        frequencies = scale * torch.randn(count, inputs, generator=generator, dtype=torch.float64, device="cpu")
        self.register_buffer("frequencies", frequencies.to(torch.get_default_dtype()))

    def width(self, inputs: int) -> int:
        """Number of features of a point. Raises DomainError where its coordinates are not those of B."""
        if inputs != self.frequencies.shape[1]:
            known = self.frequencies.shape[1]
            raise DomainError(f"RandomFourier(inputs={known}) in a network with inputs={inputs}; make them agree")
        return 2 * len(self.frequencies)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch features"]:
        angle = nn.functional.linear(x, 2 * math.pi * self.frequencies)
        return torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)
