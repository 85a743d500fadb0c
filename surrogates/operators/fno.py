"""Fourier Neural Operator for Parametric Partial Differential Equations (arXiv:2010.08895).

Kept: a pointwise lifting P, `depth` Fourier layers v <- gelu(W v + b + K v) without an activation after the last
(section 4, eq. 2 and 5; GELU and the last layer as in the authors' program), a pointwise network Q with one hidden
layer, coordinates as input channels, zero padding of domains that are not periodic.
Changed: coordinates are i/n instead of a grid with both end points, so that a point keeps its own when the grid is
refined; spectral weights start with E|w|^2 = 2 / (in + out) instead of uniform in [0, 1 / (in out)].
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.channel_mlp import ChannelMLP
from surrogates.blocks.field_inputs import check_sizes, field_channels, with_positions
from surrogates.blocks.field_padding import check_padding, crop_end, pad_end
from surrogates.blocks.fourier_conv import FourierConv
from surrogates.blocks.frequencies import each_axis
from surrogates.blocks.pointwise import Pointwise


class FNO(nn.Module):
    """Fields -> fields by global convolutions; trained on one grid, evaluated on any.

    Args:
        dim: axes of space, 1 to 3.
        modes: k of each axis, or one for all: frequencies |f| < k are kept, as the paper counts them.
        width: channels inside. depth: Fourier layers.
        in_channels, out_channels: of the fields.
        n_parameters: numbers that come with each field (a viscosity), normalised to order one.
        positions: whether the coordinates of the grid are inputs; without them the operator commutes with translations.
        padding: zeros added behind each axis, as a fraction of its points, for domains that are not periodic.
        projection: width of the hidden layer of Q.
    """

    def __init__(
        self,
        *,
        dim: int,
        modes: int | Sequence[int],
        width: int,
        in_channels: int,
        out_channels: int,
        depth: int = 4,
        n_parameters: int = 0,
        positions: bool = True,
        padding: float = 0.0,
        projection: int = 128,
    ) -> None:
        super().__init__()
        check_sizes(
            width=width, depth=depth, in_channels=in_channels, out_channels=out_channels, n_parameters=n_parameters
        )
        check_sizes(projection=projection)
        self.modes = each_axis(modes, dim)
        self.arguments = {
            "dim": dim,
            "modes": list(self.modes),
            "width": width,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "depth": depth,
            "n_parameters": n_parameters,
            "positions": positions,
            "padding": check_padding(padding),
            "projection": projection,
        }
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, in_channels, out_channels, n_parameters
        self.positions, self.padding = positions, padding
        self.lift = Pointwise(in_channels + n_parameters + (dim if positions else 0), width)
        self.layers = nn.ModuleList(FourierLayer(width, self.modes) for _ in range(depth))
        self.project = ChannelMLP(width, projection, out_channels)

    def forward(
        self, values: Float[Tensor, "batch in *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch out *space"]:
        """Raises DomainError where channels, parameters or the grid do not fit."""
        u = field_channels(values, parameters, self)
        v = pad_end(self.lift(with_positions(u) if self.positions else u), self.padding)
        for layer in self.layers[:-1]:
            v = nn.functional.gelu(layer(v))
        return self.project(crop_end(self.layers[-1](v), u))


class FourierLayer(nn.Module):
    """W v + b + K v, before the activation (eq. 2)."""

    def __init__(self, width: int, modes: Sequence[int], weights: nn.Module | None = None) -> None:
        super().__init__()
        self.spectral = FourierConv(width, width, modes, weights)
        self.pointwise = Pointwise(width, width)

    def forward(self, v: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        return self.pointwise(v).add_(self.spectral(v))
