"""One shard: an HDF5 file behind a header that proves it whole.

The first 512 bytes are HDF5's user block, which other HDF5 programs skip; it holds the SHA-256 of all that follows.
It is compared before the HDF5 library sees the file. A shard is written to a temporary file, fsynced and renamed, so
a file of this name is complete or absent, whenever the process is killed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from surrogates.datasets.flat import Arrays, fault
from surrogates.datasets.sample import UNITS
from surrogates.physics.errors import FileError

FORMAT = 1
BLOCK = 512
MAGIC = b"surrogates structures "


def write_shard(path: Path, arrays: Arrays, provenance: Mapping[str, Any]) -> str:
    """Write flat arrays to `path` (replacing it) and return the SHA-256 of its content. Raises FileError."""
    content = _content(arrays, provenance)
    digest = hashlib.sha256(content).hexdigest()
    header = MAGIC + f"{FORMAT} sha256 {digest} bytes {len(content)}\n".encode()
    write_whole(path, header.ljust(BLOCK, b"\0") + content)
    return digest


def read_shard(path: Path, digest: str | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays (read-only) and provenance of the shard at `path`.

    `digest`: the SHA-256 that a manifest promises. Raises FileError where the file is missing, damaged or foreign.
    """
    data = whole_file(path)
    found = _checked(path, data)
    if digest is not None and found != digest:
        raise FileError(f"{path}: this is not the shard its manifest lists (SHA-256 {found[:12]}, not {digest[:12]})")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            arrays = {k: _array(file, k) for k in file if k != "provenance"}
            provenance = json.loads(file["provenance"][()])
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise FileError(f"{path}: not a readable data set ({error}); make it again") from error
    if problem := fault(arrays):
        raise FileError(f"{path}: its arrays do not fit together ({problem}); make it again")
    return arrays, provenance


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there wholly or not at all: temporary, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise FileError(
            f"{path}: cannot be written ({error.strerror or error}); what was stored before is untouched, "
            "so make room or choose another folder and run again"
        ) from error


def whole_file(path: Path) -> bytes:
    """The bytes of a file. Raises FileError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from error


def _content(arrays: Arrays, provenance: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=BLOCK) as file:
        file.attrs["format"] = FORMAT
        for name, array in arrays.items():
            kind = h5py.string_dtype() if array.dtype == object else array.dtype
            dataset = file.create_dataset(name, data=array, dtype=kind)
            if name in UNITS:
                dataset.attrs["units"] = UNITS[name]
        file.create_dataset("provenance", data=json.dumps(dict(provenance)), dtype=h5py.string_dtype())
    return buffer.getvalue()[BLOCK:]


def _checked(path: Path, data: bytes) -> str:
    if not data.startswith(MAGIC):
        raise FileError(
            f"{path}: not a data set of surrogates; structures are read from our .h5 files or, through "
            "read_structures, from extxyz, CIF, POSCAR, vasprun.xml and ASE databases"
        )
    words = data[len(MAGIC) : BLOCK].rstrip(b"\0").split()
    if len(words) != 5 or words[0] != str(FORMAT).encode():
        raise FileError(f"{path}: header damaged, or of a newer format than {FORMAT}; make the file again or update")
    digest = hashlib.sha256(data[BLOCK:]).hexdigest()
    if words[2] != digest.encode():
        raise FileError(
            f"{path}: damaged: its content does not have the SHA-256 that its header gives "
            f"({len(data) - BLOCK} bytes, {words[4].decode(errors='replace')} expected); "
            "make it again or restore a copy"
        )
    return digest


def _array(file: h5py.File, name: str) -> np.ndarray:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise ValueError(f"{name} is a link or a group, where an array is expected")
    dataset = file[name]
    array = np.asarray(dataset.asstr()[()], dtype=object) if name == "groups" else np.asarray(dataset[()])
    array.setflags(write=False)
    return array


def sync_folder(folder: Path) -> None:
    if os.name != "posix":  # Windows cannot fsync a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
