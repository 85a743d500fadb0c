"""Rows that a simulation writes down as it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


class Records:
    """Numbers, and positions if kept, of all structures by frame; NaN where a structure has stopped.

    Args:
        sizes: atoms of each structure. shapes: of what is written down of each structure, by name.
        keep_positions: whether positions are written down too.
    """

    def __init__(self, sizes: Sequence[int], shapes: Mapping[str, tuple[int, ...]], *, keep_positions: bool) -> None:
        self.sizes, self.shapes, self.keep_positions = list(sizes), dict(shapes), keep_positions
        self.steps: list[int] = []
        self.rows: dict[str, list[np.ndarray]] = {name: [] for name in shapes}
        self.positions: list[np.ndarray] = []

    def add(
        self, step: int, ids: Sequence[int], values: Mapping[str, np.ndarray], positions: Sequence[np.ndarray]
    ) -> None:
        """A frame of the structures `ids`; `values` has a row for each of them by name."""
        self.steps.append(step)
        for name, shape in self.shapes.items():
            row = np.full((len(self.sizes), *shape), np.nan)
            row[list(ids)] = values[name]
            self.rows[name].append(row)
        if self.keep_positions:
            parts = [np.full((n, 3), np.nan) for n in self.sizes]
            for k, own in zip(ids, positions, strict=True):
                parts[k] = own
            self.positions.append(np.concatenate(parts))

    def table(self, name: str) -> np.ndarray:
        """(frames, structures, ...) of what goes by that name."""
        return np.array(self.rows[name], dtype=float).reshape(-1, len(self.sizes), *self.shapes[name])

    def split_positions(self) -> tuple[np.ndarray, ...]:
        """(frames, atoms, 3) of each structure, Å; () when positions are not kept."""
        if not self.keep_positions:
            return ()
        whole = np.array(self.positions).reshape(len(self.positions), sum(self.sizes), 3)
        return tuple(np.split(whole, np.cumsum(self.sizes)[:-1], axis=1))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything, by name, for a file."""
        return {
            "steps": np.array(self.steps, dtype=np.int64),
            **{name: self.table(name) for name in self.shapes},
            "positions": np.array(self.positions, dtype=float).reshape(-1, sum(self.sizes), 3),
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take up what `arrays` gave."""
        self.steps = arrays["steps"].tolist()
        self.rows = {name: list(arrays[name]) for name in self.shapes}
        self.positions = list(arrays["positions"])
