"""How one axis of a grid is cut into patches and windows, and where their pixels lie; see `multigrid_patches`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BOUNDARIES = ("circular", "reflect", "zero")


@dataclass(frozen=True)
class PatchAxis:
    """How an axis of n pixels is cut: integers only, so that a network may be traced with them."""

    n: int
    levels: int
    padding: int
    boundary: str

    @property
    def patches(self) -> int:
        return 1 << self.levels

    @property
    def starts(self) -> list[int]:
        """First pixel of each patch, and n."""
        return [j * self.n // self.patches for j in range(self.patches + 1)]

    @property
    def owned(self) -> list[int]:
        """Pixels that each patch keeps when they are stitched."""
        return [b - a for a, b in zip(self.starts[:-1], self.starts[1:], strict=True)]

    @property
    def patch(self) -> int:
        """Pixels of the largest patch."""
        return -(-self.n // self.patches)

    @property
    def window(self) -> int:
        """Pixels of a window, at every level."""
        return self.patch + 2 * self.padding

    @property
    def between(self) -> bool:
        """Whether coarse cells are centred between fine pixels: those of windows with an even number of pixels are."""
        return self.window % 2 == 0

    def periodic(self, values: Tensor, axis: int) -> Tensor:
        """The field on a longer axis that closes on itself and continues it beyond its ends."""
        if self.boundary == "circular":
            return values
        if self.boundary == "reflect":  # about the walls, half a pixel beyond the outermost centres
            return torch.cat([values, values.flip(axis)], dim=axis)
        zeros = list(values.shape)
        zeros[axis] = 2 * self.patches
        return torch.cat([values, values.new_zeros(zeros)], dim=axis)

    def pixels(self, level: int) -> Tensor:
        """Where on that longer axis the pixels of each window lie: (patches, window)."""
        start = torch.tensor(self.starts[:-1]).unsqueeze(1) - self.padding
        last = self.window - 1
        twice = 2 * start + last + (2 * torch.arange(self.window) - last) * 2**level  # twice the cells' centres
        centre = twice.div(2, rounding_mode="floor")
        if self.boundary == "circular":
            return centre.remainder(self.n)
        if self.boundary == "reflect":
            return centre.remainder(2 * self.n)
        return centre.clamp(-self.patches, self.n + self.patches - 1).remainder(self.n + 2 * self.patches)
