"""Where samples lie: in memory, or in a shard on disk that each process opens for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from surrogates.datasets.flat import Arrays, pack, unpack
from surrogates.datasets.sample import Sample
from surrogates.datasets.shard import read_shard

SHARDS_IN_MEMORY = 64


class Loaded:
    """Flat arrays in memory; a sample is built once, so that what is cached on it stays."""

    def __init__(self, arrays: Arrays) -> None:
        for array in arrays.values():
            array.setflags(write=False)
        self.arrays = arrays
        self._samples: dict[int, Sample] = {}

    @staticmethod
    def of(samples: Sequence[Sample]) -> Loaded:
        return Loaded(pack(samples))

    def __len__(self) -> int:
        return len(self.arrays["offsets"]) - 1

    def sample(self, k: int) -> Sample:
        if k not in self._samples:
            self._samples[k] = unpack(self.arrays, k)
        return self._samples[k]

    def __getstate__(self) -> dict[str, Any]:
        return {"arrays": dict(self.arrays)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["arrays"])  # type: ignore[misc]


@dataclass(frozen=True)
class OnDisk:
    """A shard, by its path and digest; opened when first looked at, in each process anew."""

    path: Path
    digest: str
    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def arrays(self) -> Arrays:
        return _load(self.path, self.digest).arrays

    def sample(self, k: int) -> Sample:
        return _load(self.path, self.digest).sample(k)


Part: TypeAlias = Loaded | OnDisk  # a fixed sequence of samples


@lru_cache(maxsize=SHARDS_IN_MEMORY)
def _load(path: Path, digest: str) -> Loaded:
    return Loaded(read_shard(path, digest)[0])
