"""What a mesh from a file must be to be learned from; what is wrong with one is told in a few words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from surrogates.datasets.mesh_sample import MeshSample
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.cells import DIMENSION, right_side_out


def sound(sample: MeshSample, *, drop_unused: bool = False) -> MeshSample:
    """The mesh with its cells of the highest dimension, right side out.

    Cells of lower dimension (lines on a boundary) go; the sets that they name become tags of their nodes.

    Args:
        drop_unused: remove nodes that belong to no cell, which are an error otherwise.
    Raises DomainError: no cells, folded or flat cells, unconnected nodes, values that are not finite.
    """
    if not np.isfinite(sample.points).all():
        raise DomainError("has points that are not finite")
    sample = _of_highest_dimension(sample)
    cells, bad = right_side_out(sample.points, sample.cells)
    if bad:
        kind, which = next(iter(bad.items()))
        total = sum(len(c) for c in sample.cells.values())
        raise DomainError(
            f"has {sum(map(len, bad.values()))} inverted or flat cells of {total} (the first: {kind} {which[0]})"
        )
    sample = replace(sample, cells=cells)
    if len(unused := sample.unused):
        if not drop_unused:
            raise DomainError(f"has {len(unused)} nodes that belong to no cell (the first: {unused[0]})")
        sample = _without(sample, unused)
    for name, values in sample.fields.items():
        _check_finite(name, values)
    for name, kinds in sample.cell_fields.items():
        for values in kinds.values():
            _check_finite(name, values)
    for name, number in sample.parameters.items():
        if not np.isfinite(number):
            raise DomainError(f"has the parameter {name} = {number}")
    return sample


def _of_highest_dimension(sample: MeshSample) -> MeshSample:
    dims = {kind: DIMENSION[kind] for kind, cells in sample.cells.items() if len(cells)}
    if not dims or max(dims.values()) == 0:
        raise DomainError("has no cells")
    kept = [kind for kind, dim in dims.items() if dim == max(dims.values())]
    tags = dict(sample.tags)
    for name, kinds in sample.cell_tags.items():
        for kind, marked in kinds.items():
            if kind in sample.cells and kind not in kept and marked.any():
                nodes = np.zeros(len(sample), dtype=bool)
                nodes[sample.cells[kind][marked].ravel()] = True
                tags[name] = tags.get(name, False) | nodes
    return replace(
        sample,
        cells={k: sample.cells[k] for k in kept},
        tags=tags,
        cell_fields=_on(sample.cell_fields, kept),
        cell_tags=_on(sample.cell_tags, kept, empty=False),
    )


def _on(named: Any, kept: list[str], *, empty: bool = True) -> dict[str, dict[str, np.ndarray]]:
    """Values on these kinds of cells; names without any are left out, as are sets without members where not `empty`."""
    found = {name: {k: v for k, v in kinds.items() if k in kept} for name, kinds in named.items()}
    return {n: kinds for n, kinds in found.items() if kinds and (empty or any(v.any() for v in kinds.values()))}


def _without(sample: MeshSample, nodes: np.ndarray) -> MeshSample:
    keep = np.ones(len(sample), dtype=bool)
    keep[nodes] = False
    number = np.cumsum(keep) - 1
    axis = 0 if sample.times is None else 1
    return replace(
        sample,
        points=sample.points[keep],
        cells={kind: number[cells] for kind, cells in sample.cells.items()},
        fields={name: np.compress(keep, values, axis=axis) for name, values in sample.fields.items()},
        tags={name: marked[keep] for name, marked in sample.tags.items()},
    )


def _check_finite(name: str, values: np.ndarray) -> None:
    if values.dtype.kind not in "fiub":
        raise DomainError(f"has {name} of type {values.dtype}, where numbers are wanted")
    wrong = ~np.isfinite(values)
    if wrong.any():
        raise DomainError(f"has {int(wrong.sum())} values of {name} that are not finite")
