"""Files that are either whole or absent, and the lock of a run directory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from surrogates.physics.errors import FileError, WorkflowError


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Temporary file, fsync, rename: a reader sees the old content or the new. FileError when the disk refuses."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FileError(f"{path}: cannot be written ({error.strerror}); free space or permit writing there") from error


def write_json(path: Path, value: Any) -> None:
    """`value` as JSON with sorted keys: equal values are equal bytes."""
    write_text(path, canonical(value, indent=1) + "\n")


def canonical(value: Any, indent: int | None = None) -> str:
    """JSON with sorted keys; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, indent=indent, ensure_ascii=False, allow_nan=False)


def read_json(path: Path) -> Any:
    """The value in a JSON file, None when it is absent or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes; of a folder's, file by file with their names."""
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            total.update(file.relative_to(path).as_posix().encode() + b"\0")
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run directory; WorkflowError when another process does. The system lets go when a process dies."""
    with _lock_file(folder) as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            file.seek(0)
            raise WorkflowError(
                f"{folder} is in use by process {file.read().strip() or 'unknown'}; wait for it, or run under another "
                "name with --set name=other"
            ) from error
        file.truncate(0)
        with suppress(OSError):  # a full disk: what follows says it better
            os.write(file.fileno(), str(os.getpid()).encode())
        yield


def _lock_file(folder: Path) -> TextIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return open(folder / "lock", "a+", encoding="utf-8")
    except OSError as error:
        raise FileError(
            f"{folder}: cannot be made ({error.strerror}); free space or permit writing there, or give --runs"
        ) from error


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
