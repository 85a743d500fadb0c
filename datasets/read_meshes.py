"""Meshes with fields from users' files (vtu, vtk, msh, xdmf, inp, stl), checked one by one and against each other."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from surrogates.datasets.adapters.door import Quarantined
from surrogates.datasets.adapters.field_folders import MANIFEST
from surrogates.datasets.adapters.mesh_checks import sound
from surrogates.datasets.adapters.mesh_files import SUFFIXES, read_mesh
from surrogates.datasets.adapters.mesh_histories import by_history, is_history, read_collection, read_numbered
from surrogates.datasets.adapters.mesh_tables import NAMES, MeshTable, read_mesh_table
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.mesh_told import Fits, told_of
from surrogates.datasets.meshes import Meshes
from surrogates.physics.errors import DomainError, FileError, SurrogatesError, SurrogatesWarning

_H5 = (".h5", ".hdf5")


def read_meshes(
    path: str | Path | Sequence[str | Path],
    *,
    fields: Sequence[str] | None = None,
    tags: Sequence[str] = (),
    parameters: str | Path | None = None,
    group: str | None = None,
    units: Mapping[str, str] | None = None,
    spacing: float | int | None = None,
    drop_unused: bool = False,
) -> Meshes:
    """A folder of mesh files (with its subfolders), or files, as one data set; what `Meshes.save` wrote is read too.

    A file that is broken or does not fit the others is left out, with a warning; `quarantined` of the result names
    each and why, `description` says what was read. Left out are files without a field that is wanted, with other
    components, cells or dimensions than most, with inverted cells, unconnected nodes, values that are not finite, or a
    size that only another unit explains.

    Args:
        fields: names of the fields to keep, which every mesh must have; None keeps what most meshes have.
        tags: named sets of nodes that every mesh must have; others are kept where they are there.
        parameters: a CSV or JSON file of numbers for each mesh, see `read_mesh_table`; None takes parameters.csv or
            parameters.json in the folder, where it is there. Single numbers in the files' field data are taken too.
        group: a column of that table; meshes that are alike in it never part in a split.
        units: of fields, parameters, "points" and "time", as text by name; they are kept with the data.
        spacing: time between files that differ in the last number of their names: they are then frames of one
            history. XDMF collections in time are histories anyway.
        drop_unused: remove nodes that belong to no cell.
    Raises FileError where there is no such file, or none is left; DomainError for names that do not exist.
    """
    files, base, ours = _files(path)
    if ours:
        return Meshes.open(ours)
    table = _table(parameters, base)
    out: list[Quarantined] = []
    names, samples = [], []
    for name, read in _readers(files, base, spacing):
        try:
            sample = sound(_with_numbers(read(), table, name, group), drop_unused=drop_unused)
        except SurrogatesError as error:
            out.append(Quarantined(name, "", _short(error)))
            continue
        names.append(name)
        samples.append(sample)
    fits = Fits.of(samples, fields, tags)
    kept_names, kept = [], []
    for name, sample in zip(names, samples, strict=True):
        if (reason := fits.fault(sample)) is not None:
            out.append(Quarantined(name, "", reason))
        else:
            kept_names.append(name)
            kept.append(fits.trimmed(sample))
    if not kept:
        raise FileError(_nothing(path, out))
    chosen = dict(units or {})
    _check_units(chosen, kept[0])
    kept = [replace(s, units={**s.units, **chosen}, row=k) for k, s in enumerate(kept)]
    told = told_of(kept, kept_names, chosen, table, out, fits)
    if out:
        warnings.warn(_left_out(len(files), out), SurrogatesWarning, stacklevel=2)
    provenance = {
        "description": "\n".join(told),
        "files": kept_names,
        "quarantined": [q.plain() for q in out],
    }
    return Meshes(kept, provenance=provenance, units=chosen)


def _files(path: str | Path | Sequence[str | Path]) -> tuple[list[Path], Path, Path | None]:
    """Mesh files, the folder that their names are told from, and our own data set where `path` is one."""
    if not isinstance(path, str | Path):
        files = [Path(p).absolute() for p in path]
        if not files:
            raise FileError("no file was given; name at least one")
        return files, files[0].parent, None
    whole = Path(path).absolute()
    if whole.suffix.lower() in _H5 or (whole / MANIFEST).exists():
        return [], whole, whole
    if not whole.is_dir():
        if not whole.exists():
            raise FileError(f"{whole}: no such file or folder")
        return [whole], whole.parent, None
    files = sorted(p for p in whole.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not files:
        raise FileError(f"{whole}: a folder without {', '.join(SUFFIXES)} files; give a folder of meshes")
    return files, whole, None


def _readers(
    files: Sequence[Path], base: Path, spacing: float | int | None
) -> Iterator[tuple[str, Callable[[], MeshSample]]]:
    """What each mesh is called, and how to read it."""
    if spacing is not None and spacing <= 0:
        raise DomainError(f"spacing={spacing}; give a positive time between frames")
    alone = {file: [(0, file)] for file in files} if spacing is None else by_history(files)
    for name, frames in alone.items():
        called = name.relative_to(base).as_posix() if name.is_relative_to(base) else str(name)
        if len(frames) > 1:
            yield called, lambda f=frames: read_numbered(f, float(spacing or 1.0))  # type: ignore[misc]
        else:
            yield called, lambda f=frames[0][1]: read_collection(f) if is_history(f) else read_mesh(f)  # type: ignore[misc]


def _table(parameters: str | Path | None, base: Path) -> MeshTable | None:
    if parameters is not None:
        return read_mesh_table(parameters)
    found = [base / name for name in NAMES if (base / name).is_file()]
    return read_mesh_table(found[0]) if found else None


def _with_numbers(sample: MeshSample, table: MeshTable | None, name: str, group: str | None) -> MeshSample:
    """Parameters and group from the table. Raises DomainError where it has no row or no numbers for the mesh."""
    if table is None:
        if group is not None:
            raise DomainError(f"group={group!r} names a column of a table of parameters; there is none")
        return sample
    key = table.row(name)
    if key is None:
        raise DomainError(f"has no row in {table.path.name}")
    row = dict(table.rows[key])
    together = ""
    if group is not None:
        if group not in row:
            raise DomainError(f"has no {group!r} in {table.path.name}, only {', '.join(row)}")
        together = f"{group} {row[group]}"
        row.pop(group)
    numbers: dict[str, float] = {}
    for column, value in row.items():
        if isinstance(value, str):
            raise DomainError(f"has {column} = {value!r} in {table.path.name}, where a number is wanted")
        numbers[column] = value
    return replace(sample, parameters={**sample.parameters, **numbers}, group=together)


def _check_units(units: Mapping[str, str], sample: MeshSample) -> None:
    known = {"points", "time", *sample.fields, *sample.cell_fields, *sample.parameters}
    if strangers := sorted(set(units) - known):
        raise DomainError(f"units of {', '.join(strangers)}, which the meshes do not have; there are {_list(known)}")


def _short(error: Exception) -> str:
    """An error without the path that the list of files tells anyway."""
    text = str(error)
    head, _, rest = text.partition(": ")
    return rest if rest and "/" in head else text


def _nothing(path: Any, out: Sequence[Quarantined]) -> str:
    reasons = Counter(q.reason for q in out).most_common(3)
    lines = [f"{reason} ({count} times)" if count > 1 else reason for reason, count in reasons]
    where = path if isinstance(path, str | Path) else f"{len(out)} files"
    return f"{where}: no usable mesh among {len(out)}; {out[0].file}: {'; '.join(lines)}"


def _left_out(total: int, out: Sequence[Quarantined]) -> str:
    lines = [f"  {q.file}: {q.reason}" for q in out[:5]] + ["  ..."] * (len(out) > 5)
    verb = "was" if len(out) == 1 else "were"
    return "\n".join([f"{len(out)} of {total} meshes {verb} left out (all are in .quarantined):", *lines])


def _list(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
