"""Points in files: columns by name in .csv, arrays by name in .npz and .h5; nothing in them is run."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from surrogates.physics.errors import FileError
from surrogates.workflows.files import write_bytes

_TYPES = ".csv, .npz, .h5 or .hdf5"


def read_points(path: Path, names: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Points (n, dim) from the columns `names`, or from one array `points`; and whatever other columns there are.

    Raises FileError for a missing or damaged file, columns that are missing, of unequal length, or no numbers.
    """
    columns = _read(Path(path))
    if "points" in columns and columns["points"].ndim == 2:
        points = columns.pop("points")
        if points.shape[1] != len(names):
            raise FileError(f"{path}: points are {points.shape}; give (n, {len(names)}), {_told(names)}")
    else:
        missing = [name for name in names if name not in columns]
        if missing:
            raise FileError(
                f"{path} has no column {missing[0]!r}; it has {', '.join(columns) or 'none'}: name the columns "
                f"{_told(names)}, or give one array points (n, {len(names)})"
            )
        points = np.stack([_column(path, name, columns.pop(name)) for name in names], axis=1)
    if not len(points):
        raise FileError(f"{path} has no points; give one row at least")
    if not np.isfinite(points).all():
        row = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise FileError(f"{path}: row {row} is not finite; repair or remove it")
    rest = {name: _column(path, name, values) for name, values in columns.items() if values.ndim == 1}
    if any(len(values) != len(points) for values in rest.values()):
        raise FileError(f"{path}: columns differ in length; give one value for each of the {len(points)} points")
    return points, rest


def write_points(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Columns as .csv, .npz or HDF5, whole or not at all."""
    import io

    text = io.BytesIO()
    if path.suffix == ".csv":
        table = np.stack(list(columns.values()), axis=1)
        np.savetxt(text, table, delimiter=",", header=",".join(columns), comments="", fmt="%.10g")
    elif path.suffix == ".npz":
        np.savez(text, **columns)  # type: ignore[arg-type]
    elif path.suffix in (".h5", ".hdf5"):
        import h5py

        with h5py.File(text, "w") as file:
            for name, values in columns.items():
                file[name] = values
    else:
        raise FileError(f"{path}: points are written as {_TYPES}; choose such a name")
    write_bytes(path, text.getvalue())


def _read(path: Path) -> dict[str, np.ndarray]:
    readers = {".csv": _csv, ".npz": _npz, ".h5": _hdf5, ".hdf5": _hdf5}
    if path.suffix not in readers:
        raise FileError(f"{path}: points come as {_TYPES}, with a column for each coordinate")
    if not path.is_file():
        raise FileError(f"there is no file {path}")
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError, KeyError, EOFError, csv.Error) as error:
        raise FileError(f"{path} cannot be read as points: {error}") from error


def _csv(path: Path) -> dict[str, np.ndarray]:
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows:
        raise ValueError("it is empty")
    names = [name.strip().lstrip("#").strip() for name in rows[0]]
    if len(set(names)) < len(names):
        raise ValueError(f"two columns have one name among {', '.join(names)}")
    for k, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise ValueError(f"line {k} has {len(row)} values for {len(names)} columns")
    table = np.array([[float(x) for x in row] for row in rows[1:]]).reshape(-1, len(names))
    return {name: table[:, k] for k, name in enumerate(names)}


def _npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: _numbers(name, stored[name]) for name in stored.files}


def _hdf5(path: Path) -> dict[str, np.ndarray]:
    import h5py

    with h5py.File(path, "r") as file:
        inside = {n: file.get(n, getlink=True) for n in file}
        kept = [
            n for n, link in inside.items() if isinstance(link, h5py.HardLink) and isinstance(file[n], h5py.Dataset)
        ]
        return {n: _numbers(n, file[n][()]) for n in kept}  # links to other files are not followed


def _numbers(name: str, values: object) -> np.ndarray:
    found = np.asarray(values)
    if found.dtype.kind not in "fiu":
        raise ValueError(f"{name} is {found.dtype}, no numbers")
    return found.astype(np.float64)


def _column(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1:
        raise FileError(f"{path}: {name} has shape {values.shape}; a column has one value for each point")
    return values


def _told(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f", ..., {names[-1]}" if len(names) > 4 else "")
