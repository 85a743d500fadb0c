"""Trajectories from users' files: The Well's, PDEBench's, our own, and numpy archives; one function for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py

from surrogates.datasets.adapters.door import door, present
from surrogates.datasets.adapters.field_folders import SUFFIXES
from surrogates.datasets.adapters.pdebench import open_pdebench
from surrogates.datasets.adapters.the_well import is_well
from surrogates.datasets.adapters.whole_files import proved
from surrogates.datasets.fields import Fields
from surrogates.physics.errors import DomainError, FileError


def read_fields(path: str | Path | Sequence[str | Path], *, periodic: bool | Sequence[bool] | None = None) -> Fields:
    """Trajectories of one or several files (.h5 or .hdf5), or of a folder of The Well's, as one data set.

    Nothing but coordinates and scalars is read before a trajectory is looked at, so that files may be larger than
    memory; a value that is not finite is found then.

    Args:
        path: The Well's files (a folder with train, valid and test is one set), PDEBench's in all their layouts, or
            what `Fields.save` wrote. Several files become one data set.
        periodic: for each axis or for all, where a file does not tell (PDEBench's do not) or tells wrongly; None takes
            what the file says, or what PDEBench's problem of that name has.

    Raises FileError where a file is missing, damaged, of another kind (listing what it holds) or without the
    coordinates it needs; DomainError where files or values do not fit.
    """
    files = [path] if isinstance(path, str | Path) else list(path)
    if not files:
        raise FileError("no file was given; name at least one")
    found = [_one(Path(file).absolute(), periodic) for file in files]
    return sum(found[1:], start=found[0])


def _one(path: Path, periodic: bool | Sequence[bool] | None) -> Fields:
    if path.is_dir():
        return _told(Fields.open(path), periodic, path)
    present(path)
    if path.suffix.lower() not in SUFFIXES:
        raise FileError(
            f"{path}: fields are read from {' and '.join(SUFFIXES)} files, in the layouts of The Well, PDEBench and "
            f"surrogates{_hint(path.suffix.lower())}"
        )
    proved(path)
    with door(path, reader="HDF5"), h5py.File(path, "r") as file:
        well = is_well(file)
    if well:
        return _told(Fields.open(path), periodic, path)
    part, provenance = open_pdebench(path, periodic)
    return Fields.of_parts([part], names=[str(path)], provenance=provenance)


def _told(data: Fields, periodic: bool | Sequence[bool] | None, path: Path) -> Fields:
    if periodic is None:
        return data
    said = (periodic,) * len(data.axes) if isinstance(periodic, bool) else tuple(bool(p) for p in periodic)
    if len(said) != len(data.axes):
        raise DomainError(f"{path}: periodic={periodic} for {len(data.axes)} axes; give one True or False an axis")
    return data.with_periodic(said)


def _hint(suffix: str) -> str:
    if suffix in (".npy", ".npz", ".mat"):
        return f'; load a {suffix} yourself and give the arrays to Fields.from_arrays({{"u": array}}, ...)'
    return "; rename it if it is HDF5"
