"""The Well's files: HDF5 with tensor ranks, constant fields, scalars and boundary conditions, read lazily.

Paper: The Well: a Large-Scale Collection of Diverse Physics Simulations for Machine Learning (arXiv:2412.00568).
Checked against docs/data_format.md and the reader in the_well/data/datasets.py of PolymathicAI/the_well: groups
t0_fields, t1_fields, t2_fields with `field_names`; `sample_varying`, `time_varying`, `dim_varying` of each field (the
axes left out may be stored with length 1 or not at all, tensors as D x D or D^2); dimensions with `spatial_dims`;
boundary_conditions with `bc_type` and `associated_dims`; scalars; root attributes and `simulation_parameters`.

A scalar that varies in time becomes a field that is constant in space. What surrogates adds lies in the group
"surrogates" and in the attribute `units` of a field, which other readers pass over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from surrogates.datasets.adapters.door import open_hdf5
from surrogates.datasets.adapters.stored_fields import Source, StoredPart, texts
from surrogates.datasets.field_parts.checks import check_axes, check_times
from surrogates.datasets.field_parts.layout import FieldLayout
from surrogates.datasets.field_parts.moments import Moments
from surrogates.physics.errors import DomainError, FileError

OURS = "surrogates"  # the group with what surrogates adds
GROUPS = ("t0_fields", "t1_fields", "t2_fields")
GRIDS = ("cartesian",)


def is_well(file: h5py.File) -> bool:
    """Whether an HDF5 file has The Well's layout."""
    return "dimensions" in file and any(group in file for group in GROUPS)


def open_well(path: Path) -> tuple[StoredPart, dict[str, Any], dict[str, str]]:
    """The file's trajectories, its provenance and its units. Raises FileError, DomainError."""
    with open_hdf5(path) as file:
        if not is_well(file):
            raise FileError(f"{path}: has not The Well's layout (dimensions, t0_fields ...), but {', '.join(file)}")
        try:
            return _read(path, file)
        except DomainError as error:
            raise DomainError(f"{path}: {error}") from None
        except KeyError as error:
            raise FileError(
                f"{path}: The Well's layout lacks {error.args[0] if error.args else error}; the file is incomplete"
            ) from error


def _read(path: Path, file: h5py.File) -> tuple[StoredPart, dict[str, Any], dict[str, str]]:
    kind = str(file.attrs.get("grid_type", "cartesian"))
    if kind not in GRIDS:
        raise FileError(
            f"{path}: its grid is {kind}; operators here need a uniform cartesian grid, so interpolate to one"
        )
    names = texts(file["dimensions"].attrs["spatial_dims"])
    axes = check_axes([_coordinates(file["dimensions"][name], path) for name in names])
    rows, frames = int(file.attrs["n_trajectories"]), file["dimensions"]["time"].shape[-1]
    times = check_times(file["dimensions"]["time"][()])
    ours = json.loads(file[OURS]["info"][()]) if OURS in file else {}
    sources, fields, constants = _fields(path, file, len(axes))
    numbers = _scalars(file, rows, sources, fields, len(axes))
    masked = bool(ours.get("mask")) and constants.pop("mask", None) is not None
    for dataset in (file[p] for s in sources.values() for p in s.paths if s.sample):
        if dataset.shape[0] != rows:
            raise FileError(f"{path}: {dataset.name} has {dataset.shape[0]} samples, n_trajectories is {rows}")
    layout = FieldLayout(
        fields=fields,
        constants=constants,
        frames=frames,
        axes=axes,
        periodic=_periodic(file, names),
        parameters=tuple(numbers),
        masked=masked,
    )
    _check_shapes(path, file, sources, layout)
    stored = {k: Moments.restored(v) for k, v in ours["statistics"].items()} if "statistics" in ours else None
    part = StoredPart(
        path=path,
        layout=layout,
        sources=sources,
        rows=rows,
        times=times[None] if times.ndim == 1 else times,
        numbers=numbers,
        groups=tuple(ours.get("groups", ())),
        stored=stored,
    )
    name = str(file.attrs.get("dataset_name", path.stem))
    provenance = ours.get("provenance") or {"description": f"{path.name}: {rows} trajectories of {name} (The Well)"}
    return part, provenance, dict(ours.get("units", {}))


def _coordinates(dataset: h5py.Dataset, path: Path) -> np.ndarray:
    values = np.asarray(dataset[()])
    if values.ndim == 2 and np.ptp(values, axis=0).max() == 0:  # said to vary from sample to sample, and does not
        values = values[0]
    if values.ndim != 1:
        raise FileError(
            f"{path}: {dataset.name} has shape {values.shape}; grids that differ from sample to sample or "
            "move in time are not read, so interpolate to one grid"
        )
    return values


def _fields(path: Path, file: h5py.File, dim: int) -> tuple[dict[str, Source], dict[str, int], dict[str, int]]:
    sources: dict[str, Source] = {}
    fields: dict[str, int] = {}
    constants: dict[str, int] = {}
    for rank, group in enumerate(GROUPS):
        for name in texts(file[group].attrs.get("field_names", [])) if group in file else ():
            if name in sources:
                raise FileError(f"{path}: {name} stands in two groups of fields; give the fields different names")
            dataset = file[group][name]
            sample, time = (bool(dataset.attrs.get(key, True)) for key in ("sample_varying", "time_varying"))
            varying = tuple(bool(v) for v in dataset.attrs.get("dim_varying", [True] * dim))
            sources[name] = Source((f"{group}/{name}",), rank, sample, time, varying)
            (fields if time else constants)[name] = rank
    return sources, fields, constants


def _scalars(
    file: h5py.File, rows: int, sources: dict[str, Source], fields: dict[str, int], dim: int
) -> dict[str, np.ndarray]:
    """Parameters of each trajectory; scalars that vary in time are added to the fields."""
    numbers: dict[str, np.ndarray] = {}
    for name in texts(file.attrs.get("simulation_parameters", [])):
        if name in file.attrs and np.ndim(file.attrs[name]) == 0 and np.asarray(file.attrs[name]).dtype.kind in "fiub":
            numbers[name] = np.full(rows, float(file.attrs[name]))
    for name in texts(file["scalars"].attrs.get("field_names", [])) if "scalars" in file else ():
        dataset = file["scalars"][name]
        sample = bool(dataset.attrs.get("sample_varying", False))
        if bool(dataset.attrs.get("time_varying", False)):
            sources[name] = Source((f"scalars/{name}",), 0, sample, True, (False,) * dim)
            fields[name] = 0
            continue
        values = np.asarray(dataset[()], dtype=float).reshape(-1)
        if len(values) == (rows if sample else 1):
            numbers[name] = np.broadcast_to(values, (rows,)).copy()
    return {k: v for k, v in numbers.items() if k not in sources}


def _periodic(file: h5py.File, names: list[str]) -> tuple[bool, ...]:
    closed = set()
    for boundary in file.get("boundary_conditions", {}).values():
        if str(_text(boundary.attrs.get("bc_type", ""))).upper() == "PERIODIC":
            closed.update(texts(boundary.attrs.get("associated_dims", [])))
    return tuple(name in closed for name in names)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _check_shapes(path: Path, file: h5py.File, sources: Mapping[str, Source], layout: FieldLayout) -> None:
    for name, source in sources.items():
        shape = file[source.paths[0]].shape
        lead = (file.attrs["n_trajectories"],) * source.sample + (layout.frames,) * source.time
        full = tuple(n for n, v in zip(layout.space, source.varying, strict=True) if v)
        ones = tuple(n if v else 1 for n, v in zip(layout.space, source.varying, strict=True))
        ends = {(layout.dim,) * source.rank, (layout.dim**source.rank,) * (source.rank > 1)}
        if shape not in {(*lead, *space, *end) for space in (full, ones) for end in ends}:
            raise FileError(
                f"{path}: {name} has shape {shape}, but samples, frames, points and components make "
                f"{(*lead, *full, *(layout.dim,) * source.rank)}; the file is damaged or not in The Well's layout"
            )
