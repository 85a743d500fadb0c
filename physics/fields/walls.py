"""Boundary conditions on the walls of a box and on the edges of a mask: Dirichlet, Neumann, Robin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid

Number = float | int | Tensor


@dataclass(frozen=True)
class Dirichlet:
    """u = value on the wall.

    Args:
        value: one number, or a tensor that broadcasts to (samples, *the wall's own cells), in units of u.
    """

    value: Number = 0.0


@dataclass(frozen=True)
class Neumann:
    """a du/dn = flux with the normal pointing outwards; a positive flux brings u in, 0 is a closed wall.

    Args:
        flux: one number, or a tensor that broadcasts to (samples, *the wall's own cells), in units of a u / length.
    """

    flux: Number = 0.0


@dataclass(frozen=True)
class Robin:
    """a du/dn = transfer (value - u) with the normal pointing outwards; transfer -> infinity is Dirichlet.

    Args:
        transfer: not negative, in units of a / length. value: what u is drawn to. Both as in `Dirichlet`.
    """

    transfer: Number
    value: Number = 0.0


Condition = Dirichlet | Neumann | Robin


@dataclass(frozen=True)
class Walls:
    """One condition per wall.

    Args:
        axes: for each axis one condition for both ends, or (lower, upper); on a periodic axis it must be None.
        mask: on the faces between cells inside and outside a mask; its numbers are plain numbers or (samples,).
    """

    axes: tuple[Condition | tuple[Condition, Condition] | None, ...]
    mask: Condition = Neumann()


def on_every_wall(
    walls: Walls | Condition, grid: Grid
) -> tuple[tuple[tuple[Condition, Condition] | None, ...], Condition]:
    """The (lower, upper) conditions of each axis (None where it is periodic) and that of the mask's edges.

    One condition alone holds on every wall and on the mask's edges. Raises DomainError where walls and grid disagree,
    a number is not finite, or a Robin transfer is negative.
    """
    if isinstance(walls, Condition):
        walls = Walls(tuple(None if closed else walls for closed in grid.periodic), walls)
    if not isinstance(walls, Walls):
        raise DomainError(
            f"walls={walls!r}; give Dirichlet(value), Neumann(flux) or Robin(transfer, value) for all walls, or "
            "Walls(axes, mask) with one entry per axis"
        )
    if len(walls.axes) != grid.dim:
        raise DomainError(f"walls for {len(walls.axes)} axes on a grid of {grid.dim}; give one entry per axis")
    pairs: list[tuple[Condition, Condition] | None] = []
    for axis, (given, closed) in enumerate(zip(walls.axes, grid.periodic, strict=True)):
        if closed != (given is None):
            raise DomainError(
                f"axis {axis} is periodic, so it has no walls: give None for it"
                if closed
                else f"axis {axis} has walls but no condition; give one, or make the grid periodic along it"
            )
        pair = given if isinstance(given, tuple) or given is None else (given, given)
        if pair is not None and (len(pair) != 2 or not all(isinstance(c, Condition) for c in pair)):
            raise DomainError(f"axis {axis}: {given!r}; give one condition, or (lower, upper)")
        pairs.append(pair)
    for condition in (walls.mask, *(c for pair in pairs if pair for c in pair)):
        _check_numbers(condition)
    return tuple(pairs), walls.mask


def coupling(condition: Condition, half: Tensor) -> tuple[Tensor, Tensor]:
    """(conductance, drive) of a wall: the flow into the cell per area is drive - conductance * u(cell centre).

    `half` is a / (h/2), the conductance from the cell's centre to the wall; flux through a wall of transfer c is
    (value - u) / (1/half + 1/c).
    """
    if isinstance(condition, Neumann):
        return torch.zeros_like(half), torch.zeros_like(half) + condition.flux
    if isinstance(condition, Robin):
        transfer = torch.as_tensor(condition.transfer, dtype=half.dtype, device=half.device)
        half = half * transfer / (half + transfer)
    return half, half * condition.value


def _check_numbers(condition: Condition) -> None:
    numbers = {name: getattr(condition, name) for name in condition.__dataclass_fields__}
    for name, number in numbers.items():
        finite = bool(number.isfinite().all()) if isinstance(number, Tensor) else math.isfinite(number)
        if not finite:
            raise DomainError(f"{type(condition).__name__}: {name} is not finite; give finite numbers on walls")
    if isinstance(condition, Robin) and bool((torch.as_tensor(condition.transfer) < 0).any()):
        raise DomainError("Robin: the transfer is negative, which makes heat flow uphill; give one that is not")
