"""A store of arrays under content keys, shared by every run of a user: what was computed once is read again.

One SQLite file in write-ahead mode: several processes write at once, and a killed one leaves the entries that it
finished. Each entry carries a digest of its bytes; a damaged one counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from surrogates.physics.errors import FileError

_BUSY = 60.0  # s that a writer waits for another
Arrays = dict[str, np.ndarray]


class Cache:
    """Arrays by key, on disk.

    Args:
        path: the SQLite file; made, with its folder, where absent. A file that is no database is moved aside.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._process = -1
        self._connection: sqlite3.Connection | None = None

    def get(self, key: str) -> Arrays | None:
        """The arrays stored under `key`; None where there are none or they are damaged."""
        try:
            row = self._db().execute("SELECT digest, payload FROM entries WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._failed("read", error) from error
        if row is None or hashlib.sha256(row[1]).hexdigest() != row[0]:
            return None
        return _unpack(row[1])

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store `arrays`; on return a killed process no longer loses them. FileError when the disk refuses."""
        payload = _pack(arrays)
        row = (key, hashlib.sha256(payload).hexdigest(), payload)
        try:
            self._db().execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", row)
        except sqlite3.Error as error:
            raise self._failed("write", error) from error

    def __len__(self) -> int:
        return int(self._db().execute("SELECT COUNT(*) FROM entries").fetchone()[0])

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None

    def _db(self) -> sqlite3.Connection:
        if self._connection is None or self._process != os.getpid():  # a connection must not cross a fork
            self._connection, self._process = self._opened(), os.getpid()
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return _connect(self.path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._failed("open", error) from error
        except OSError as error:
            raise self._failed("open", error) from error
        for suffix in ("", "-wal", "-shm"):  # no database: keep it for whoever wants to look, and begin anew
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.replace(part.with_name(part.name + ".damaged"))
        return _connect(self.path)

    def _failed(self, what: str, error: Exception) -> FileError:
        return FileError(
            f"cannot {what} the cache {self.path}: {error}; free space or repair it (it may be deleted at any time), "
            "or name another folder in SURROGATES_CACHE"
        )


def default_cache() -> Path:
    """Where a user's labels lie: the folder SURROGATES_CACHE, else `surrogates` in the system's cache folder."""
    if named := os.environ.get("SURROGATES_CACHE"):
        return Path(named) / "references.sqlite"
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base) / "surrogates" / "references.sqlite"


def digest(*parts: str | np.ndarray) -> str:
    """A content key: SHA-256 of texts and arrays, with their types, shapes and order; -0.0 counts as 0.0."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            data = part.encode()
            total.update(f"text {len(data)};".encode() + data)
        else:
            array = np.ascontiguousarray(part)
            array = array + 0.0 if array.dtype.kind == "f" else array
            total.update(f"{array.dtype.str} {array.shape};".encode() + array.tobytes())
    return total.hexdigest()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
    deadline = time.monotonic() + _BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, digest TEXT, payload BLOB) WITHOUT ROWID"
            )
            return connection
        except sqlite3.OperationalError as error:  # changing the mode does not wait for other openers by itself
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A line of JSON that names types and shapes, then the bytes of the arrays in that order."""
    kept = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    head = {name: [a.dtype.newbyteorder("<").str, list(np.shape(arrays[name]))] for name, a in kept.items()}
    body = b"".join(a.astype(a.dtype.newbyteorder("<"), copy=False).tobytes() for a in kept.values())
    return json.dumps(head).encode() + b"\n" + body


def _unpack(payload: bytes) -> Arrays:
    head, _, body = payload.partition(b"\n")
    arrays, start = {}, 0
    for name, (dtype, shape) in json.loads(head).items():
        count = int(np.prod(shape, dtype=int))
        arrays[name] = np.frombuffer(body, dtype, count, start).reshape(shape).copy()
        start += count * np.dtype(dtype).itemsize
    return arrays
