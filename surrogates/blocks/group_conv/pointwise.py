"""Maps at one point that commute with turns: fields to poses, poses to poses, poses to fields.

The last channel axis of features is channels x poses, poses run fastest. The matrix of each map is built from few
numbers, rho being the representation of the fields (`representation`):

    Lifting      f(c, g) = sum_a [w rho(g)^-1]_ca v_a + b_c
    GroupLinear  f(o, g) = sum_ih w(o, i, g^-1 h) f(i, h) + b_o
    PoseSum      v_a = sum_cg [rho(g) w]_ac f(c, g) + b_a       b only for components that all elements leave alone
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.group_conv.group import PlanarGroup, planar_group
from surrogates.blocks.group_conv.representation import Rank, representation
from surrogates.blocks.group_conv.tie import pick


class GroupLinear(nn.Module):
    """Channels x poses to channels x poses, in out |G| + out numbers.

    Args:
        channels_in, channels_out: channels, each with |G| poses. group: see `planar_group`.
    """

    places: Tensor

    def __init__(self, channels_in: int, channels_out: int, group: str = "p4") -> None:
        super().__init__()
        self.arguments = {"channels_in": channels_in, "channels_out": channels_out, "group": group}
        order = planar_group(group).order
        bound = 1 / math.sqrt(channels_in * order)
        self.weight = nn.Parameter(_uniform(bound, channels_out, channels_in, order))
        self.bias = nn.Parameter(_uniform(bound, channels_out))
        self.register_buffer("places", _places(planar_group(group), channels_in, channels_out), persistent=False)

    def forward(self, f: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        out, n_in, order = self.weight.shape
        matrix = pick(self.weight, self.places).view(out * order, n_in * order)
        return pointwise(f, matrix, self.bias.repeat_interleave(order))


class Lifting(nn.Module):
    """Fields to channels x poses.

    Args:
        ranks: of the fields, see `representation`. channels: each with |G| poses. group: see `planar_group`.
    """

    back: Tensor

    def __init__(self, ranks: Sequence[Rank], channels: int, group: str = "p4") -> None:
        super().__init__()
        self.arguments = {"ranks": list(ranks), "channels": channels, "group": group}
        rho = representation(planar_group(group), ranks)
        self.register_buffer("back", rho.mT.to(torch.get_default_dtype()), persistent=False)  # rho is orthogonal
        bound = 1 / math.sqrt(rho.shape[-1])
        self.weight = nn.Parameter(_uniform(bound, channels, rho.shape[-1]))
        self.bias = nn.Parameter(_uniform(bound, channels))

    def forward(self, v: Float[Tensor, "batch components *space"]) -> Float[Tensor, "batch out *space"]:
        matrix = torch.einsum("cb,gba->cga", self.weight, self.back).flatten(0, 1)
        return pointwise(v, matrix, self.bias.repeat_interleave(len(self.back)))


class PoseSum(nn.Module):
    """Channels x poses to fields.

    Args:
        channels: each with |G| poses. ranks: of the fields, see `representation`. group: see `planar_group`.
    """

    rho: Tensor
    free: Tensor

    def __init__(self, channels: int, ranks: Sequence[Rank], group: str = "p4") -> None:
        super().__init__()
        self.arguments = {"channels": channels, "ranks": list(ranks), "group": group}
        rho = representation(planar_group(group), ranks)
        self.register_buffer("rho", rho.to(torch.get_default_dtype()), persistent=False)  # 0, 1 and -1: never rounded
        moved = (rho - torch.eye(rho.shape[-1], dtype=rho.dtype, device="cpu")).abs().amax(dim=(0, 2)) > 0
        self.register_buffer("free", torch.nonzero(~moved)[:, 0], persistent=False)
        bound = 1 / math.sqrt(channels)
        self.weight = nn.Parameter(_uniform(bound, rho.shape[-1], channels))
        self.bias = nn.Parameter(_uniform(bound, len(self.free))) if len(self.free) else None

    def forward(self, f: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch components *space"]:
        matrix = torch.einsum("gab,bc->acg", self.rho, self.weight).flatten(1)
        bias = matrix.new_zeros(len(matrix))
        if self.bias is not None:
            bias = bias.index_add(0, self.free, self.bias)
        return pointwise(f, matrix, bias)


def pointwise(
    f: Float[Tensor, "batch in *space"], matrix: Float[Tensor, "out in"], bias: Float[Tensor, "out"]
) -> Float[Tensor, "batch out *space"]:
    """matrix @ f + bias at every point: one batched product without moving axes (faster than a 1x1 convolution)."""
    n, (rows, columns) = f.shape[0], matrix.shape
    return torch.baddbmm(bias[:, None], matrix.expand(n, rows, columns), f.flatten(2)).view(n, rows, *f.shape[2:])


def _uniform(bound: float, *shape: int) -> Tensor:
    """Uniform in (-bound, bound), bound = 1 / sqrt(fan in), as torch's own linear layers start."""
    return torch.empty(shape).uniform_(-bound, bound)


@lru_cache(maxsize=32)
def _places(group: PlanarGroup, n_in: int, n_out: int) -> Tensor:
    """Flat places of w(o, i, g^-1 h) in the order o, g, i, h."""
    pairs = torch.arange(n_out * n_in, device="cpu").view(n_out, 1, n_in, 1) * group.order
    return (pairs + group.relative[None, :, None, :]).flatten()
