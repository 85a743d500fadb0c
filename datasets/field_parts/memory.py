"""Trajectories in memory, as one array a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surrogates.datasets.field_parts.layout import FieldLayout, require_finite
from surrogates.datasets.trajectory import Trajectory
from surrogates.physics.errors import DomainError


class InMemory:
    """Checked arrays; rows are views of them.

    Args:
        fields: by name (n, frames, *space, *components). constants: by name (n or 1, *space, *components).
        times: (n or 1, frames). parameters: by name (n,). mask: (n or 1, *space) or None. groups: n names.
    """

    def __init__(
        self,
        fields: Mapping[str, np.ndarray],
        *,
        times: np.ndarray,
        axes: Sequence[np.ndarray],
        periodic: Sequence[bool],
        parameters: Mapping[str, np.ndarray],
        constants: Mapping[str, np.ndarray],
        mask: np.ndarray | None,
        groups: Sequence[str],
        statistics: Mapping[str, Any] | None = None,
    ) -> None:
        self.fields, self.constants = _read_only(fields), _read_only(constants)
        self.times, self.mask, self.groups = times, mask, list(groups)
        self.numbers = dict(parameters)
        self.statistics = statistics
        dim = len(axes)
        self.layout = FieldLayout(
            fields={k: v.ndim - 2 - dim for k, v in self.fields.items()},
            constants={k: v.ndim - 1 - dim for k, v in self.constants.items()},
            frames=times.shape[1],
            axes=tuple(axes),
            periodic=tuple(bool(p) for p in periodic),
            parameters=tuple(self.numbers),
            masked=mask is not None,
        )
        self._check()

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def shared(self) -> frozenset[str]:
        """Constants, and "mask", that are one array for all rows."""
        arrays = {**self.constants} | ({} if self.mask is None else {"mask": self.mask})
        return frozenset(k for k, v in arrays.items() if len(v) == 1)

    def trajectory(self, row: int) -> Trajectory:
        return Trajectory(
            fields={k: v[row] for k, v in self.fields.items()},
            times=_of(self.times, row),
            axes=self.layout.axes,
            periodic=self.layout.periodic,
            parameters=self.parameters(row),
            constants={k: _of(v, row) for k, v in self.constants.items()},
            mask=None if self.mask is None else _of(self.mask, row),
            group=self.groups[row],
            row=row,
        )

    def parameters(self, row: int) -> dict[str, float]:
        return {k: float(v[row]) for k, v in self.numbers.items()}

    def _check(self) -> None:
        for name, array in self.fields.items():
            for row in range(len(self)) if not np.isfinite(array).all() else ():
                require_finite(array[row], name, f"sample {row}", _of(self.times, row))
        for name, array in self.constants.items():
            for row in range(len(array)) if not np.isfinite(array).all() else ():
                require_finite(array[row], name, f"sample {row}" if len(array) > 1 else "the data", None)
        for name, numbers in self.numbers.items():
            if not np.isfinite(numbers).all():
                row = int(np.flatnonzero(~np.isfinite(numbers))[0])
                raise DomainError(f"parameter {name} of sample {row} is not finite ({numbers[row]})")


def stacked(trajectories: Sequence[Trajectory]) -> InMemory:
    """Trajectories as arrays. Raises DomainError where one differs from the first (names, ranks, grid, frames)."""
    if not trajectories:
        raise DomainError("a data set needs at least one trajectory; none was given")
    layouts = [_layout(t) for t in trajectories]
    for k, layout in enumerate(layouts[1:], 1):
        if difference := layouts[0].difference(layout):
            raise DomainError(
                f"trajectories 0 and {k} differ in {difference}; one data set has one kind of trajectory, so make two"
            )
    first, like = trajectories[0], layouts[0]

    def cat(arrays: Sequence[Any]) -> np.ndarray:
        alike = all(a is arrays[0] for a in arrays)
        return np.asarray(arrays[0])[None] if alike else np.stack([np.asarray(a) for a in arrays])

    return InMemory(
        {k: np.stack([np.asarray(t.fields[k]) for t in trajectories]) for k in like.fields},
        times=cat([t.times for t in trajectories]),
        axes=first.axes,
        periodic=first.periodic,
        parameters={k: np.array([t.parameters[k] for t in trajectories], float) for k in like.parameters},
        constants={k: cat([t.constants[k] for t in trajectories]) for k in like.constants},
        mask=cat([t.mask for t in trajectories]) if like.masked else None,
        groups=[t.group for t in trajectories],
    )


def _layout(t: Trajectory) -> FieldLayout:
    dim = len(t.axes)
    return FieldLayout(
        fields={k: v.ndim - 1 - dim for k, v in t.fields.items()},
        constants={k: v.ndim - dim for k, v in t.constants.items()},
        frames=len(t.times),
        axes=t.axes,
        periodic=t.periodic,
        parameters=tuple(t.parameters),
        masked=t.mask is not None,
    )


def _read_only(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Views that cannot be written through; the caller's own arrays stay as they are."""
    views = {k: v.view() for k, v in arrays.items()}
    for view in views.values():
        view.setflags(write=False)
    return views


def _of(array: np.ndarray, row: int) -> np.ndarray:
    return array[row] if len(array) > 1 else array[0]
