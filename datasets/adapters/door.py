"""The door: every foreign reader (ase, pymatgen, meshio, h5py ...) runs behind it.

Foreign code ends in any exception, in SystemExit, in warnings and in printed text; behind the door there is one
FileError that names the file and the place.
"""

from __future__ import annotations

import contextlib
import io
import warnings
import xml.parsers.expat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py

from surrogates.physics.errors import FileError, SurrogatesError


@dataclass(frozen=True)
class Quarantined:
    """A frame that was left out: where it stood, and why."""

    file: str
    place: str
    reason: str

    def plain(self) -> dict[str, str]:
        return asdict(self)


@contextlib.contextmanager
def door(path: Path | str, *, reader: str, place: str = "") -> Iterator[None]:
    """Run foreign code: whatever it raises becomes a FileError on `path` and `place`; what it prints is dropped."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    except SurrogatesError:
        raise
    except (Exception, SystemExit) as error:
        where = f"{path}, {place}" if place else str(path)
        raise FileError(
            f"{where}: cannot be read as {reader} ({_reason(error)}); the file is damaged, truncated or of another "
            "format"
        ) from error


def present(path: str | Path) -> Path:
    """The absolute path of a file that exists and is not empty. Raises FileError."""
    path = Path(path).absolute()
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob("*" + path.suffix))[:5] if path.parent.is_dir() else []
        hint = f"; there are {', '.join(near)}" if near else ""
        raise FileError(f"{path}: no such file{hint}")
    if not path.is_file():
        raise FileError(f"{path}: not a file; give a file of structures")
    if path.stat().st_size == 0:
        raise FileError(f"{path}: the file is empty; at least one structure is expected")
    return path


def refuse_entities(path: Path) -> None:
    """Raise FileError where an XML file declares a document type: that is how entity bombs begin.

    Reads up to the first element; no format of structures needs such a declaration.
    """
    parser = xml.parsers.expat.ParserCreate()
    state = {"declared": False, "begun": False}
    parser.StartDoctypeDeclHandler = lambda *_: state.update(declared=True)
    parser.StartElementHandler = lambda *_: state.update(begun=True)
    with door(path, reader="XML"), path.open("rb") as file:
        while not any(state.values()) and (chunk := file.read(4096)):
            parser.Parse(chunk)
    if state["declared"]:
        raise FileError(f"{path}: declares a DOCTYPE, which may expand without bound; remove the declaration")


def refuse_impossible_counts(path: Path) -> None:
    """Raise FileError where a POSCAR or XDATCAR announces more atoms than it has lines; ASE would build them all."""
    with path.open("rb") as file:
        head = [file.readline(10_000).split() for _ in range(7)]
        lines = sum(1 for _ in file) + 7
    for words in head[5:]:
        counts = [int(w) for w in words if w.isdigit() and len(w) < 30]
        if sum(counts) > lines or any(w.isdigit() and len(w) >= 30 for w in words):
            raise FileError(f"{path}: announces {sum(counts)} atoms in {lines} lines; the file is damaged or truncated")


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """A foreign HDF5 file for reading, once all of its links are known to stay in its folder. Raises FileError."""
    with door(path, reader="HDF5"), h5py.File(path, "r") as file:
        for name, target in _outward(file):
            reached = (path.parent / target).resolve()
            if not reached.is_relative_to(path.parent.resolve()):
                raise FileError(
                    f"{path}: {name} points to {target}, outside the file's folder; copy the data into one folder"
                )
        yield file


def _outward(file: h5py.File) -> Iterator[tuple[str, str]]:
    """Names in `file` that lead to other files, and these files: external links, storage and virtual sources."""
    waiting, seen = [file["/"]], set()
    while waiting:
        group = waiting.pop()
        if group.id in seen:
            continue
        seen.add(group.id)
        for key in group:
            name, link = f"{group.name.rstrip('/')}/{key}", group.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield name, link.filename
            if not isinstance(link, h5py.HardLink):
                continue
            found = group[key]
            if isinstance(found, h5py.Group):
                waiting.append(found)
            elif isinstance(found, h5py.Dataset):
                yield from ((name, entry[0]) for entry in found.external or ())
                if found.is_virtual:
                    yield from ((name, s.file_name) for s in found.virtual_sources() if s.file_name != ".")


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
