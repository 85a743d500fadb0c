"""Identity of structures: has a model been trained on what it is tested on?

Two rows are the same structure when elements, charge, multiplicity, cell and positions agree to 0.0001 Å, whatever the
order of the atoms and, in molecules, wherever the centre lies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np

from surrogates.datasets.sample import LABELS, Sample
from surrogates.physics.errors import DomainError

DECIMALS = 4


@runtime_checkable
class Hashed(Protocol):
    """A data set that names its rows by content."""

    def row_hashes(self) -> list[str]: ...


def row_hash(sample: Sample) -> str:
    """SHA-256 of the geometry alone, labels left out; invariant to the order of the atoms."""
    places = _canonical(sample)
    order = np.lexsort((places[:, 2], places[:, 1], places[:, 0], sample.numbers))
    digest = hashlib.sha256()
    for part in (
        np.asarray(sample.numbers)[order].astype("<i8"),
        places[order].astype("<i8"),
        _rounded(sample.cell * np.asarray(sample.pbc)[:, None]),
        np.asarray(sample.pbc).astype("<i8"),
        np.array([round(sample.charge * 1000), sample.multiplicity], "<i8"),
    ):
        digest.update(np.ascontiguousarray(part).tobytes() + b"|")
    return digest.hexdigest()


def content_hash(samples: Iterable[Sample]) -> str:
    """SHA-256 of structures and labels to the last bit, in order."""
    digest = hashlib.sha256()
    for sample in samples:
        for name in ("numbers", "positions", "cell", "pbc", "charge", "multiplicity", *LABELS):
            value = getattr(sample, name)
            digest.update(name.encode() + (b"-" if value is None else np.asarray(value, "<f8").tobytes()))
    return digest.hexdigest()


def _canonical(sample: Sample) -> np.ndarray:
    if not np.any(sample.pbc):
        return _rounded(sample.positions - sample.positions.mean(axis=0, keepdims=True))
    if not np.all(sample.pbc):
        return _rounded(sample.positions)
    scale = np.linalg.norm(sample.cell, axis=1) * 10**DECIMALS  # fractions counted in steps of 0.0001 Å
    steps = np.rint(np.linalg.solve(sample.cell.T, sample.positions.T).T * scale)
    return np.mod(steps, np.maximum(np.rint(scale), 1)).astype("<i8")


def _rounded(x: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(x, float) * 10**DECIMALS).astype("<i8")


def overlap(train: Hashed, test: Hashed) -> list[tuple[int, int]]:
    """Pairs (row of `train`, row of `test`) that are the same structure, one pair for each such row of `test`."""
    known = {digest: row for row, digest in reversed(list(enumerate(train.row_hashes())))}
    return [(known[digest], row) for row, digest in enumerate(test.row_hashes()) if digest in known]


def require_disjoint(train: Hashed, **others: Hashed) -> None:
    """Raise DomainError when a row of one of `others` (named by keyword) is among the training rows."""
    for name, other in others.items():
        if found := overlap(train, other):
            a, b = found[0]
            raise DomainError(
                f"{len(found)} structures of the {name} data are among the training data (row {b} of {name} is row {a} "
                "of training); scores on them mean nothing, so remove repetitions before splitting (.distinct())"
            )
