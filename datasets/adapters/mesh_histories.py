"""Histories of meshes in files: numbered files, a frame each, and XDMF collections in time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import meshio
import numpy as np

from surrogates.datasets.adapters.door import door, refuse_entities
from surrogates.datasets.adapters.mesh_files import confined, read_mesh, sample_of_meshio
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.physics.errors import DomainError, FileError

_TIME = "TimeValue"
_LAST_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$")


def by_history(files: Sequence[Path]) -> dict[Path, list[tuple[int, Path]]]:
    """Files that differ in the last number of their names only, in its order, with it; by a path for them all."""
    found: dict[Path, list[tuple[int, Path]]] = {}
    for file in files:
        match = _LAST_NUMBER.match(file.stem)
        if match is None:
            found.setdefault(file, []).append((0, file))
        else:
            head, number, tail = match.groups()
            name = file.with_name(f"{head.rstrip('_-.')}{tail}{file.suffix}")
            found.setdefault(name, []).append((int(number), file))
    return {name: sorted(frames) for name, frames in found.items()}


def read_numbered(
    frames: Sequence[tuple[int, Path]], spacing: float, read: Callable[[Path], MeshSample] = read_mesh
) -> MeshSample:
    """One mesh whose fields are in numbered files, `spacing` of time from one number to the next.

    Files that tell their "TimeValue", as ParaView's do, are believed instead. Raises DomainError where a number is
    missing or twice, or where mesh or fields differ; FileError.
    """
    numbers = np.array([n for n, _ in frames])
    steps = np.diff(numbers)
    if len(steps) and (steps != steps[0]).any():
        wrong = int(np.flatnonzero(steps != steps[0])[0])
        raise DomainError(
            f"has frames numbered {numbers[wrong]} and {numbers[wrong + 1]} where others are {steps[0]} apart: one is "
            "missing or twice"
        )
    samples = [read(path) for _, path in frames]
    times = (numbers - numbers[0]) * spacing
    if all(_TIME in s.parameters for s in samples):
        times = np.array([s.parameters[_TIME] for s in samples])
    rest = {k: v for k, v in samples[0].parameters.items() if k != _TIME}
    return stacked([replace(s, parameters=rest) for s in samples], times, [path.name for _, path in frames])


def stacked(samples: Sequence[MeshSample], times: np.ndarray, names: Sequence[str]) -> MeshSample:
    """One history of samples on one mesh. Raises DomainError where mesh or fields differ, naming the frame."""
    first = samples[0]
    for sample, name in zip(samples, names, strict=True):
        same = sample.points.shape == first.points.shape and sample.cells.keys() == first.cells.keys()
        if not same or any(not np.array_equal(sample.cells[k], c) for k, c in first.cells.items()):
            raise DomainError(f"has another mesh in {name} than in {names[0]}")
        if not np.array_equal(sample.points, first.points):
            raise DomainError(
                f"moves from {names[0]} to {name}; write the points at rest and the displacement as a field"
            )
        shapes = {k: v.shape for k, v in sample.fields.items()}
        if shapes != {k: v.shape for k, v in first.fields.items()}:
            raise DomainError(f"has the fields {', '.join(shapes) or 'none'} in {name}, others than in {names[0]}")
    fields = {name: np.stack([s.fields[name] for s in samples]) for name in first.fields}
    return replace(first, fields=fields, times=np.asarray(times, dtype=np.float64))


def is_history(path: Path) -> bool:
    """Whether an XDMF file holds a collection in time. Raises FileError."""
    if path.suffix.lower() != ".xdmf":
        return False
    refuse_entities(path)
    with door(path, reader="xdmf"):
        return any(g.get("CollectionType") == "Temporal" for g in ET.parse(path).iter("Grid"))


def read_collection(path: Path, *, dim: int | None = None) -> MeshSample:
    """The history in an XDMF collection in time. Raises FileError, DomainError where frames differ."""
    confined(path)
    with door(path, reader="xdmf"), meshio.xdmf.TimeSeriesReader(path) as reader:
        points, cells = reader.read_points_cells()
        frames, times = [], []
        for k in range(reader.num_steps):
            time, point_data, cell_data = reader.read_data(k)
            frames.append(meshio.Mesh(points, cells, point_data=point_data, cell_data=cell_data))
            times.append(float(k if time is None else time))
    if not frames:
        raise FileError(f"{path}: a collection in time without frames")
    order = np.argsort(times, kind="stable")
    samples = [sample_of_meshio(frames[k], dim) for k in order]
    return stacked(samples, np.array(times)[order], [f"frame {k}" for k in order])
