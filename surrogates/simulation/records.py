"""Rows that a simulation writes down as it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


class Records:
    """Energies, and positions if kept, of all structures by frame; NaN where a structure has stopped.

    Args:
        sizes: atoms of each structure. keep_positions: whether positions are written down too.
    """

    def __init__(self, sizes: Sequence[int], *, keep_positions: bool) -> None:
        self.sizes, self.keep_positions = list(sizes), keep_positions
        self.steps: list[int] = []
        self.energy: list[np.ndarray] = []
        self.kinetic: list[np.ndarray] = []
        self.positions: list[np.ndarray] = []

    def add(
        self, step: int, ids: Sequence[int], energy: np.ndarray, kinetic: np.ndarray, positions: Sequence[np.ndarray]
    ) -> None:
        """A frame of the structures `ids`."""
        self.steps.append(step)
        for rows, values in ((self.energy, energy), (self.kinetic, kinetic)):
            row = np.full(len(self.sizes), np.nan)
            row[list(ids)] = values
            rows.append(row)
        if self.keep_positions:
            parts = [np.full((n, 3), np.nan) for n in self.sizes]
            for k, own in zip(ids, positions, strict=True):
                parts[k] = own
            self.positions.append(np.concatenate(parts))

    def split_positions(self) -> tuple[np.ndarray, ...]:
        """(frames, atoms, 3) of each structure, Å; () when positions are not kept."""
        if not self.keep_positions:
            return ()
        whole = np.array(self.positions).reshape(len(self.positions), sum(self.sizes), 3)
        return tuple(np.split(whole, np.cumsum(self.sizes)[:-1], axis=1))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything, by name, for a file."""
        n, atoms = len(self.sizes), sum(self.sizes)
        return {
            "steps": np.array(self.steps, dtype=np.int64),
            "energy": np.array(self.energy, dtype=float).reshape(-1, n),
            "kinetic": np.array(self.kinetic, dtype=float).reshape(-1, n),
            "positions": np.array(self.positions, dtype=float).reshape(-1, atoms, 3),
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take up what `arrays` gave."""
        self.steps = arrays["steps"].tolist()
        self.energy, self.kinetic, self.positions = (list(arrays[name]) for name in ("energy", "kinetic", "positions"))
