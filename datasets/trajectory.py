"""One solution of a field equation with its parameters, as numpy arrays: what a data set of fields hands out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from surrogates.datasets.stored_array import StoredArray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Fields on one uniform grid over time; the rank of a field is the number of its trailing component axes.

    Args:
        fields: by name, each (times, *space, *components); every component axis is as long as space has dimensions.
            Long ones in files are `StoredArray`s, which act as arrays and read the frames that are asked for.
        times: of the frames.
        axes: coordinates of the grid points along each axis of space.
        periodic: whether each axis closes on itself (its right end is then omitted).
        parameters: numbers that belong to the whole trajectory, such as a viscosity.
        constants: fields without time, (*space, *components): a permeability, a forcing.
        mask: True at the points inside the domain; None where all are.
        group: trajectories of one non-empty group stay in one part of a split.
        row: where it stands in the collection that it came from; -1 for one on its own.
    """

    fields: Mapping[str, np.ndarray | StoredArray]
    times: Float[np.ndarray, "times"]
    axes: tuple[np.ndarray, ...]
    periodic: tuple[bool, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    mask: Bool[np.ndarray, "*space"] | None = None
    group: str = ""
    row: int = -1

    def __len__(self) -> int:
        return len(self.times)

    @property
    def dim(self) -> int:
        """Dimensions of space."""
        return len(self.axes)

    @property
    def space(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(axis) for axis in self.axes)

    def rank(self, name: str) -> int:
        """0 for a scalar, 1 for a vector, 2 for a tensor; of a field with time or without."""
        if name in self.fields:
            return self.fields[name].ndim - 1 - self.dim
        return self.constants[name].ndim - self.dim
