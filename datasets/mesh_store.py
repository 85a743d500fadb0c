"""Data sets of meshes on disk: HDF5 files of `mesh_shard`, one alone or several listed in a folder's manifest."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from surrogates.datasets.adapters.field_folders import MANIFEST, SUFFIXES, read_field_manifest
from surrogates.datasets.adapters.whole_files import proved
from surrogates.datasets.mesh_columns import entries
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.mesh_shard import FORMAT, StoredFile, write_file
from surrogates.datasets.shard import write_whole
from surrogates.physics.errors import DomainError, FileError

SHARD = 2**27  # bytes of a file in a folder, about
_RECENT = 2**28  # bytes of samples that are kept after they were read


def save_meshes(
    path: Path, samples: Iterable[MeshSample], *, provenance: Mapping[str, Any], units: Mapping[str, str]
) -> Path:
    """Write samples to one file (.h5, .hdf5), or to a folder of files with a manifest (a name without a suffix).

    Files are there wholly or not at all, the manifest last. Raises DomainError without samples, FileError.
    """
    if path.suffix in SUFFIXES:
        write_file(path, samples, provenance, units)
        return path
    if path.suffix:
        raise FileError(f"{path}: meshes are stored as HDF5; choose a name that ends in .h5, or a folder's")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileError(f"{path}: is there already; choose a new name, or a file that ends in .h5 to replace")
    names = []
    for number, part in enumerate(_shards(samples)):
        names.append(f"part-{number:05d}.h5")
        write_file(path / names[-1], part, provenance, units)
    if not names:
        raise DomainError("a data set without meshes cannot be stored; keep at least one")
    list_files(path, names, provenance)
    return path


def list_files(folder: Path, names: Sequence[str], provenance: Mapping[str, Any]) -> None:
    """Write the manifest of these files of `folder`."""
    shards = [{"name": name, "sha256": proved(folder / name)} for name in names]
    about = {"kind": "meshes", "format": FORMAT, "shards": shards, "provenance": dict(provenance)}
    write_whole(folder / MANIFEST, json.dumps(about, indent=1).encode())


@dataclass(frozen=True)
class Opened:
    """A data set on disk: `samples`, read when they are looked at, the first of each file, and what is told."""

    samples: StoredMeshes
    provenance: Mapping[str, Any]
    units: Mapping[str, str]


def open_meshes(path: Path) -> Opened:
    """The data set at `path`: one of our files, or a folder with our manifest. Raises FileError."""
    if not path.is_dir():
        one = StoredFile(path)
        return Opened(StoredMeshes([one]), one.provenance, one.units)
    if not (path / MANIFEST).exists():
        raise FileError(f"{path}: a folder without {MANIFEST}; read_meshes reads the mesh files of other programs")
    manifest = read_field_manifest(path / MANIFEST, kind="meshes")
    files = [_listed(path, entry) for entry in manifest["shards"]]
    if not files:
        raise FileError(f"{path}: its manifest lists no file yet; run the generator again, it continues")
    return Opened(StoredMeshes(files), manifest["provenance"], files[0].units)


class StoredMeshes(Sequence[MeshSample]):
    """Samples in files, read when they are looked at; the last ones are kept in memory. Picklable."""

    def __init__(self, files: Sequence[StoredFile]) -> None:
        self.files = tuple(files)
        self._ends = np.cumsum([len(f) for f in files])
        self._recent: OrderedDict[int, tuple[MeshSample, int]] = OrderedDict()
        self._kept = 0

    @property
    def firsts(self) -> list[MeshSample]:
        """The first sample of each file."""
        return [f.sample(0) for f in self.files if len(f)]

    def __len__(self) -> int:
        return int(self._ends[-1])

    @overload
    def __getitem__(self, index: int) -> MeshSample: ...
    @overload
    def __getitem__(self, index: slice) -> list[MeshSample]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        if row in self._recent:
            self._recent.move_to_end(row)
            return self._recent[row][0]
        number = int(np.searchsorted(self._ends, row, side="right"))
        first = int(self._ends[number]) - len(self.files[number])
        found = self.files[number].sample(row - first, row=row)
        self._keep(row, found)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["files"])  # type: ignore[misc]

    def _keep(self, row: int, sample: MeshSample) -> None:
        size = sum(values.nbytes for _, values in entries(sample))
        self._recent[row] = sample, size
        self._kept += size
        while self._kept > _RECENT and len(self._recent) > 1:
            self._kept -= self._recent.popitem(last=False)[1][1]


def _listed(folder: Path, entry: Mapping[str, str]) -> StoredFile:
    path = folder / entry["name"]
    if not path.exists():
        raise FileError(f"{path}: missing, though {folder / MANIFEST} lists it; restore it or make the data again")
    found = StoredFile(path)
    if found.digest != entry["sha256"]:
        raise FileError(
            f"{path}: this is not the file its manifest lists (SHA-256 {found.digest[:12]}, not {entry['sha256'][:12]})"
        )
    return found


def _shards(samples: Iterable[MeshSample]) -> Iterator[list[MeshSample]]:
    """Samples by files of about `SHARD` bytes."""
    part: list[MeshSample] = []
    size = 0
    for sample in samples:
        part.append(sample)
        size += sum(values.nbytes for _, values in entries(sample))
        if size >= SHARD:
            yield part
            part, size = [], 0
    if part:
        yield part
