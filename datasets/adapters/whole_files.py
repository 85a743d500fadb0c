"""Large files that are there wholly or not at all, with a header that proves it.

The first 512 bytes are HDF5's user block, which other HDF5 programs skip; ours holds the length of all that follows
and its SHA-256.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from surrogates.datasets.shard import BLOCK, sync_folder
from surrogates.physics.errors import FileError

FORMAT = 1
MAGIC = b"surrogates fields "
MESHES = b"surrogates meshes "
PROVED_AT_ONCE = 2**26  # bytes; a larger file is not read whole to open it: HDF5 checks each piece when it is read


@contextmanager
def written_whole(path: Path, magic: bytes = MAGIC) -> Iterator[Path]:
    """A temporary file to write HDF5 to, its user block left free; it becomes `path` when all has gone well.

    Raises FileError (disk full, for one); what was at `path` before is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        size, digest = temporary.stat().st_size - BLOCK, _digest(temporary)
        header = magic + f"{FORMAT} sha256 {digest} bytes {size}\n".encode()
        with temporary.open("r+b") as file:
            file.write(header.ljust(BLOCK, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise FileError(
            f"{path}: cannot be written ({error.strerror or error}); what was stored before is untouched, so make room "
            "or choose another folder and run again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def proved(path: Path) -> str:
    """The SHA-256 in the header of one of our files, "" for others. Raises FileError for a damaged one of ours."""
    with path.open("rb") as file:
        head = file.read(BLOCK)
    if not head.startswith((MAGIC, MESHES)):
        return ""
    words = head[len(MAGIC) :].rstrip(b"\0").split()
    if len(words) != 5 or words[0] != str(FORMAT).encode() or not words[4].isdigit():
        raise FileError(f"{path}: header damaged, or of a newer format than {FORMAT}; make the file again or update")
    digest, size = words[2].decode(errors="replace"), path.stat().st_size - BLOCK
    if size != int(words[4]):
        raise FileError(
            f"{path}: damaged: it has {size} bytes where its header gives {int(words[4])}; make it again or restore a "
            "copy"
        )
    if size <= PROVED_AT_ONCE and _digest(path) != digest:
        raise FileError(
            f"{path}: damaged: its content does not have the SHA-256 that its header gives; make it again or restore "
            "a copy"
        )
    return digest


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(BLOCK)
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
