"""U-Net: Convolutional Networks for Biomedical Image Segmentation (arXiv:1505.04597), as a plain baseline for fields.

Kept: an encoder of paired 3-point convolutions that halves the grid and doubles the channels level by level, a decoder
that goes back, shortcuts by concatenation.
Changed: sides keep their length (circular or zero padding), averages instead of maxima on the way down, interpolation
instead of transposed convolutions on the way up, group norm and GELU as in later U-Nets for fields; any side, odd ones
too: each level is doubled and cut to the shortcut it meets. Convolutions see pixels: a U-Net is tied to its resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.field_inputs import check_sizes, field_channels
from surrogates.physics.errors import DomainError

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
RESIZES = {1: "linear", 2: "bilinear", 3: "trilinear"}
PADDINGS: dict[str, Any] = {"circular": "circular", "zero": "zeros"}


class UNet(nn.Module):
    """Fields -> fields by local convolutions on coarser and coarser grids.

    Args:
        dim: axes of space, 1 to 3.
        width: channels of the finest level, doubled at each coarser one.
        in_channels, out_channels: of the fields.
        depth: how often the grid is halved; every side needs at least 2^depth points.
        n_parameters: numbers that come with each field (a viscosity), normalised to order one.
        padding: "circular" for periodic domains, "zero" for others.
    """

    def __init__(
        self,
        *,
        dim: int,
        width: int,
        in_channels: int,
        out_channels: int,
        depth: int = 4,
        n_parameters: int = 0,
        padding: str = "circular",
    ) -> None:
        super().__init__()
        check_sizes(width=width, depth=depth, in_channels=in_channels, out_channels=out_channels)
        check_sizes(n_parameters=n_parameters)
        if dim not in CONVOLUTIONS or padding not in PADDINGS:
            raise DomainError(f"dim={dim}, padding={padding!r}; give 1, 2 or 3, and 'circular' or 'zero'")
        self.arguments = {
            "dim": dim,
            "width": width,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "depth": depth,
            "n_parameters": n_parameters,
            "padding": padding,
        }
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, in_channels, out_channels, n_parameters
        self.depth = depth
        widths = [width * 2**level for level in range(depth + 1)]
        self.first = _Pair(dim, in_channels + n_parameters, width, padding)
        self.down = nn.ModuleList(_Pair(dim, fine, coarse, padding) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(
            _Pair(dim, coarse + fine, fine, padding) for fine, coarse in reversed([*pairwise(widths)])
        )
        self.last = CONVOLUTIONS[dim](width, out_channels, 1)

    def forward(
        self, values: Float[Tensor, "batch in *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch out *space"]:
        """Raises DomainError where channels or parameters do not fit, or a side has fewer than 2^depth points."""
        u = field_channels(values, parameters, self)
        if min(u.shape[2:]) < 2**self.depth:
            raise DomainError(
                f"a grid of {tuple(u.shape[2:])} points cannot be halved {self.depth} times; give sides of at least "
                f"{2**self.depth}, or a smaller depth"
            )
        levels = [self.first(u)]
        for layer in self.down:
            levels.append(layer(self._halved(levels[-1])))
        u = levels.pop()
        for layer in self.up:
            fine = levels.pop()
            u = layer(torch.cat([self._doubled(u, fine.shape[2:]), fine], dim=1))
        return self.last(u)

    def _halved(self, u: Tensor) -> Tensor:
        """Means over cells of two points an axis; of an odd side the last cell has one point."""
        pool = (nn.functional.avg_pool1d, nn.functional.avg_pool2d, nn.functional.avg_pool3d)[self.dim - 1]
        return pool(u, 2, ceil_mode=True, count_include_pad=False)

    def _doubled(self, u: Tensor, points: Sequence[int]) -> Tensor:
        """Linear interpolation to twice the points, cut to `points`; around the circle, or constant beyond walls."""
        mode = "circular" if self.arguments["padding"] == "circular" else "replicate"
        wider = nn.functional.pad(u, (1, 1) * self.dim, mode=mode)
        doubled = nn.functional.interpolate(wider, scale_factor=2, mode=RESIZES[self.dim], align_corners=False)
        return doubled[(slice(None), slice(None), *(slice(2, 2 + n) for n in points))]


class _Pair(nn.Sequential):
    """Twice a convolution over 3 points an axis, a norm over all channels, gelu."""

    def __init__(self, dim: int, in_channels: int, out_channels: int, padding: str) -> None:
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            convolution = CONVOLUTIONS[dim](channels, out_channels, 3, padding=1, padding_mode=PADDINGS[padding])
            layers += [convolution, nn.GroupNorm(1, out_channels), nn.GELU()]
        super().__init__(*layers)
