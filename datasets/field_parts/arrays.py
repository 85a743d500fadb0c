"""A user's arrays as one part of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surrogates.datasets.field_parts.checks import as_floats, check_axes, check_field, check_names, check_times
from surrogates.datasets.field_parts.memory import InMemory
from surrogates.physics.errors import DomainError


def part_of_arrays(
    fields: Mapping[str, Any],
    times: Any,
    axes: Sequence[Any] | None,
    periodic: bool | Sequence[bool],
    parameters: Mapping[str, Any],
    constants: Mapping[str, Any],
    mask: Any,
) -> InMemory:
    """See `Fields.from_arrays`."""
    check_names(fields, constants, parameters, "arrays")
    arrays = {k: as_floats(v, k) for k, v in fields.items()}
    lowest = min(arrays, key=lambda k: arrays[k].ndim)
    given = arrays[lowest].shape
    if len(given) < 3:
        raise DomainError(
            f"{lowest} has shape {given}; (samples, frames, *space, *components) is expected; a field without "
            "evolution has one frame, u[:, None]"
        )
    if axes is None:
        axes = [np.arange(n) / n for n in given[2:]]
    coordinates = check_axes(axes)
    space = tuple(len(axis) for axis in coordinates)
    for name, array in arrays.items():
        check_field(name, array.shape, given[:2], space, "arrays")
    n, frames = given[:2]
    if n == 0:
        raise DomainError("a data set needs at least one trajectory; the arrays have none")
    return InMemory(
        arrays,
        times=_times(times, n, frames),
        axes=coordinates,
        periodic=(periodic,) * len(space) if isinstance(periodic, bool) else _periodic(periodic, len(space)),
        parameters={k: _numbers(v, k, n) for k, v in parameters.items()},
        constants={k: _without_time(as_floats(v, k), k, n, space) for k, v in constants.items()},
        mask=None if mask is None else _mask(mask, n, space),
        groups=[""] * n,
    )


def _times(times: Any, n: int, frames: int) -> np.ndarray:
    made = check_times(np.arange(frames, dtype=float) if times is None else times)
    made = made[None] if made.ndim == 1 else made
    if made.shape[1] != frames or len(made) not in (1, n):
        raise DomainError(f"{made.shape[-1]} times for {frames} frames; give one number a frame")
    return made


def _periodic(periodic: Sequence[bool], dim: int) -> tuple[bool, ...]:
    if len(periodic) != dim:
        raise DomainError(f"periodic={tuple(periodic)} for {dim} axes of space; give one True or False an axis")
    return tuple(bool(p) for p in periodic)


def _numbers(given: Any, name: str, n: int) -> np.ndarray:
    made = np.asarray(given, dtype=float)
    if made.shape not in ((), (n,), (n, 1)):
        raise DomainError(f"parameter {name} has shape {made.shape}; give one number, or one for each of {n} samples")
    return np.broadcast_to(made.reshape(-1) if made.ndim else made, (n,)).copy()


def _without_time(array: np.ndarray, name: str, n: int, space: tuple[int, ...]) -> np.ndarray:
    """(n or 1, *space, *components), whichever of the two forms was given."""
    dim = len(space)
    each = array.shape[: 1 + dim] == (n, *space) and all(m == dim for m in array.shape[1 + dim :])
    if not each:
        check_field(name, array.shape, (), space, "arrays")
    return array if each else array[None]


def _mask(mask: Any, n: int, space: tuple[int, ...]) -> np.ndarray:
    made = np.asarray(mask)
    if made.shape not in (space, (n, *space)) or not (made.dtype == bool or np.isin(made, (0, 1)).all()):
        raise DomainError(
            f"mask of shape {made.shape} and type {made.dtype}; give True and False at {space} grid points, or at "
            f"{(n, *space)} for a mask a sample"
        )
    made = made.astype(bool)
    made = made[None] if made.shape == space else made
    if not made.reshape(len(made), -1).any(axis=1).all():
        raise DomainError("a mask without any point inside; True means inside the domain")
    return made
