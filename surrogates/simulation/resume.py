"""The state of an interrupted simulation, as a safetensors file that is written whole or not at all."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
from torch import Tensor

from surrogates import tensor_file
from surrogates.physics.errors import FileError

SECONDS = 20.0  # between two writes


class Checkpoint:
    """Writes a state now and then, and finds it again.

    Args:
        path: the file; None writes nothing. identity: what a state must belong to, from `identify`.
    """

    def __init__(self, path: str | Path | None, identity: str) -> None:
        self.path = None if path is None else Path(path)
        self.identity = identity
        self._written = time.monotonic()

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and JSON of the last state; None when there is none. FileError for another simulation's state."""
        if self.path is None or not self.path.exists():
            return None
        tensors, facts = tensor_file.read(self.path)
        if facts.get("identity") != self.identity:
            raise FileError(
                f"{self.path} is the checkpoint of another simulation (other structures or settings); "
                "give another name, or remove it to begin anew"
            )
        return tensors, facts

    def write(self, state: Callable[[], tuple[Mapping[str, Tensor], Mapping[str, Any]]], *, now: bool = False) -> None:
        """Write what `state` returns, when 20 s have passed or `now`."""
        if self.path is None or not (now or time.monotonic() - self._written > SECONDS):
            return
        tensors, facts = state()
        tensor_file.write(self.path, tensors, {**facts, "identity": self.identity})
        self._written = time.monotonic()


def identify(atoms: Sequence[ase.Atoms], *settings: Any) -> str:
    """SHA-256 of the structures one starts from and of the settings, by their `repr`."""
    sha = hashlib.sha256(repr(settings).encode())
    for a in atoms:
        for array in (a.numbers, a.positions, a.cell.array, a.pbc, a.get_masses(), a.get_momenta()):
            sha.update(np.ascontiguousarray(array).tobytes())
        sha.update(repr([c.todict() for c in a.constraints]).encode())
    return sha.hexdigest()
