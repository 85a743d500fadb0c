"""Which file formats are read, and how one is recognised.

A written list: readers outside it unpickle, start programs, reach databases over the network, or read whole folders.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surrogates.datasets.adapters.door import door, present
from surrogates.physics.errors import FileError

# formats that carry numbers in whatever unit their writer had; the other readers of ASE convert to eV and Å
UNIT_FREE = ("extxyz", "xyz", "traj", "db", "json")
ALLOWED = (
    *UNIT_FREE,
    *("cif", "vasp", "vasp-xml", "vasp-out", "vasp-xdatcar", "espresso-in", "espresso-out", "aims", "aims-output"),
    *(
        "castep-cell",
        "castep-geom",
        "castep-md",
        "cp2k-restart",
        "cfg",
        "cube",
        "crystal",
        "dlp4",
        "dlp-history",
        "eon",
    ),
    *("gaussian-in", "gaussian-out", "gen", "gpumd", "gromacs", "gromos", "lammps-data", "lammps-dump-text", "mol"),
    *("nwchem-in", "nwchem-out", "orca-output", "proteindatabank", "qbox", "res", "rmc6f", "runnerdata", "sdf"),
    *("struct", "struct_out", "turbomole", "turbomole-gradient", "xsd", "xsf", "xtd"),
    *("pymatgen-json", "cssr", "mcsqs"),
)
PYMATGEN = ("pymatgen-json", "cssr", "mcsqs")
UNPACKED_LIMIT = 4 * 2**30  # bytes
_PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_REFUSED = {
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x93NUMPY": "a numpy array",
    b"PK\x03\x04": "a zip archive (or .npz)",
    b"\x89HDF": "HDF5 of a layout that no reader here knows",
}


def recognise(path: Path, format: str | None = None) -> str:
    """The format of a file, by its name and first bytes, or the given one if it is allowed. Raises FileError."""
    found = format or _guess(path)
    if found in ALLOWED:
        return found
    raise FileError(
        f'{path}: format "{found}" is not read here; accepted are {", ".join(ALLOWED)} and our own .h5, so convert '
        "the file (for instance to extxyz), or name its format with format="
    )


def _guess(path: Path) -> str:
    from ase.io.formats import filetype

    with path.open("rb") as file:
        head = file.read(2048)
    for magic, what in _REFUSED.items():
        if head.startswith(magic):
            raise FileError(
                f"{path}: is {what}, which is not read here; write the structures as extxyz or an ASE database"
            )
    if path.suffix in (".cssr", ".mcsqs"):
        return path.suffix[1:]
    if head.lstrip().startswith(b"{") and b'"@module"' in head:
        return "pymatgen-json"
    with door(path, reader="any known format"):
        return "extxyz" if path.suffix in (".extxyz", ".xyz") else filetype(str(path))
    raise AssertionError("unreachable")


@contextlib.contextmanager
def unpacked(path: str | Path) -> Iterator[Path]:
    """The file itself, or a temporary unpacked copy of a .gz, .bz2 or .xz file, bounded in size. Raises FileError."""
    file = present(path)
    if file.suffix not in _PACKED:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="surrogates-") as folder:
        inner = Path(folder) / file.stem
        with door(file, reader=f"{file.suffix[1:]} archive"):
            _unpack(file, inner)
        yield inner


def _unpack(path: Path, inner: Path) -> None:
    limit = min(UNPACKED_LIMIT, 1000 * path.stat().st_size + 2**20)
    written = 0
    with _PACKED[path.suffix](path, "rb") as source, inner.open("wb") as target:
        while chunk := source.read(2**20):
            written += len(chunk)
            if written > limit:
                raise FileError(f"{path}: unpacks to more than {limit} bytes; unpack it yourself if that is intended")
            target.write(chunk)
