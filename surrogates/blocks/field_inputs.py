"""What an operator network reads: field channels, numbers such as a viscosity, coordinates of the grid."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError


def field_channels(
    values: Float[Tensor, "batch channels *space"], parameters: Float[Tensor, "batch n"] | None, model: object
) -> Float[Tensor, "batch inputs *space"]:
    """Values, and each parameter as a constant channel behind them, as many as `model` was made for.

    Raises DomainError where axes, channels or parameters do not fit the model's dim, in_channels and n_parameters.
    """
    dim, channels, n = (getattr(model, name) for name in ("dim", "in_channels", "n_parameters"))
    name = type(model).__name__
    if values.ndim != dim + 2 or values.shape[1] != channels:
        raise DomainError(
            f"{name} got a field of shape {tuple(values.shape)}; it reads (batch, {channels} channels, {dim} axes of "
            "space): make it with dim and in_channels of your data, or select other fields"
        )
    given = None if parameters is None else tuple(parameters.shape)
    if n == 0 and (parameters is None or parameters.shape[1] == 0):
        return values
    if parameters is None or given != (len(values), n):
        raise DomainError(
            f"{name} got parameters of shape {given} for {len(values)} fields; it reads {n} a field: give "
            f"(batch, {n}), or make it with n_parameters of your data"
        )
    constant = parameters.to(values).reshape(*parameters.shape, *(1,) * dim).expand(-1, -1, *values.shape[2:])
    return torch.cat([values, constant], dim=1)


def check_sizes(**sizes: int) -> None:
    """Raises DomainError for a size that is no whole number from 1 up (n_parameters: from 0 up)."""
    for name, size in sizes.items():
        least = 0 if name == "n_parameters" else 1
        if isinstance(size, bool) or not isinstance(size, int) or size < least:
            raise DomainError(f"{name}={size}; give a whole number from {least} up")


def with_positions(u: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch more *space"]:
    """One more channel for each axis: i/n, the place of a point in units of the side, whatever the resolution."""
    points = u.shape[2:]
    axes = [torch.arange(n, dtype=u.dtype, device=u.device) / n for n in points]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return torch.cat([u, grid.expand(len(u), *grid.shape)], dim=1)
