"""Shapes of fields, checked where data come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surrogates.datasets.trajectory import Trajectory
from surrogates.physics.errors import DomainError

RANKS = 3  # scalars, vectors, matrices, and what third derivatives make


def check_trajectory(t: Trajectory, where: str) -> None:
    """Raise DomainError where names, shapes or types of a trajectory do not fit together."""
    dim, frames = len(t.axes), len(t.times)
    if len(t.periodic) != dim:
        raise DomainError(f"{where}: {dim} axes, but periodic={t.periodic}; give one True or False an axis")
    for name, array in t.fields.items():
        check_field(name, np.shape(array), (frames,), t.space, where)
    for name, array in t.constants.items():
        check_field(name, np.shape(array), (), t.space, where)
    if t.mask is not None and np.shape(t.mask) != t.space:
        raise DomainError(f"{where}: the mask has shape {np.shape(t.mask)}, the grid {t.space}")
    check_names(t.fields, t.constants, t.parameters, where)


def check_names(fields: Mapping[str, Any], constants: Mapping[str, Any], parameters: Mapping[str, Any], where: str):
    """Raise DomainError without any field, or where a name is empty, has a slash, or means two things."""
    names = [*fields, *constants, *parameters]
    if not fields:
        raise DomainError(f"{where}: there is no field with time; one without an evolution has one frame, u[:, None]")
    for name in names:
        if not name or "/" in name or "[" in name or name != name.strip():
            raise DomainError(f"{where}: {name!r} is no name of a field; leave away slashes, brackets and blanks")
        if names.count(name) > 1:
            raise DomainError(f"{where}: {name!r} is the name of two things; call one of them otherwise")


def check_field(name: str, shape: tuple[int, ...], leading: tuple[int, ...], space: tuple[int, ...], where: str) -> int:
    """The rank of a field of this shape: (*leading, *space, *components). Raises DomainError."""
    dim, start = len(space), len(leading)
    rank = len(shape) - start - dim
    expected = (*leading, *space)
    if rank < 0 or shape[: start + dim] != expected:
        what = "(samples, frames, *space" if start == 2 else "(frames, *space" if start == 1 else "(*space"
        hint = "; a field without evolution has one frame, u[:, None]" if start == 2 and rank == -1 else ""
        raise DomainError(
            f"{where}: {name} has shape {shape}; {what}, *components) = {expected} is expected, then one axis of "
            f"length {dim} for each rank{hint}"
        )
    if any(n != dim for n in shape[start + dim :]) or rank > RANKS:
        raise DomainError(
            f"{where}: {name} has component axes {shape[start + dim :]}, but space has {dim} dimensions; a vector has "
            f"one axis of length {dim}, a matrix two. Several scalars are several fields"
        )
    return rank


def check_axes(axes: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """Coordinates as float64 arrays. Raises DomainError where they are not finite, rising and evenly spaced."""
    made = tuple(np.asarray(axis, dtype=float) for axis in axes)
    for k, axis in enumerate(made):
        if axis.ndim != 1 or not len(axis) or not np.isfinite(axis).all():
            raise DomainError(f"axis {k}: coordinates of shape {axis.shape}; give a list of finite numbers")
        steps = np.diff(axis)
        if len(steps) and (steps.min() <= 0 or np.ptp(steps) > 1e-3 * steps.mean() + 4e-7 * np.abs(axis).max()):
            raise DomainError(
                f"axis {k}: coordinates from {axis[0]:g} to {axis[-1]:g} with steps of {steps.min():g} to "
                f"{steps.max():g}; the grid must be uniform, so interpolate to one"
            )
    return made


def check_times(times: Any) -> np.ndarray:
    """Times as a float64 array. Raises DomainError where they do not rise."""
    made = np.asarray(times, dtype=float)
    if made.ndim not in (1, 2) or not made.size or not np.isfinite(made).all():
        raise DomainError(f"times of shape {made.shape}; give one finite number a frame")
    if (np.diff(made, axis=-1) <= 0).any():
        raise DomainError(f"times {made.ravel()[:4]} ... do not rise; sort the frames by time")
    return made


def as_floats(array: Any, name: str) -> np.ndarray:
    """float32 and float64 as they are, other numbers as float64. Raises DomainError for what is no number."""
    made = np.asarray(array)
    if made.dtype in (np.float32, np.float64):
        return made
    if made.dtype.kind not in "fiub":
        raise DomainError(f"{name} has values of type {made.dtype}; give real numbers (a complex field is two)")
    return made.astype(np.float64)
