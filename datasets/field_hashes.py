"""Identity of trajectories: by how they start, and by all they hold.

Two rows are the same problem when their first frames, constants, mask and parameters are equal in single precision; a
copy stored as float32 is thus found among float64 originals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from surrogates.datasets.trajectory import Trajectory


def start_hash(t: Trajectory) -> str:
    """SHA-256 of first frames, constants and mask: where the solution starts, whatever its parameters."""
    return _start(t).hexdigest()


def problem_hash(t: Trajectory) -> str:
    """SHA-256 of the start and of the parameters: what the solution is determined by."""
    digest = _start(t)
    for name in sorted(t.parameters):
        digest.update(f"parameter {name}".encode() + np.float32(t.parameters[name]).astype("<f4").tobytes())
    return digest.hexdigest()


def fields_hash(trajectories: Iterable[Trajectory]) -> str:
    """SHA-256 of all fields, times, coordinates, parameters and masks to the last bit, in order."""
    digest = hashlib.sha256()
    for t in trajectories:
        for name, array in (*sorted(t.fields.items()), *sorted(t.constants.items())):
            _add(digest, name, np.asarray(array), "<f8")
        for k, axis in enumerate(t.axes):
            _add(digest, f"axis {k} {t.periodic[k]}", axis, "<f8")
        _add(digest, "times", t.times, "<f8")
        for name in sorted(t.parameters):
            _add(digest, f"parameter {name}", np.array(t.parameters[name]), "<f8")
        if t.mask is not None:
            _add(digest, "mask", t.mask, "u1")
    return digest.hexdigest()


def _start(t: Trajectory) -> hashlib._Hash:
    digest = hashlib.sha256()
    for name in sorted(t.fields):
        _add(digest, name, np.asarray(t.fields[name][:1]), "<f4")
    for name in sorted(t.constants):
        _add(digest, name, np.asarray(t.constants[name]), "<f4")
    if t.mask is not None:
        _add(digest, "mask", t.mask, "u1")
    return digest


def _add(digest: hashlib._Hash, name: str, array: np.ndarray, dtype: str) -> None:
    digest.update(f"{name} {array.shape} ".encode())
    digest.update(np.ascontiguousarray(array + 0 if dtype != "u1" else array, dtype=dtype).tobytes())
