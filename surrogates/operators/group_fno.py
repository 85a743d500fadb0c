"""Group Equivariant Fourier Neural Operators for Partial Differential Equations (arXiv:2306.05697).

Kept: features in every pose of the group; layers x <- gelu(W x + MLP(norm(K(norm(x))))), K a group convolution in
Fourier space, no activation after the last; one normalisation without weights over poses and points, in 2-D only;
a head of 4 x width summed over poses. As in the authors' program, 12 modes and a squared distance as position make
853,121 real numbers (p4, width 10) and 835,969 (p4m, width 7) for ten frames in and one out.
Changed: pseudoscalars, vectors and tensors as inputs and outputs, whose components turn with the grid; any grid, odd
and unequal sides too; parameters; one code for all groups; spectral weights start with E|w|^2 = 2 / (in + out).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.field_inputs import check_sizes, field_channels
from surrogates.blocks.field_padding import check_padding, crop_end, pad_end
from surrogates.blocks.fourier_conv import FourierConv
from surrogates.blocks.frequencies import each_axis
from surrogates.blocks.group_conv import GroupLinear, GroupTied, Lifting, PoseSum, planar_group, pose_norm
from surrogates.blocks.group_conv.representation import Rank, ranks_of
from surrogates.physics.errors import DomainError


class GroupFNO(nn.Module):
    """Fields -> fields, turning with its input: f(turned u) = turned f(u) for torch.rot90 (and torch.flip for p4m).

    The first two axes are the plane that is turned; a third one, time or a height, stays as it is. Exact on a grid of
    any sides; a square one where the physics shall be the same in all directions. Without a position it commutes with
    translations of a periodic grid too. An equation may have fewer symmetries than its fields suggest: a vorticity is a
    pseudoscalar, and a forcing that is not part of the input must itself look the same from all sides.

    Args:
        dim: 2, or 3 for a plane and one more axis.
        modes: k of each axis, or one for all: frequencies |f| < k are kept, never Nyquist.
        width: channels inside, each in as many poses as the group has elements. depth: Fourier layers.
        in_channels, out_channels: of the fields. n_parameters: numbers that come with each field, normalised.
        group: "p4" (quarter turns), "p4m" (and mirror images), or another of `planar_group`.
        in_ranks, out_ranks: how components change, see `surrogates.blocks.group_conv.representation`: one for all
            ("vector"), or one for each field in the order of channels (("vector", "scalar") for u, v, p).
        position: "none", or "distance": squared distance to the centre, and the third coordinate where there is one.
        padding: zeros added behind each axis, as a fraction of its points, for domains that are not periodic.
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
        group: str = "p4",
        in_ranks: Rank | Sequence[Rank] = "scalar",
        out_ranks: Rank | Sequence[Rank] = "scalar",
        position: str = "none",
        padding: float | int = 0.0,
    ) -> None:
        super().__init__()
        check_sizes(
            width=width, depth=depth, in_channels=in_channels, out_channels=out_channels, n_parameters=n_parameters
        )
        _check(dim, position)
        self.modes = each_axis(modes, dim)
        self.group = planar_group(group)
        self.in_ranks, self.out_ranks = ranks_of(in_channels, in_ranks, "in"), ranks_of(out_channels, out_ranks, "out")
        self.arguments = {
            "dim": dim,
            "modes": list(self.modes),
            "width": width,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "depth": depth,
            "n_parameters": n_parameters,
            "group": group,
            "in_ranks": list(self.in_ranks),
            "out_ranks": list(self.out_ranks),
            "position": position,
            "padding": check_padding(padding),
        }
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, in_channels, out_channels, n_parameters
        self.position, self.padding = position, padding
        numbers = n_parameters + (dim - 1 if position == "distance" else 0)
        self.lift = Lifting([*self.in_ranks, *["scalar"] * numbers], width, group)
        self.layers = nn.ModuleList(_Layer(width, self.modes, group) for _ in range(depth))
        self.widen = GroupLinear(width, 4 * width, group)
        self.head = PoseSum(4 * width, self.out_ranks, group)

    def forward(
        self, values: Float[Tensor, "batch in *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch out *space"]:
        """Raises DomainError where channels, parameters or the grid do not fit."""
        u = field_channels(values, parameters, self)
        v = pad_end(self.lift(with_distance(u) if self.position == "distance" else u), self.padding)
        for layer in self.layers[:-1]:
            v = nn.functional.gelu(layer(v))
        v = crop_end(self.layers[-1](v), u)
        fields: Tensor = self.head(nn.functional.gelu(self.widen(v)))
        return fields


class _Layer(nn.Module):
    """W x + MLP(norm(K(norm(x)))), before the activation; no norm in three dimensions."""

    def __init__(self, width: int, modes: Sequence[int], group: str) -> None:
        super().__init__()
        weights = GroupTied(width, width, modes, group)
        self.spectral = FourierConv(weights.in_channels, weights.out_channels, modes, weights)
        self.mlp = nn.Sequential(GroupLinear(width, width, group), nn.GELU(), GroupLinear(width, width, group))
        self.pointwise = GroupLinear(width, width, group)
        self.norm_order = weights.group.order if len(modes) == 2 else 0

    def forward(self, x: Float[Tensor, "batch features *space"]) -> Float[Tensor, "batch features *space"]:
        y: Tensor = self.pointwise(x) + self.mlp(self._norm(self.spectral(self._norm(x))))
        return y

    def _norm(self, x: Tensor) -> Tensor:
        return pose_norm(x, self.norm_order) if self.norm_order else x


def with_distance(u: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch more *space"]:
    """Behind the channels the squared distance to the centre of the plane, sides 1, and i/n of a third axis.

    About the centre of the array, as torch.rot90: points stand in the middle of their cells.
    """
    x, y = (((torch.arange(n, dtype=u.dtype, device=u.device) + 0.5) / n - 0.5).square() for n in u.shape[2:4])
    shape = u.shape[2:]
    squared = x[:, None] + y
    if len(shape) == 2:
        return torch.cat([u, squared.expand(len(u), 1, *shape)], dim=1)
    third = torch.arange(shape[2], dtype=u.dtype, device=u.device) / shape[2]
    grid = torch.stack([squared[..., None].expand(shape), third.expand(shape)])
    return torch.cat([u, grid.expand(len(u), *grid.shape)], dim=1)


def _check(dim: int, position: str) -> None:
    if dim not in (2, 3):
        raise DomainError(f"dim={dim}: there is no plane to turn; give 2, or 3 for a plane and one axis more")
    if position not in ("none", "distance"):
        raise DomainError(f"position={position!r} is unknown; choose 'none' or 'distance' (other grids break symmetry)")
