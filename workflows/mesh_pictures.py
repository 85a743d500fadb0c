"""What reports draw of meshes, as arrays that are small: places on the page, triangles, one number a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from surrogates.datasets import Meshes
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.workflows.mesh_surfaces import Surface, surface

_MOST = 8  # meshes of a data set that are shown
Arrays = dict[str, np.ndarray]


def placed(key: str, sample: MeshSample) -> tuple[Arrays, Surface]:
    """Points and triangles of a mesh under `key`, and the surface they are of."""
    seen = surface(sample)
    found = {f"{key}_points": seen.points.astype(np.float32), f"{key}_triangles": seen.triangles.astype(np.int32)}
    if sample.dim == 3:
        found[f"{key}_solid"] = np.ones(1, dtype=bool)
    return found, seen


def valued(
    key: str, name: str, nodes: np.ndarray, truth: Any, said: Any = None, std: Any = None, lead: int = 1
) -> Arrays:
    """A field on a surface under `key`, as a number a node: the value, or the length of a vector or tensor.

    The difference of numbers has its sign, that of vectors is the length of their difference. `lead` axes are in front
    of the components, the last of them the nodes'.
    """
    truth = np.take(np.asarray(truth, dtype=float), nodes, axis=lead - 1)
    found = {f"{key}_{name}_truth": _number(truth, lead)}
    if said is not None:
        said = np.take(np.asarray(said, dtype=float), nodes, axis=lead - 1)
        found[f"{key}_{name}_said"] = _number(said, lead)
        found[f"{key}_{name}_error"] = _number(said - truth, lead)
    if std is not None:
        found[f"{key}_{name}_std"] = _number(np.take(np.asarray(std, dtype=float), nodes, axis=lead - 1), lead)
    return {k: v.astype(np.float32) for k, v in found.items()}


def shown_data(data: Meshes) -> Arrays:
    """A few meshes of a data set, evenly drawn, with their last field and frame: to see what they are."""
    rows = np.unique(np.linspace(0, len(data) - 1, _MOST).astype(int))
    found: Arrays = {"rows": rows}
    for row in rows:
        sample = data[int(row)]
        here, seen = placed(str(row), sample)
        found |= here
        if sample.fields:
            name = list(sample.fields)[-1]
            values = sample.fields[name] if sample.times is None else sample.fields[name][-1]
            found |= valued(str(row), "shown", seen.nodes, values)
    return found


def title_of(sample: MeshSample, vary: Mapping[str, bool]) -> str:
    """The parameters of a mesh that are not the same on all."""
    return ", ".join(f"{n} {v:.3g}" for n, v in sample.parameters.items() if vary.get(n, True))[:60]


def _number(values: np.ndarray, lead: int) -> np.ndarray:
    """(*lead, *components) -> (*lead,)."""
    if values.ndim == lead:
        return values
    flat = values.reshape(*values.shape[:lead], -1)
    return flat[..., 0] if flat.shape[-1] == 1 else np.linalg.norm(flat, axis=-1)
