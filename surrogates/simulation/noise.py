"""Random numbers of a simulation as a function of (seed, structure, step), so that there is no state to lose.

The k-th structure draws the same numbers whoever stands beside it, lives or dies, and after a restart.
Counter-based: Parallel Random Numbers: As Easy as 1, 2, 3 (doi:10.1145/2063384.2063405), Philox.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

_BLOCK = 20_000  # normal numbers drawn at a time, at most, for steps to come


class Noise:
    """Standard normal numbers for the atoms of many structures.

    Args:
        seed: of the whole simulation. sizes: atoms of each structure.
    """

    def __init__(self, seed: int, sizes: Sequence[int]) -> None:
        self._seed, self._sizes = seed, list(sizes)
        self._blocks: dict[int, tuple[int, np.ndarray]] = {}

    def __call__(self, structures: Sequence[int], step: int) -> Float[np.ndarray, "atoms 3"]:
        """Numbers for the atoms of `structures`, in that order, at `step`; step -1 is before the first."""
        return np.concatenate([self._one(k, step) for k in structures])

    def _one(self, k: int, step: int) -> np.ndarray:
        n = self._sizes[k]
        length = max(1, min(64, _BLOCK // (3 * n)))
        block, row = divmod(step, length)
        if k not in self._blocks or self._blocks[k][0] != block:
            key = np.array([self._seed % 2**64, k], dtype=np.uint64)
            philox = np.random.Philox(key=key, counter=np.array([0, 0, 0, block % 2**64], dtype=np.uint64))
            self._blocks[k] = (block, np.random.Generator(philox).standard_normal((length, n, 3)))
        return self._blocks[k][1][row]
