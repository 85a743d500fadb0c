"""Data sets of structures, in memory or in HDF5 shards that look like one.

A data set is one .h5 file, or a folder of them with a `manifest.json` that lists the shards known to be whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import ase
import numpy as np
from torch.utils.data import Dataset

from surrogates.datasets.flat import pack
from surrogates.datasets.hashes import content_hash, row_hash
from surrogates.datasets.parts import Loaded, OnDisk, Part
from surrogates.datasets.sample import UNITS, Sample
from surrogates.datasets.shard import read_shard, whole_file, write_shard
from surrogates.datasets.split import split_rows
from surrogates.physics.errors import DomainError, FileError

MANIFEST = "manifest.json"


class Structures(Dataset[Sample]):
    """Structures with their labels: map-style, picklable; an index gives a `Sample`, a slice or array a `Structures`.

    Args:
        samples: at least one; each label is there for all of them or for none (DomainError otherwise).
        provenance: JSON-able facts on where they come from; `description` is its text for people.
    """

    def __init__(self, samples: Iterable[Sample], *, provenance: Mapping[str, Any] | None = None) -> None:
        part = Loaded.of([s for s in samples])
        self._set([part], np.arange(len(part)), provenance or {})

    def _set(self, parts: Sequence[Part], rows: np.ndarray, provenance: Mapping[str, Any]) -> None:
        self._parts, self._rows, self.provenance = tuple(parts), rows, dict(provenance)
        self._ends = np.cumsum([len(p) for p in parts])

    @classmethod
    def _of(cls, parts: Sequence[Part], rows: np.ndarray, provenance: Mapping[str, Any]) -> Structures:
        made = cls.__new__(cls)
        made._set(parts, rows, provenance)
        return made

    @classmethod
    def open(cls, path: str | Path) -> Structures:
        """The data set stored at `path`, a .h5 file or a folder with a manifest. Raises FileError."""
        path = Path(path).absolute()
        parts, provenance = _stored(path / MANIFEST) if path.is_dir() else _single(path)
        return cls._of(parts, np.arange(sum(len(p) for p in parts)), provenance)

    def save(self, path: str | Path) -> Path:
        """Write all rows to one .h5 file, whole or not at all. Raises FileError (disk full, for one)."""
        write_shard(Path(path), pack(list(self)), self.provenance)
        return Path(path)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> Structures: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self._sample(int(self._rows[index]))
        chosen = self._rows[index if isinstance(index, slice) else np.asarray(index)]
        return self._of(self._parts, chosen, self.provenance)

    def __iter__(self) -> Iterator[Sample]:
        return (self._sample(int(row)) for row in self._rows)

    def __add__(self, other: Any) -> Structures:  # type: ignore[override]
        if not isinstance(other, Structures):
            return NotImplemented
        if self.labels != other.labels and len(self) and len(other):
            raise DomainError(
                f"data sets with labels {self.labels} and {other.labels} cannot be joined; "
                "a data set has a label for all of its samples or for none"
            )
        rows = np.concatenate([self._rows, other._rows + sum(len(p) for p in self._parts)])
        joined = [p.get("description", "") for p in (self.provenance, other.provenance)]
        return self._of(
            [*self._parts, *other._parts],
            rows,
            {
                "description": "\n".join(t for t in joined if t),
                "quarantined": [*self.quarantined, *other.quarantined],
            },
        )

    def __repr__(self) -> str:
        return f"Structures({len(self)} structures, elements {self.elements}, labels {self.labels})"

    def _sample(self, row: int) -> Sample:
        part = int(np.searchsorted(self._ends, row, side="right"))
        return self._parts[part].sample(row - int(self._ends[part]) + len(self._parts[part]))

    @cached_property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that occur, ascending."""
        return tuple(sorted({int(z) for s in self for z in np.unique(s.numbers)}))

    @property
    def labels(self) -> tuple[str, ...]:
        """Which reference values the samples have."""
        first = self[0] if len(self) else None
        return tuple(
            n for n in ("energy", "forces", "stress", "dipole", "hessian") if getattr(first, n, None) is not None
        )

    @property
    def units(self) -> dict[str, str]:
        """Units of everything the samples have."""
        return {k: v for k, v in UNITS.items() if k in ("positions", "cell", "charge", *self.labels)}

    @property
    def description(self) -> str:
        """Which file, keys and units the values came from, as text."""
        return str(self.provenance.get("description", f"{len(self)} structures"))

    @property
    def quarantined(self) -> tuple[dict[str, str], ...]:
        """Frames that a reader left out: file, place and reason of each."""
        return tuple(self.provenance.get("quarantined", ()))

    @cached_property
    def atoms(self) -> AtomsView:
        """The structures as ase.Atoms with their labels, made when looked at."""
        return AtomsView(self)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all structures and labels to the last bit, in order."""
        return content_hash(self)

    def row_hashes(self) -> list[str]:
        """SHA-256 of each geometry, see `datasets/hashes.py`."""
        return [row_hash(s) for s in self]

    def every(self, n: int) -> Structures:
        """Each n-th structure."""
        return self[::n]

    def distinct(self) -> Structures:
        """The first row of each structure, repetitions left out (energies of a repetition are not compared)."""
        first = {digest: row for row, digest in reversed(list(enumerate(self.row_hashes())))}
        return self[np.array(sorted(first.values()), dtype=int)]

    def split(self, *sizes: float | int, seed: int = 0, method: str = "block", gap: int = 0) -> tuple[Structures, ...]:
        """Parts of the given fractions or counts, disjoint; each keeps the order of the rows.

        "block" cuts every trajectory and composition into contiguous blocks and shares them out in proportion, leaving
        out `gap` frames around each cut; "random" deals rows out one by one; "group" keeps whole trajectories
        (compositions, where there is one trajectory) together. Raises DomainError where there are too few structures.
        """
        formulas = [np.sort(s.numbers).astype("u1").tobytes().hex() for s in self]
        names = [s.group for s in self]
        together = names if len(set(names)) > 1 else formulas
        strata = [f"{g}\n{f}" for g, f in zip(names, formulas, strict=True)]
        return tuple(self[r] for r in split_rows(strata, together, sizes, seed=seed, method=method, gap=gap))

    def __getstate__(self) -> dict[str, Any]:
        return {"parts": self._parts, "rows": self._rows, "provenance": self.provenance}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(state["parts"], state["rows"], state["provenance"])


class AtomsView(Sequence[ase.Atoms]):
    """A data set seen as ase.Atoms; slices are views too."""

    def __init__(self, structures: Structures) -> None:
        self._structures = structures

    def __len__(self) -> int:
        return len(self._structures)

    def __getitem__(self, index: Any) -> Any:
        found = self._structures[index]
        return found.atoms() if isinstance(found, Sample) else AtomsView(found)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest at `path`, checked. Raises FileError."""
    data = whole_file(path)
    try:
        manifest = json.loads(data)
        for entry in manifest["shards"]:
            if Path(entry["name"]).name != entry["name"] or not entry["name"].endswith(".h5") or entry["count"] < 1:
                raise ValueError(f"entry {entry}")
            str(entry["sha256"])
        dict(manifest["provenance"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(
            f"{path}: damaged manifest ({error!r}); the shards beside it can be opened one by one"
        ) from error
    return manifest


def _stored(path: Path) -> tuple[list[Part], dict[str, Any]]:
    if not path.exists():
        raise FileError(
            f"{path.parent}: a folder without {MANIFEST}; give a .h5 file or the folder of a stored data set"
        )
    manifest = read_manifest(path)
    parts = [OnDisk(path.parent / e["name"], e["sha256"], e["count"]) for e in manifest["shards"]]
    for part in parts:
        if not part.path.exists():
            raise FileError(f"{part.path}: missing, though {path} lists it; restore it or make the data again")
    return list(parts), manifest["provenance"]


def _single(path: Path) -> tuple[list[Part], dict[str, Any]]:
    arrays, provenance = read_shard(path)
    if not isinstance(provenance, dict):
        raise FileError(f"{path}: its provenance is not a mapping; make the file again")
    return [Loaded(arrays)], provenance
