"""Numbers that belong to mesh files, in a table beside them: CSV with a column of file names, or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from surrogates.datasets.adapters.door import door, present
from surrogates.physics.errors import FileError

NAMES = ("parameters.csv", "parameters.json")
_KEYS = ("file", "filename", "name", "mesh", "sample", "path")


@dataclass(frozen=True)
class MeshTable:
    """Rows by the name of a mesh file, with or without its folder and suffix; `path` is the table's own."""

    path: Path
    rows: Mapping[str, Mapping[str, float | str]]

    def row(self, name: str) -> str | None:
        """The key of the row of a file named relative to the folder of meshes; None where there is none."""
        whole = PurePosixPath(name)
        for key in (name, str(whole.with_suffix("")), whole.name, whole.stem):
            if key in self.rows:
                return key
        return None


def read_mesh_table(path: str | Path) -> MeshTable:
    """The table in a file.

    CSV: a header, then a row a mesh; the column called file, name, mesh or sample, else the first, has the mesh's name.
    JSON: {"plate_001": {"poisson": 0.3}, ...}, or a list of objects that have a "file".
    Raises FileError for other files, a table without rows, and a mesh that is named twice.
    """
    path = present(path)
    kind = path.suffix.lower()
    if kind not in (".csv", ".json"):
        raise FileError(f"{path}: parameters of meshes are read from .csv and .json")
    with door(path, reader=kind[1:]):
        pairs = _csv(path) if kind == ".csv" else _json(path)
    rows: dict[str, Mapping[str, float | str]] = {}
    for name, row in pairs:
        if name in rows:
            raise FileError(f"{path}: has two rows for {name}; keep one")
        rows[name] = row
    if not rows:
        raise FileError(f"{path}: has no rows; give one for each mesh")
    return MeshTable(path, rows)


def _csv(path: Path) -> list[tuple[str, dict[str, float | str]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        header = [str(h) for h in reader.fieldnames or ()]
        if len(header) < 2:
            raise ValueError(f"its header is {header}, where a column of names and one of numbers are wanted")
        key = next((h for h in header if h.strip().lower() in _KEYS), header[0])
        found = []
        for row in reader:
            if None in row or any(v is None for v in row.values()):
                raise ValueError(f"line {reader.line_num} does not have {len(header)} entries")
            found.append((row[key].strip(), {h.strip(): _value(row[h]) for h in header if h != key}))
        return found


def _json(path: Path) -> list[tuple[str, dict[str, float | str]]]:
    given: Any = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(given, list):
        given = {next(str(row[k]) for k in _KEYS if k in row): row for row in given}
    if not isinstance(given, dict) or not all(isinstance(row, dict) for row in given.values()):
        raise ValueError('an object {"mesh": {"parameter": number}} is expected')
    return [(str(name), {str(k): _value(v) for k, v in row.items() if k not in _KEYS}) for name, row in given.items()]


def _value(given: Any) -> float | str:
    try:
        return float(given)
    except (TypeError, ValueError):
        return str(given).strip()
