"""Appending to a stored data set so that a kill loses at most what was appended since the last flush."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from surrogates.datasets.flat import pack, unpack
from surrogates.datasets.sample import Sample
from surrogates.datasets.shard import read_shard, write_shard, write_whole
from surrogates.datasets.store import MANIFEST, Structures, read_manifest


class ShardWriter:
    """Appends samples to the data set in `folder`, which it makes or continues.

    A flush writes the samples of the youngest shard as a new file and then replaces the manifest; readers see either
    the old or the new state. One writer a folder.

    Args:
        folder: the data set's.
        every: samples after which `append` flushes. seconds: time after which it flushes.
        shard: samples a shard, after which a new one begins.
        provenance: JSON-able facts stored with the data.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        every: int = 64,
        seconds: float = 20.0,
        shard: int = 1024,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.every, self.seconds, self.shard = every, seconds, shard
        self._closed: list[dict[str, Any]] = []
        self._young: list[Sample] = []
        self._stored, self._name, self._time = 0, "", time.monotonic()
        self.provenance = dict(provenance or {})
        if (self.folder / MANIFEST).exists():
            self._resume(provenance)
        self._remove_strays()

    def __len__(self) -> int:
        """Samples taken so far, those of earlier runs included."""
        return sum(e["count"] for e in self._closed) + len(self._young)

    @property
    def stored(self) -> int:
        """Samples that a kill cannot take any more."""
        return sum(e["count"] for e in self._closed) + self._stored

    def append(self, sample: Sample) -> None:
        """Take one sample; flushes when it is time. Raises FileError when that fails, DomainError on its labels."""
        self._young.append(sample)
        if len(self._young) - self._stored >= self.every or time.monotonic() - self._time >= self.seconds:
            self.flush()

    def flush(self) -> None:
        """Make everything appended so far safe. After a FileError (disk full) it may be called again."""
        self._time = time.monotonic()
        if len(self._young) == self._stored:
            return
        old, name = self._name, f"shard-{len(self._closed):05d}-{len(self._young):05d}.h5"
        digest = write_shard(self.folder / name, pack(self._young), self.provenance)
        entry = {"name": name, "count": len(self._young), "sha256": digest}
        self._write_manifest([*self._closed, entry])
        self._stored, self._name = len(self._young), name
        if old:
            (self.folder / old).unlink(missing_ok=True)
        if len(self._young) >= self.shard:
            self._closed.append(entry)
            self._young, self._stored, self._name = [], 0, ""

    def close(self) -> Structures | None:
        """Flush, and open what is there; None when nothing was ever appended."""
        self.flush()
        return Structures.open(self.folder) if len(self) else None

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def _write_manifest(self, shards: list[dict[str, Any]]) -> None:
        text = json.dumps({"format": 1, "shards": shards, "provenance": self.provenance}, indent=1)
        write_whole(self.folder / MANIFEST, text.encode())

    def _resume(self, provenance: Mapping[str, Any] | None) -> None:
        manifest = read_manifest(self.folder / MANIFEST)
        self.provenance = dict(provenance if provenance is not None else manifest["provenance"])
        self._closed = list(manifest["shards"])
        if self._closed and self._closed[-1]["count"] < self.shard:
            young = self._closed.pop()
            arrays, _ = read_shard(self.folder / young["name"], young["sha256"])
            self._young = [unpack(arrays, k) for k in range(young["count"])]
            self._stored, self._name = len(self._young), young["name"]

    def _remove_strays(self) -> None:
        """Remove what a kill between two steps of a flush left behind."""
        listed = {e["name"] for e in self._closed} | {self._name}
        for pattern in ("shard-?????-?????.h5", ".shard-*.tmp", f".{MANIFEST}.*.tmp"):
            for stray in self.folder.glob(pattern):
                if stray.name not in listed:
                    stray.unlink(missing_ok=True)
