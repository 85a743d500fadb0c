"""Errors of predicted fields, one number a sample: mean square, relative L2, relative H1.

Relative means divided by the same norm of the target, as operator networks are trained and scored: Fourier Neural
Operator for Parametric Partial Differential Equations (arXiv:2010.08895). H1 adds the gradient's norm to the value's,
||e||^2 + sum_d ||d e / d x_d||^2, so that small scales count: the loss of arXiv:2310.00120.

Predicted and target are (batch, channels, *space); channels and points are summed together. `mask` (batch, *space) is
True inside the domain; what stands outside, NaN too, does not count and gets no gradient. A target that is zero
everywhere has no relative error: it gives inf, or 0 where the prediction is zero too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from math import prod
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from surrogates.physics.errors import DomainError

Value = TypeVar("Value", float, int, bool)


def mean_squared(
    predicted: Float[Tensor, "batch channels *space"],
    target: Float[Tensor, "batch channels *space"],
    mask: Bool[Tensor, "batch *space"] | None = None,
) -> Float[Tensor, "batch"]:
    """Mean of (predicted - target)^2 over the channels and points of each sample; in the field's unit squared."""
    error = _inside(predicted - target, mask)
    points = prod(target.shape[2:]) if mask is None else mask.flatten(1).sum(1).clamp(min=1)
    return error.square().flatten(1).sum(1) / (points * target.shape[1])


def relative_l2(
    predicted: Float[Tensor, "batch channels *space"],
    target: Float[Tensor, "batch channels *space"],
    mask: Bool[Tensor, "batch *space"] | None = None,
) -> Float[Tensor, "batch"]:
    """||predicted - target|| / ||target|| of each sample, over all channels and points; no unit."""
    return _ratio([_inside(predicted - target, mask)], [_inside(target, mask)])


def relative_h1(
    predicted: Float[Tensor, "batch channels *space"],
    target: Float[Tensor, "batch channels *space"],
    mask: Bool[Tensor, "batch *space"] | None = None,
    *,
    spacing: float | int | Sequence[float | int],
    periodic: bool | Sequence[bool],
) -> Float[Tensor, "batch"]:
    """Relative error in the H1 norm, gradients by differences of neighbouring points.

    (u_{i+1} - u_i) / dx is second order at the middle between two points, wants no one-sided rule at walls and, unlike
    a central difference, does not miss a field that changes its sign from point to point. A pair of neighbours counts
    if both lie inside the mask; along a periodic axis the last point is a neighbour of the first.

    Args:
        spacing: distance of neighbouring points, one for all axes or one an axis; sets what a gradient weighs.
        periodic: likewise, whether an axis closes on itself.
    """
    axes = range(2, target.dim())
    steps, closed = _by_axis(spacing, len(axes), "spacing"), _by_axis(periodic, len(axes), "periodic")
    _check_spacing(steps)
    error, truth = _inside(predicted - target, mask), _inside(target, mask)
    errors, truths = [error], [truth]
    for axis, dx, wraps_around in zip(axes, steps, closed, strict=True):
        pairs = None if mask is None else _pairs(mask, axis - 1, wraps_around)
        errors.append(_inside(_difference(error, axis, wraps_around) / dx, pairs))
        truths.append(_inside(_difference(truth, axis, wraps_around) / dx, pairs))
    return _ratio(errors, truths)


def relative_h1_spectral(
    predicted: Float[Tensor, "batch channels *space"],
    target: Float[Tensor, "batch channels *space"],
    *,
    spacing: float | int | Sequence[float | int],
) -> Float[Tensor, "batch"]:
    """Relative error in the H1 norm of the trigonometric interpolants: sum (1 + |k|^2) |u_k|^2; all axes periodic."""
    space = tuple(target.shape[2:])
    steps = _by_axis(spacing, len(space), "spacing")
    _check_spacing(steps)
    weight = target.new_ones(())
    for axis, (n, dx) in enumerate(zip(space, steps, strict=True)):
        k = 2 * torch.pi * torch.fft.fftfreq(n, d=dx, device=target.device, dtype=target.dtype)
        weight = weight + k.square().reshape([-1 if a == axis else 1 for a in range(len(space))])
    dims = tuple(range(2, target.dim()))
    error, truth = torch.fft.fftn(predicted - target, dim=dims), torch.fft.fftn(target, dim=dims)
    root = weight.sqrt()
    return _ratio([torch.view_as_real(error * root)], [torch.view_as_real(truth * root)])


def _ratio(errors: list[Tensor], truths: list[Tensor]) -> Tensor:
    """Norm of the errors over norm of the truths, sample by sample; smooth down to no error at all."""
    above = torch.cat([e.flatten(1) for e in errors], dim=1)
    below = torch.cat([t.flatten(1) for t in truths], dim=1)
    scale = torch.linalg.vector_norm(below, dim=1).clamp(min=torch.finfo(below.dtype).tiny)
    ratio: Tensor = torch.linalg.vector_norm(above, dim=1) / scale  # a norm whose gradient at zero is zero
    return ratio


def _inside(values: Tensor, mask: Tensor | None) -> Tensor:
    return values if mask is None else torch.where(mask.unsqueeze(1), values, 0.0)


def _difference(values: Tensor, axis: int, periodic: bool) -> Tensor:
    return values.roll(-1, axis) - values if periodic else values.diff(dim=axis)


def _pairs(mask: Tensor, axis: int, periodic: bool) -> Tensor:
    n = mask.shape[axis]
    return mask & mask.roll(-1, axis) if periodic else mask.narrow(axis, 0, n - 1) & mask.narrow(axis, 1, n - 1)


def _by_axis(given: Value | Sequence[Value], dim: int, name: str) -> tuple[Value, ...]:
    values = tuple(given) if isinstance(given, Sequence) else (given,) * dim
    if len(values) != dim:
        raise DomainError(f"{name} has {len(values)} values for {dim} axes; give one number, or one for each axis")
    return values


def _check_spacing(steps: Sequence[float | int]) -> None:
    if not all(dx > 0 for dx in steps):
        raise DomainError(f"spacing is {steps}; give the distance of neighbouring points, above zero")


def _without_geometry(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @wraps(loss)
    def called(
        predicted: Tensor,
        target: Tensor,
        mask: Tensor | None = None,
        *,
        spacing: object = None,
        periodic: object = None,
    ) -> Tensor:
        return loss(predicted, target, mask)

    return called


# Called alike: loss(predicted, target, mask, spacing=..., periodic=...); those without a gradient ignore the last two.
LOSSES: dict[str, Callable[..., Tensor]] = {
    "mean_squared": _without_geometry(mean_squared),
    "relative_l2": _without_geometry(relative_l2),
    "relative_h1": relative_h1,
}
