"""The zip archive that torch.save writes: one pickle and one record of raw bytes for every storage.

Nothing is extracted and nothing is inflated: torch stores its records as they are, so a file cannot grow by being read.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from surrogates.physics.errors import FileError

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}
_LARGEST_PICKLE = 256 * 2**20  # bytes; that of a foundation model has a few MB
_MOST_RECORDS = 100_000


class Archive:
    """A file of torch.save, opened for reading.

    Args:
        path: of the file. Raises FileError where it is missing, damaged, truncated or no such archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self._sizes = {entry.filename: entry.file_size for entry in self._zip.infolist()}
            self._check(self._zip.infolist(), path.stat().st_size)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError) as error:
            raise self._damaged(error) from error
        self.root = self._root()
        self._storages: dict[tuple[str, str], Tensor] = {}

    def pickle(self) -> bytes:
        """The bytes of data.pkl."""
        if self._sizes[f"{self.root}/data.pkl"] > _LARGEST_PICKLE:
            raise FileError(f"{self.path}: its pickle is larger than {_LARGEST_PICKLE >> 20} MB; that is no model")
        return self._read(f"{self.root}/data.pkl")

    def storage(self, kind: str, key: str, count: int) -> Tensor:
        """`count` numbers of the record data/`key`, one-dimensional."""
        if (kind, key) not in self._storages:
            content = bytearray(self._read(f"{self.root}/data/{key}"))
            dtype = STORAGES[kind]
            if len(content) != count * dtype.itemsize:
                raise self._damaged(f"record data/{key} has {len(content)} bytes, not {count} numbers of {dtype}")
            found = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
            self._storages[kind, key] = found
        found = self._storages[kind, key]
        if len(found) != count:
            raise self._damaged(f"record data/{key} is used with two lengths")
        return found

    def _check(self, entries: Sequence[zipfile.ZipInfo], size: int) -> None:
        if len(entries) > _MOST_RECORDS or len(self._sizes) != len(entries):
            raise ValueError("it has too many records, or two of one name")
        for entry in entries:
            name = entry.filename
            if name.startswith("/") or "\\" in name or ".." in name.split("/"):
                raise ValueError(f"a record is called {name[:80]!r}, which leads out of the archive")
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise ValueError(f"record {name[:80]!r} is compressed or encrypted, which torch.save never does")
        if sum(self._sizes.values()) > size:
            raise ValueError("its records claim more bytes than the file has")

    def _root(self) -> str:
        roots = sorted({name.split("/")[0] for name in self._sizes})
        if len(roots) != 1 or f"{roots[0]}/data.pkl" not in self._sizes:
            raise FileError(f"{self.path} is a zip file, but none of torch.save: it has no NAME/data.pkl")
        if any(name.startswith(f"{roots[0]}/code/") for name in self._sizes):
            raise FileError(
                f"{self.path} is a TorchScript archive (a *_compiled.model, or a file for LAMMPS): it holds a program, "
                "not a model; give the .model file that it was made from"
            )
        order = f"{roots[0]}/byteorder"
        if order in self._sizes and self._read(order) != b"little":
            raise FileError(f"{self.path} was written on a big-endian machine; save it again on another one")
        return roots[0]

    def _read(self, name: str) -> bytes:
        if name not in self._sizes:
            raise self._damaged(f"record {name[:80]!r} is missing")
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
            raise self._damaged(error) from error

    def _damaged(self, reason: object) -> FileError:
        if not self.path.is_file():
            return FileError(f"{self.path}: there is no such file")
        return FileError(f"{self.path} is damaged, or no file of torch.save: {reason}; copy it again")


def view(storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """A copy of the strided tensor, which must lie within its storage and not repeat it. Raises ValueError."""
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (offset, *size, *stride))
    if not whole or len(size) != len(stride) or len(size) > 16:
        raise ValueError("a tensor's size, stride or offset makes no sense")
    count = math.prod(size)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if count else 0
    if count > len(storage) or (count and last >= len(storage)):
        raise ValueError("a tensor reaches beyond its storage")
    if not count:
        return storage.new_empty(tuple(size) if max(size) < 2**31 else (0,))
    return storage.as_strided(tuple(size), tuple(stride), offset).clone()
