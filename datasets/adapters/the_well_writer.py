"""Trajectories written in The Well's layout, one after the other, so that they need not fit into memory.

Layout as in docs/data_format.md of PolymathicAI/the_well; a file opens in the_well's own reader. Beyond it: numbers
stay float64 where they were, every piece of a field carries HDF5's checksum, the header proves the file whole, and the
group "surrogates" holds provenance, units, statistics and groups.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from surrogates.datasets.adapters.the_well import GROUPS, OURS
from surrogates.datasets.adapters.whole_files import written_whole
from surrogates.datasets.field_parts.moments import Moments, moments_of
from surrogates.datasets.shard import BLOCK
from surrogates.datasets.trajectory import Trajectory
from surrogates.physics.errors import DomainError

PIECE = 2**20  # bytes that are stored, checked and read together
AXES = ("x", "y", "z")
_TEXT = h5py.string_dtype()


@dataclass(frozen=True)
class About:
    """What is stored beside the numbers.

    Args:
        provenance, units: of the data set. shared: constants (and "mask") that are one for all trajectories.
    """

    provenance: Mapping[str, Any]
    units: Mapping[str, str]
    shared: frozenset[str] = frozenset()


def write_well(path: Path, trajectories: Iterable[Trajectory], count: int, about: About) -> dict[str, Moments]:
    """Write `count` trajectories of one layout to `path`, and return their moments. Raises FileError, DomainError."""
    rows = iter(trajectories)
    first = next(rows)
    if "mask" in (*first.fields, *first.constants, *first.parameters) and first.mask is not None:
        raise DomainError('a field called "mask" beside a mask cannot be stored; call it otherwise')
    if {"time", *AXES} & set(first.parameters):
        raise DomainError("a parameter called time, x, y or z cannot be stored; call it otherwise")
    with written_whole(path) as temporary, h5py.File(temporary, "w", userblock_size=BLOCK) as file:
        columns = _Columns(file, first, count, about)
        statistics: dict[str, Moments] = {}
        for row, t in enumerate(_all(first, rows)):
            columns.put(row, t)
            for name, own in moments_of([t]).items():
                statistics[name] = statistics[name].joined(own) if name in statistics else own
        columns.close(statistics)
    return statistics


def _all(first: Trajectory, rest: Iterable[Trajectory]) -> Iterable[Trajectory]:
    yield first
    yield from rest


class _Columns:
    """The datasets of an open file, filled row by row."""

    def __init__(self, file: h5py.File, like: Trajectory, count: int, about: About) -> None:
        self.file, self.like, self.count, self.about = file, like, count, about
        self.numbers = {k: np.zeros(count) for k in like.parameters}
        self.times = np.zeros((count, len(like.times)))
        self.groups: list[str] = []
        self.places = {k: self._dataset(k, v, time=True) for k, v in like.fields.items()}
        self.places |= {k: self._dataset(k, v, time=False) for k, v in like.constants.items()}
        if like.mask is not None:
            self.places["mask"] = self._dataset("mask", like.mask.astype("f4"), time=False)
        for group in GROUPS:
            self._names(
                file.require_group(group), [k for k in self.places if self.places[k].parent.name == f"/{group}"]
            )

    def put(self, row: int, t: Trajectory) -> None:
        given: dict[str, Any] = {**t.fields, **t.constants} | ({} if t.mask is None else {"mask": t.mask})
        for name, dataset in self.places.items():
            if name not in self.about.shared:
                dataset[row] = np.asarray(given[name])
            elif row == 0:
                dataset[...] = np.asarray(given[name])
        for name, value in t.parameters.items():
            self.numbers[name][row] = value
        self.times[row] = t.times
        self.groups.append(t.group)

    def close(self, statistics: Mapping[str, Moments]) -> None:
        """Write what is known only after the last row."""
        file, like = self.file, self.like
        file.attrs["dataset_name"] = str(self.about.provenance.get("name", "surrogates"))
        file.attrs["grid_type"] = "cartesian"
        file.attrs["n_spatial_dims"], file.attrs["n_trajectories"] = like.dim, self.count
        self._dimensions()
        self._boundaries()
        self._scalars()
        info: dict[str, Any] = {"provenance": dict(self.about.provenance), "units": dict(self.about.units)}
        info |= {"statistics": {k: m.plain() for k, m in statistics.items()}, "mask": like.mask is not None}
        if any(self.groups):
            info["groups"] = self.groups
        file.create_group(OURS).create_dataset("info", data=json.dumps(info), dtype=_TEXT)

    def _dataset(self, name: str, like: Any, *, time: bool) -> h5py.Dataset:
        shape, dim = np.shape(like), self.like.dim
        rank = len(shape) - dim - int(time)
        if rank >= len(GROUPS):
            raise DomainError(
                f"{name} is a tensor of rank {rank}; The Well's layout holds ranks 0 to {len(GROUPS) - 1}"
            )
        sample = name not in self.about.shared
        full = (self.count,) * sample + shape
        kind = np.dtype(like.dtype)
        frames = max(1, min(shape[0], PIECE // max(1, int(np.prod(shape[1:])) * kind.itemsize))) if time else 1
        piece = (1,) * sample + ((frames,) if time else ()) + shape[int(time) :]
        group = self.file.require_group(GROUPS[rank])
        made = group.create_dataset(name, full, kind, chunks=piece, fletcher32=True)
        made.attrs["sample_varying"], made.attrs["time_varying"] = sample, time
        made.attrs["dim_varying"] = [True] * dim
        if rank == 2:
            made.attrs["symmetric"] = made.attrs["antisymmetric"] = False
        if unit := self.about.units.get(name):
            made.attrs["units"] = unit
        return made

    def _dimensions(self) -> None:
        group = self.file.create_group("dimensions")
        self._names(group, list(AXES[: self.like.dim]), "spatial_dims")
        alike = bool((self.times == self.times[0]).all())
        time = group.create_dataset("time", data=self.times[0] if alike else self.times)
        time.attrs["sample_varying"] = not alike
        for name, axis in zip(AXES, self.like.axes, strict=False):
            made = group.create_dataset(name, data=axis)
            made.attrs["sample_varying"] = made.attrs["time_varying"] = False

    def _boundaries(self) -> None:
        group = self.file.create_group("boundary_conditions")
        for name, axis, closed in zip(AXES, self.like.axes, self.like.periodic, strict=False):
            made = group.create_group(f"{name}_{'periodic' if closed else 'wall'}")
            self._names(made, [name], "associated_dims")
            self._names(made, [], "associated_fields")
            made.attrs["bc_type"] = "PERIODIC" if closed else "WALL"
            made.attrs["sample_varying"] = made.attrs["time_varying"] = False
            mask = np.zeros(len(axis), bool)
            mask[[0, -1]] = True
            made.create_dataset("mask", data=mask)
            made.create_dataset("values", data=np.zeros(int(mask.sum()), "f4"))

    def _scalars(self) -> None:
        group = self.file.create_group("scalars")
        self._names(group, list(self.numbers))
        fixed = {k: v[0] for k, v in self.numbers.items() if (v == v[0]).all()}
        for name, values in self.numbers.items():
            made = group.create_dataset(name, data=fixed.get(name, values))
            made.attrs["sample_varying"], made.attrs["time_varying"] = name not in fixed, False
            if unit := self.about.units.get(name):
                made.attrs["units"] = unit
        self._names(self.file, list(fixed), "simulation_parameters")
        for name, value in fixed.items():
            self.file.attrs[name] = value

    @staticmethod
    def _names(group: h5py.Group, names: list[str], attribute: str = "field_names") -> None:
        group.attrs.create(attribute, np.array(names, dtype=object), shape=(len(names),), dtype=_TEXT)
