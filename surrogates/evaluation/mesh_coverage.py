"""How a band on meshes did: at all nodes, each mesh one block of the standard error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from surrogates.evaluation.coverage import FIELD_POINTS, LEVEL, Coverage, coverage, energy_band


def mesh_coverage(arrays: Mapping[str, np.ndarray], name: str, *, level: float = LEVEL) -> Coverage | None:
    """Coverage of the band of a field, from `NAME`, `NAME_reference`, `NAME_std` (all nodes, ...), `mesh_of` and `row`.

    At most FIELD_POINTS values are looked at, drawn at random. What is prescribed (no band and no error) is left out.
    """
    said, truth, std = (arrays[key].reshape(len(arrays[key]), -1) for key in (name, f"{name}_reference", f"{name}_std"))
    mesh = arrays["row"][arrays.get(f"{name}_mesh_of", arrays["mesh_of"])]
    error, width = np.abs(said - truth), energy_band(std, level=level)
    known = np.isfinite(width) & ((width > 0) | (error > 1e-6 * np.abs(truth).max(initial=0.0)))
    rows, columns = np.nonzero(known)
    if len(rows) < 3:
        return None
    chosen = np.random.default_rng(0).permutation(len(rows))[:FIELD_POINTS]
    rows, columns = rows[chosen], columns[chosen]
    return coverage(error[rows, columns], width[rows, columns], level=level, group=mesh[rows])
