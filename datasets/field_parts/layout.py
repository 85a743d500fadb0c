"""What all trajectories of a data set share, and what a part of a data set can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from surrogates.datasets.trajectory import Trajectory
from surrogates.physics.errors import DomainError


@dataclass(frozen=True, eq=False)
class FieldLayout:
    """Names, ranks and grid.

    Args:
        fields, constants: rank by name, with time and without. frames: in each trajectory.
        axes: coordinates along each axis of space. periodic: which of them close on themselves.
        parameters: names of the numbers that each trajectory has. masked: whether there is a mask.
    """

    fields: Mapping[str, int]
    constants: Mapping[str, int]
    frames: int
    axes: tuple[np.ndarray, ...]
    periodic: tuple[bool, ...]
    parameters: tuple[str, ...]
    masked: bool

    @property
    def space(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def dim(self) -> int:
        return len(self.axes)

    def components(self, name: str) -> tuple[int, ...]:
        """Component axes of a field."""
        return (self.dim,) * {**self.constants, **self.fields}[name]

    def difference(self, other: FieldLayout) -> str:
        """The first thing in which another layout differs, as text; empty where none does."""
        pairs: list[tuple[str, Any, Any]] = [
            ("fields (name: rank)", dict(sorted(self.fields.items())), dict(sorted(other.fields.items()))),
            ("constants (name: rank)", dict(sorted(self.constants.items())), dict(sorted(other.constants.items()))),
            ("points of the grid", self.space, other.space),
            ("frames", self.frames, other.frames),
            ("periodic axes", self.periodic, other.periodic),
            ("parameters", sorted(self.parameters), sorted(other.parameters)),
            ("masks", self.masked, other.masked),
        ]
        for what, a, b in pairs:
            if a != b:
                return f"{what} {a} and {b}"
        for k, (a, b) in enumerate(zip(self.axes, other.axes, strict=True)):
            if not np.allclose(a, b, rtol=0, atol=1e-5 * max(np.ptp(a), np.ptp(b), 1e-30)):
                return f"coordinates of axis {k} ({a[0]:g} to {a[-1]:g} and {b[0]:g} to {b[-1]:g})"
        return ""


@runtime_checkable
class FieldPart(Protocol):
    """A fixed sequence of trajectories of one layout; picklable."""

    @property
    def layout(self) -> FieldLayout: ...

    def __len__(self) -> int: ...

    def trajectory(self, row: int) -> Trajectory:
        """One trajectory, its fields finite (DomainError otherwise, or when a stored one is looked at)."""
        ...

    def parameters(self, row: int) -> Mapping[str, float]:
        """Its numbers, read without its fields."""
        ...

    @property
    def shared(self) -> frozenset[str]:
        """Constants, and "mask", that are one array for all rows."""
        ...

    @property
    def statistics(self) -> Mapping[str, Any] | None:
        """Moments stored with the part, see `Moments`; None where there are none."""
        ...


def relaid(part: FieldPart, layout: FieldLayout) -> FieldPart:
    """The same part with another layout."""
    made = copy(part)
    object.__setattr__(made, "layout", layout)
    return made


def joined_layout(parts: Sequence[FieldPart], names: Sequence[str]) -> FieldLayout:
    """The one layout of all parts. Raises DomainError, which names the two parts that differ and in what."""
    first = parts[0].layout
    for part, name in zip(parts[1:], names[1:], strict=True):
        if difference := first.difference(part.layout):
            raise DomainError(
                f"{names[0]} and {name} differ in {difference}; one data set has one kind of trajectory, so read "
                "them as two"
            )
    return first


def require_finite(array: np.ndarray, name: str, where: str, times: np.ndarray | None, first: int = 0) -> None:
    """Raise DomainError where a field is not finite; `where` names the sample, `times` and `first` tell the frame."""
    if np.isfinite(array).all():
        return
    if times is None:
        raise DomainError(f"{name} of {where} has a value that is not finite; repair it or leave this sample out")
    k = int(np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))[0])
    raise DomainError(
        f"{name} of {where} has a value that is not finite at time {times[first + k]:g} (frame {first + k}); repair "
        "it or leave this sample out"
    )
