"""PDEBench's HDF5 layouts, read lazily.

Paper: PDEBench: An Extensive Benchmark for Scientific Machine Learning (arXiv:2210.07182).
Checked against the programs that write and read them in pdebench/PDEBench (Data_Merge.py, gen_diff_react.py,
data_io.py, models/fno/utils.py). What they call what, and what it is called here:

  one `tensor` (samples, frames, *space), x- to z-coordinate, t-coordinate      -> "u"  (advection, Burgers ...)
  `tensor` (samples, 1, x, y) and `nu` (samples, x, y), no times                -> "u" and the constant "nu"  (Darcy)
  `density`, `pressure`, `Vx`, `Vy`, `Vz` (samples, frames, *space)             -> the same and the vector "velocity"
  groups "0000", "0001" ... with `data` (frames, *space, channels), grid/x, y, t -> "u", "v"  ("h" for shallow water)
  `velocity`, `particles`, `force`, `t` (incompressible Navier-Stokes)          -> the same, "force" a constant

Numbers among the root attributes (beta, Nu, rho, eta, zeta, M) are parameters. t-coordinate may hold the ends of the
last step too; it is cut to the frames. The files do not say where they are periodic: see `guess_periodic`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from surrogates.datasets.adapters.door import open_hdf5
from surrogates.datasets.adapters.stored_fields import Source, StoredPart
from surrogates.datasets.field_parts.checks import check_axes, check_times
from surrogates.datasets.field_parts.layout import FieldLayout
from surrogates.physics.errors import DomainError, FileError

AXES = ("x", "y", "z")
FLOW = ("Vx", "Vy", "Vz")
OPEN = ("trans", "diff-sorp", "diff-react", "diff_sorp", "diff_react", "rdb", "dam", "darcy", "decayflow")
_LAYOUTS = (
    "`tensor` with x-coordinate and t-coordinate; `density`, `pressure`, `Vx` ... with the same; `tensor` and `nu` "
    "with x- and y-coordinate; groups 0000, 0001 ... with `data` and `grid`; `velocity`, `particles`, `force` and `t`"
)


def open_pdebench(path: Path, periodic: bool | Sequence[bool] | None = None) -> tuple[StoredPart, dict[str, Any]]:
    """The file's trajectories and provenance; `periodic` of each axis, guessed where None. Raises FileError."""
    with open_hdf5(path) as file:
        reader = _reader_of(file)
        if reader is None:
            found = ", ".join(f"{k} {v.shape if isinstance(v, h5py.Dataset) else ''}".strip() for k, v in _first(file))
            raise FileError(
                f"{path}: neither The Well's layout (dimensions, t0_fields ...) nor one of PDEBench's ({_LAYOUTS}); it "
                f"holds {found or 'nothing'}"
            )
        try:
            part, closed = reader(path, file)
        except DomainError as error:
            raise DomainError(f"{path}: {error}") from None
    dim = len(part["axes"])
    if periodic is not None:
        closed = (periodic,) * dim if isinstance(periodic, bool) else tuple(bool(p) for p in periodic)
        if len(closed) != dim:
            raise DomainError(f"{path}: periodic={periodic} for {dim} axes of space; give one True or False an axis")
    layout = FieldLayout(
        fields=part["fields"],
        constants=part.get("constants", {}),
        frames=part["times"].shape[1],
        axes=part["axes"],
        periodic=closed,
        parameters=tuple(part["numbers"]),
        masked=False,
    )
    stored = StoredPart(
        path=path,
        layout=layout,
        sources=part["sources"],
        rows=part["rows"],
        times=part["times"],
        numbers=part["numbers"],
        row_names=part.get("row_names", ()),
    )
    _check_shapes(stored)
    said = "periodic" if all(closed) else "walls or open ends"
    return stored, {"description": f"{path.name}: {part['rows']} trajectories (PDEBench), {said}"}


def guess_periodic(path: Path, file: h5py.File, dim: int, usual: bool) -> tuple[bool, ...]:
    """By the file's name (PDEBench writes `periodic` or `trans` into it), else what is usual for the layout."""
    name = path.name.lower()
    closed = usual if "periodic" not in name else True
    return (closed and not any(word in name for word in OPEN),) * dim


def _reader_of(file: h5py.File) -> Any:
    if "tensor" in file:
        return _tensor
    if "density" in file and "Vx" in file:
        return _compressible
    if "velocity" in file and "t" in file:
        return _incompressible
    if len(file) and all(isinstance(v, h5py.Group) and "data" in v for _, v in _first(file)):
        return _numbered
    return None


def _first(file: h5py.File) -> list[tuple[str, Any]]:
    return [(name, file[name]) for name, _ in zip(file, range(12), strict=False)]


def _tensor(path: Path, file: h5py.File) -> tuple[dict[str, Any], tuple[bool, ...]]:
    shape = file["tensor"].shape
    dim = len(shape) - 2
    if not 1 <= dim <= 3:
        raise FileError(f"{path}: tensor has shape {shape}; (samples, frames, *space) is expected")
    darcy = "nu" in file and isinstance(file["nu"], h5py.Dataset) and file["nu"].ndim == dim + 1
    full = (True,) * dim
    part = _shared(path, file, "tensor", dim, steady=darcy)
    part["sources"] = {"u": Source(("tensor",), 0, True, True, full)}
    part["fields"] = {"u": 0}
    if darcy:
        part["sources"]["nu"] = Source(("nu",), 0, True, False, full)
        part["constants"] = {"nu": 0}
        part["numbers"].pop("nu", None)
    return part, guess_periodic(path, file, dim, usual=not darcy)


def _compressible(path: Path, file: h5py.File) -> tuple[dict[str, Any], tuple[bool, ...]]:
    dim = file["density"].ndim - 2
    names = FLOW[:dim]
    if missing := [k for k in ("pressure", *names) if k not in file]:
        raise FileError(f"{path}: has density in {dim} dimensions, but no {' and no '.join(missing)}")
    full = (True,) * dim
    part = _shared(path, file, "density", dim)
    part["sources"] = {k: Source((k,), 0, True, True, full) for k in ("density", "pressure")}
    part["sources"]["velocity"] = Source(names, 1, True, True, full)
    part["fields"] = {"density": 0, "pressure": 0, "velocity": 1}
    return part, guess_periodic(path, file, dim, usual=True)


def _incompressible(path: Path, file: h5py.File) -> tuple[dict[str, Any], tuple[bool, ...]]:
    shape = file["velocity"].shape
    dim = shape[-1]
    if len(shape) != dim + 3:
        raise FileError(f"{path}: velocity has shape {shape}; (samples, frames, *space, dim) is expected")
    full = (True,) * dim
    sources = {"velocity": Source(("velocity",), 1, True, True, full)}
    fields = {"velocity": 1}
    if "particles" in file:
        sources["particles"], fields["particles"] = Source(("particles",), 0, True, True, full, channel=0), 0
    constants = {}
    if "force" in file:
        sources["force"], constants["force"] = Source(("force",), 1, True, False, full), 1
    times = np.asarray(file["t"][()], dtype=float)
    part = {
        "rows": shape[0],
        "axes": check_axes([np.arange(n) + 0.5 for n in shape[2:-1]]),  # PhiFlow's boxes: unit cells, values in centres
        "times": check_times(times if times.ndim == 2 else times[None]),
        "numbers": {},
        "sources": sources,
        "fields": fields,
        "constants": constants,
    }
    return part, guess_periodic(path, file, dim, usual=False)


def _numbered(path: Path, file: h5py.File) -> tuple[dict[str, Any], tuple[bool, ...]]:
    names = tuple(sorted(k for k in file if isinstance(file[k], h5py.Group) and "data" in file[k]))
    first = file[names[0]]
    dim, channels = first["data"].ndim - 2, first["data"].shape[-1]
    grid = first.get("grid", {})
    if missing := [k for k in (*AXES[:dim], "t") if k not in grid]:
        raise FileError(f"{path}: group {names[0]} lacks the coordinates grid/{', grid/'.join(missing)}")
    axes = check_axes([grid[k][()] for k in AXES[:dim]])
    times = check_times(grid["t"][()])[None]
    water = any(word in f"{path.name} {first.attrs.get('config', '')}".lower() for word in ("rdb", "dam", "swe"))
    labels = (["h"] if water else ["u"]) if channels == 1 else ["u", "v"] if channels == 2 else _many(channels)
    full = (True,) * dim
    part = {
        "rows": len(names),
        "row_names": names,
        "axes": axes,
        "times": times[:, : first["data"].shape[0]],
        "numbers": {},
        "sources": {k: Source(("{row}/data",), 0, False, True, full, channel=c) for c, k in enumerate(labels)},
        "fields": dict.fromkeys(labels, 0),
    }
    return part, guess_periodic(path, file, dim, usual=False)


def _many(channels: int) -> list[str]:
    return [f"u{c}" for c in range(channels)]


def _shared(path: Path, file: h5py.File, name: str, dim: int, *, steady: bool = False) -> dict[str, Any]:
    """Axes, times, rows and parameters of files whose samples share their datasets."""
    shape = file[name].shape
    wanted = [f"{axis}-coordinate" for axis in AXES[:dim]]
    has_time = "t-coordinate" in file
    if missing := [k for k in (*wanted, *(() if steady else ("t-coordinate",))) if k not in file]:
        raise FileError(
            f"{path}: lacks {' and '.join(missing)}, which {name} of shape {shape} needs; it holds {', '.join(file)}"
        )
    axes = check_axes([file[k][()] for k in wanted])
    if tuple(len(axis) for axis in axes) != shape[2:]:
        raise FileError(f"{path}: {name} has {shape[2:]} points, its coordinates {tuple(len(a) for a in axes)}")
    times = check_times(file["t-coordinate"][()] if has_time else np.arange(shape[1], dtype=float))
    if len(times) not in (shape[1], shape[1] + 1):
        raise FileError(f"{path}: {name} has {shape[1]} frames, t-coordinate {len(times)} times")
    return {
        "rows": shape[0],
        "axes": axes,
        "times": times[None, : shape[1]],
        "numbers": _numbers(file.attrs, shape[0]),
    }


def _numbers(attributes: Mapping[str, Any], rows: int) -> dict[str, np.ndarray]:
    found = {k: np.asarray(v) for k, v in attributes.items()}
    return {k: np.full(rows, float(v)) for k, v in found.items() if v.ndim == 0 and v.dtype.kind in "fiu"}


def _check_shapes(part: StoredPart) -> None:
    """Raise FileError where a field of a sample has another shape than the grid and the frames say."""
    layout = part.layout
    with h5py.File(part.path, "r") as file:
        for source in part.sources.values():
            lead = (part.rows,) * source.sample + (layout.frames,) * source.time
            end = () if source.rank == 0 or len(source.paths) > 1 or layout.dim == 1 else (layout.dim,)
            rows = part.row_names or ("",)
            for path in (p.replace("{row}", row) for p in source.paths for row in rows):
                shape = file[path].shape if source.channel is None else file[path].shape[:-1]
                if shape != (*lead, *layout.space, *end):
                    raise FileError(
                        f"{part.path}: {path} has shape {file[path].shape}, but samples, frames and points make "
                        f"{(*lead, *layout.space, *end)}; the file is damaged, or its samples lie on different grids"
                    )
