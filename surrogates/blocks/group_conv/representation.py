"""How the components of a field change when the plane is turned or mirrored.

A field v goes over into v'(x) = rho(g) v(g^-1 x). Under g = A^k M^m with determinant det g = (-1)^m:

    scalar        1        pressure, temperature, stream of a dye
    pseudoscalar  det g    vorticity and stream function in two dimensions
    vector        g        velocity; components along the two axes of the plane
    pseudovector  det g g  a gradient of a pseudoscalar
    tensor        g x g    stress; components xx, xy, yx, yy
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.blocks.group_conv.group import PlanarGroup
from surrogates.physics.errors import DomainError

Rank = str | int


def representation(group: PlanarGroup, ranks: Sequence[Rank]) -> Float[Tensor, "order components components"]:
    """rho(g) of fields one after the other, block by block, in float64.

    Ranks are names of the table above, or 0, 1 and 2 for scalar, vector and tensor. Raises DomainError for others.
    """
    blocks = [_RANKS[_name(rank)](group.matrices.double()) for rank in ranks]
    rho = torch.zeros(group.order, *[sum(block.shape[1] for block in blocks)] * 2, dtype=torch.float64, device="cpu")
    start = 0
    for block in blocks:
        stop = start + block.shape[1]
        rho[:, start:stop, start:stop] = block
        start = stop
    return rho


def ranks_of(channels: int, ranks: Rank | Sequence[Rank], what: str) -> tuple[str, ...]:
    """The name of the rank of each field in `channels`; a single rank is that of all of them.

    Raises DomainError where the components of the ranks do not make up the channels.
    """
    if not isinstance(ranks, str | int | Sequence):
        raise DomainError(f"{what}_ranks={ranks!r}; name a rank, or the rank of every field in order")
    if isinstance(ranks, str | int):
        size = _COMPONENTS[_name(ranks)]
        names = [_name(ranks)] * (channels // size)
    else:
        names = [_name(rank) for rank in ranks]
    found = sum(_COMPONENTS[name] for name in names)
    if found != channels or channels < 1:
        sizes = ", ".join(f"{name} {size}" for name, size in _COMPONENTS.items())
        raise DomainError(
            f"{what}_ranks={ranks!r} take {found} channels, {what}_channels={channels}; "
            f"name the rank of every field in order ({sizes} channels)"
        )
    return tuple(names)


def components(rank: Rank) -> int:
    """How many channels a field of this rank has."""
    return _COMPONENTS[_name(rank)]


def turned(
    x: Float[Tensor, "batch components *space"], group: PlanarGroup, g: int, ranks: Sequence[Rank]
) -> Float[Tensor, "batch components *turned"]:
    """Fields moved by the element g: their arrays about the centre of the first two axes, and their components."""
    rho = representation(group, ranks)[g].to(x)
    moved: Tensor = torch.einsum("ab,nb...->na...", rho, group.turn_grid(g, x))
    return moved


def _name(rank: Rank) -> str:
    name = _BY_NUMBER.get(rank, "") if isinstance(rank, int) else rank
    if isinstance(rank, bool) or name not in _RANKS:
        raise DomainError(f"rank {rank!r} is unknown; choose one of {', '.join(_RANKS)}, or 0, 1, 2")
    return name


def _determinant(matrices: Tensor) -> Tensor:
    a, b, c, d = matrices.flatten(1).unbind(1)
    return (a * d - b * c)[:, None, None]


def _kronecker(matrices: Tensor) -> Tensor:
    product: Tensor = torch.einsum("gab,gcd->gacbd", matrices, matrices)
    return product.reshape(-1, 4, 4)


_RANKS: dict[str, Callable[[Tensor], Tensor]] = {
    "scalar": lambda g: torch.ones_like(g[:, :1, :1]),
    "pseudoscalar": _determinant,
    "vector": lambda g: g,
    "pseudovector": lambda g: _determinant(g) * g,
    "tensor": _kronecker,
}
_COMPONENTS = {"scalar": 1, "pseudoscalar": 1, "vector": 2, "pseudovector": 2, "tensor": 4}
_BY_NUMBER = {0: "scalar", 1: "vector", 2: "tensor"}
