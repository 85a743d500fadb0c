"""What a surrogate says of one mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from surrogates.datasets.adapters.mesh_files import write_mesh
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.physics.errors import DomainError


@dataclass(frozen=True, eq=False)
class MeshPrediction:
    """Fields on a mesh with their standard deviation.

    Args:
        sample: the mesh, with whatever was known on it. fields: predicted, by name, (nodes, *components), or
            (times, nodes, *components) after a rollout. std: of the same shapes; None without a spread.
        quantities: numbers of the whole mesh (a peak stress) by name: value and standard deviation, or None for it.
        times: of the frames of a rollout.
    """

    sample: MeshSample
    fields: Mapping[str, np.ndarray]
    std: Mapping[str, np.ndarray] | None = None
    quantities: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)
    times: np.ndarray | None = None

    def write(self, path: str | Path, *, frame: int = -1) -> Path:
        """Write mesh, prediction and its spread (`NAME_std`) to a mesh file such as .vtu; `frame` of a rollout.

        Raises DomainError for a kind of file that is unknown, FileError where it cannot be written.
        """
        found = dict(self.fields) | {f"{name}_std": values for name, values in (self.std or {}).items()}
        if self.times is not None:
            found = {name: np.asarray(values)[frame] for name, values in found.items()}
        if not found:
            raise DomainError("there are no fields in this prediction; name some when the surrogate is made")
        units = {k: v for k, v in self.sample.units.items() if k == "points" or k in found}
        plain = replace(
            self.sample, fields={k: np.asarray(v, dtype=np.float64) for k, v in found.items()}, times=None, units=units
        )
        return write_mesh(plain, path)
