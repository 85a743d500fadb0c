"""Samples of different sizes as flat arrays plus offsets: the layout of a shard, in memory and on disk.

Atoms `offsets[k]:offsets[k+1]` belong to sample k. Labels are there for every sample or for none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surrogates.datasets.sample import LABELS, Sample
from surrogates.physics.errors import DomainError

Arrays = Mapping[str, np.ndarray]
PER_ATOM: dict[str, tuple[tuple[int, ...], Any]] = {
    "numbers": ((), np.uint8),
    "positions": ((3,), np.float64),
    "forces": ((3,), np.float64),
}
PER_SAMPLE: dict[str, tuple[tuple[int, ...], Any]] = {
    "cell": ((3, 3), np.float64),
    "pbc": ((3,), np.bool_),
    "charge": ((), np.float64),
    "multiplicity": ((), np.int32),
    "energy": ((), np.float64),
    "stress": ((6,), np.float64),
    "dipole": ((3,), np.float64),
    "row": ((), np.int64),
}


def pack(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Flat arrays of `samples`. Raises DomainError where some have a label that others lack."""
    counts = np.array([len(s) for s in samples], dtype=np.int64)
    arrays: dict[str, np.ndarray] = {"offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)}
    absent = {name for name in LABELS if not _has(samples, name)}
    for name, (shape, dtype) in PER_ATOM.items():
        if name not in absent:
            rows = [np.asarray(getattr(s, name)).reshape(-1, *shape) for s in samples]
            arrays[name] = np.concatenate(rows).astype(dtype) if rows else np.zeros((0, *shape), dtype)
    for name, (shape, dtype) in PER_SAMPLE.items():
        if name not in absent:
            arrays[name] = np.array([getattr(s, name) for s in samples], dtype).reshape(-1, *shape)
    if "hessian" not in absent:
        arrays["hessian"] = np.concatenate([np.asarray(s.hessian, np.float64).ravel() for s in samples])
    names = sorted({s.group for s in samples})
    arrays["group"] = np.array([names.index(s.group) for s in samples], dtype=np.int32)
    arrays["groups"] = np.array(names, dtype=object)
    return arrays


def unpack(arrays: Arrays, k: int, row: int | None = None) -> Sample:
    """Sample `k` as views of the arrays."""
    first, last = int(arrays["offsets"][k]), int(arrays["offsets"][k + 1])
    optional = {name: arrays[name][k] for name in ("energy", "stress", "dipole") if name in arrays}
    if "energy" in optional:
        optional["energy"] = float(optional["energy"])
    if "forces" in arrays:
        optional["forces"] = arrays["forces"][first:last]
    if "hessian" in arrays:
        optional["hessian"] = _hessian(arrays, k)
    return Sample(
        numbers=arrays["numbers"][first:last].astype(np.int64),
        positions=arrays["positions"][first:last],
        cell=arrays["cell"][k],
        pbc=arrays["pbc"][k],
        charge=float(arrays["charge"][k]),
        multiplicity=int(arrays["multiplicity"][k]),
        group=str(arrays["groups"][arrays["group"][k]]),
        row=int(arrays["row"][k]) if row is None else row,
        **optional,
    )


def fault(arrays: Arrays) -> str | None:
    """What is wrong with the shapes of arrays that came from a file; None when they fit together."""
    needed = {"offsets", "numbers", "positions", "cell", "pbc", "charge", "multiplicity", "group", "groups", "row"}
    if missing := needed - set(arrays):
        return f"{', '.join(sorted(missing))} missing"
    offsets = arrays["offsets"]
    if offsets.ndim != 1 or len(offsets) < 1 or offsets[0] != 0 or np.any(np.diff(offsets) < 0):
        return "offsets do not ascend from 0"
    n, total = len(offsets) - 1, int(offsets[-1])
    expected = {k: (total, *shape) for k, (shape, _) in PER_ATOM.items()}
    expected |= {k: (n, *shape) for k, (shape, _) in PER_SAMPLE.items()} | {"group": (n,)}
    expected["hessian"] = (int((9 * np.diff(offsets) ** 2).sum()),)
    for name, shape in expected.items():
        if name in arrays and arrays[name].shape != shape:
            return f"{name} has shape {arrays[name].shape}, not {shape}"
    if n and (arrays["group"].min() < 0 or arrays["group"].max() >= len(arrays["groups"])):
        return "group points outside groups"
    return None


def _has(samples: Sequence[Sample], label: str) -> bool:
    given = [getattr(s, label) is not None for s in samples]
    if any(given) and not all(given):
        raise DomainError(
            f"{label} is given for {sum(given)} of {len(given)} samples (sample {given.index(False)} has none); "
            "a data set has a label for all of its samples or for none, so complete it or keep two data sets"
        )
    return any(given)


def _hessian(arrays: Arrays, k: int) -> np.ndarray:
    sizes = 9 * np.diff(arrays["offsets"][: k + 2]) ** 2
    side = 3 * int(arrays["offsets"][k + 1] - arrays["offsets"][k])
    return arrays["hessian"][int(sizes[:-1].sum()) : int(sizes.sum())].reshape(side, side)
