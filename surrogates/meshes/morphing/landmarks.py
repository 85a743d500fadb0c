"""Points with numbers that correspond from mesh to mesh: what morphs of solids, blades and other free shapes need."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from surrogates.physics.errors import DomainError

Array = np.ndarray


class Landmarks:
    """Nodes that carry a positive whole number in the field `name`; the same number is the same place in every mesh.

    Raises DomainError where the field is missing, numbers repeat, or a mesh lacks one.
    """

    def __init__(self, fields: Mapping[str, Array], name: str) -> None:
        self.name = name
        self.numbers, self.nodes = self._read(fields)
        self.steady = np.ones(len(self.nodes), dtype=bool)

    def __call__(self, points: Array, fields: Mapping[str, Array]) -> Array:
        """Their places (b, d) in another mesh."""
        numbers, nodes = self._read(fields)
        missing = np.setdiff1d(self.numbers, numbers)
        if len(missing):
            raise DomainError(
                f"landmarks {missing[:5].tolist()} of {self.name!r} are missing in this mesh; number the same places "
                f"in every mesh ({len(self.numbers)} in the common one)"
            )
        return points[nodes[np.searchsorted(numbers, self.numbers)]]

    def _read(self, fields: Mapping[str, Array]) -> tuple[Array, Array]:
        if self.name not in fields:
            raise DomainError(
                f"there is no field {self.name!r} of landmarks; the mesh has {', '.join(fields) or 'none'}"
            )
        values = np.asarray(fields[self.name], dtype=float)
        nodes = np.flatnonzero(np.nan_to_num(values.reshape(len(values), -1)[:, 0]) > 0)
        numbers = values.reshape(len(values), -1)[nodes, 0].round().astype(np.int64)
        order = np.argsort(numbers)
        if not len(nodes) or len(np.unique(numbers)) < len(numbers):
            raise DomainError(
                f"the landmarks {self.name!r} mark {len(nodes)} nodes with {len(np.unique(numbers))} different "
                "numbers; give a node of each number"
            )
        return numbers[order], nodes[order]
