"""What may be done to a mesh with fields: renumbered, moved, turned, refined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from surrogates.datasets import MeshSample
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.boundary import boundary_nodes

Array = np.ndarray


def renumbered(sample: MeshSample, order: Array) -> MeshSample:
    """With the nodes in another order: new node k is old node order[k]; cells in reverse order too."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    steady = sample.times is None
    return replace(
        sample,
        points=sample.points[order],
        cells={kind: place[cells][::-1].copy() for kind, cells in sample.cells.items()},
        fields={n: np.asarray(v)[order] if steady else np.asarray(v)[:, order] for n, v in sample.fields.items()},
        tags={n: np.asarray(v)[order] for n, v in sample.tags.items()},
        cell_fields={n: {k: np.asarray(v)[::-1] for k, v in kinds.items()} for n, kinds in sample.cell_fields.items()},
        cell_tags={n: {k: np.asarray(v)[::-1] for k, v in kinds.items()} for n, kinds in sample.cell_tags.items()},
    )


def moved(sample: MeshSample, shift: Array) -> MeshSample:
    """Everywhere by the same `shift` (dim,)."""
    return replace(sample, points=sample.points + shift)


def turned(sample: MeshSample, rotation: Array, kinds: Mapping[str, str]) -> MeshSample:
    """By a rotation matrix (dim, dim) about the origin; fields that are vectors turn with it."""
    fields = {n: np.asarray(v) @ rotation.T if kinds.get(n) == "vector" else v for n, v in sample.fields.items()}
    return replace(sample, points=sample.points @ rotation.T, fields=fields)


def a_rotation(dim: int) -> Array:
    """By an angle, and about an axis, of no symmetry."""
    c, s = np.cos(0.7), np.sin(0.7)
    if dim == 2:
        return np.array([[c, -s], [s, c]])
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return about_z @ about_z[:, [1, 2, 0]][[1, 2, 0]]


def refined(sample: MeshSample) -> MeshSample:
    """Each side halved once: triangles, quads and lines in their parts, of first or second order; old nodes come first.

    Fields are interpolated by the shape functions. A new node has a tag where all nodes of its old side have it, and of
    tags of the border where it lies on it. Raises DomainError for other kinds of cells.
    """
    n = len(sample)
    weights: dict[tuple[tuple[int, float], ...], int] = {}
    rows: list[tuple[tuple[int, float], ...]] = []

    def node(at: tuple[tuple[int, float], ...]) -> int:
        """The number of a node given as a combination of old ones."""
        combined: dict[int, float] = {}
        for old, weight in at:
            combined[old] = combined.get(old, 0.0) + weight
        kept = tuple(sorted((old, round(w, 12)) for old, w in combined.items() if abs(w) > 1e-12))
        if len(kept) == 1:
            return kept[0][0]
        if kept not in weights:
            weights[kept] = n + len(rows)
            rows.append(kept)
        return weights[kept]

    cells = {kind: _parts(kind, np.asarray(found), node) for kind, found in sample.cells.items()}
    matrix = np.zeros((len(rows), n))
    for k, row in enumerate(rows):
        for old, weight in row:
            matrix[k, old] = weight

    def spread(values: Array) -> Array:
        x = np.asarray(values, dtype=np.float64)
        return np.concatenate([x, (matrix @ x.reshape(n, -1)).reshape(len(rows), *x.shape[1:])])

    steady = sample.times is None
    fields = {
        name: spread(v) if steady else np.stack([spread(frame) for frame in np.asarray(v)])
        for name, v in sample.fields.items()
    }
    border, old_border = boundary_nodes(cells, n + len(rows)), boundary_nodes(sample.cells, n)
    tags = {}
    for name, marked in sample.tags.items():
        found = spread(np.asarray(marked, dtype=float)) > 1 - 1e-9
        tags[name] = found & border if not (marked & ~old_border).any() else found
    return replace(
        sample, points=spread(sample.points), cells=cells, fields=fields, tags=tags, cell_fields={}, cell_tags={}
    )


_LATTICE = {"line": 2, "triangle": 2, "quad": 2, "line3": 4, "triangle6": 4}
"""Steps of the lattice of new nodes along a side."""


def _parts(kind: str, cells: Array, node: object) -> Array:
    if kind not in _LATTICE:
        raise DomainError(f"cells {kind} are not refined here; those of kind {', '.join(_LATTICE)} are")
    step = _LATTICE[kind]
    places = {at: shape for at, shape in _lattice(kind, step)}
    numbers = [
        {at: node(tuple((int(cell[k]), w) for k, w in enumerate(shape))) for at, shape in places.items()}  # type: ignore[operator]
        for cell in cells
    ]
    return np.array([[known[at] for at in part] for known in numbers for part in _children(kind, step)], dtype=np.int64)


def _lattice(kind: str, step: int) -> list[tuple[tuple[int, ...], list[float]]]:
    """Places of the lattice and the shape functions there."""
    found: list[tuple[tuple[int, ...], list[float]]] = []
    if kind.startswith("line"):
        for i in range(step + 1):
            x = i / step
            linear = [1 - x, x]
            found.append(
                ((i,), linear if kind == "line" else [linear[0] * (1 - 2 * x), x * (2 * x - 1), 4 * x * (1 - x)])
            )
        return found
    for i in range(step + 1):
        for j in range(step + 1 if kind == "quad" else step + 1 - i):
            x, y = i / step, j / step
            if kind == "quad":
                found.append(((i, j), [(1 - x) * (1 - y), x * (1 - y), x * y, (1 - x) * y]))
            else:
                a, b, c = 1 - x - y, x, y
                second = [a * (2 * a - 1), b * (2 * b - 1), c * (2 * c - 1), 4 * a * b, 4 * b * c, 4 * c * a]
                found.append(((i, j), [a, b, c] if kind == "triangle" else second))
    return found


def _children(kind: str, step: int) -> list[list[tuple[int, ...]]]:
    """Places of the nodes of each part."""
    h = step // 2
    if kind.startswith("line"):
        ends = [((0,), (h,)), ((h,), (step,))]
        return [[a, b] if kind == "line" else [a, b, ((a[0] + b[0]) // 2,)] for a, b in ends]
    if kind == "quad":
        return [[(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)] for i in range(2) for j in range(2)]
    corners = [
        [(0, 0), (h, 0), (0, h)],
        [(h, 0), (step, 0), (h, h)],
        [(0, h), (h, h), (0, step)],
        [(h, 0), (h, h), (0, h)],
    ]
    if kind == "triangle":
        return corners  # type: ignore[return-value]
    sides = ((0, 1), (1, 2), (2, 0))
    return [[*c, *(((c[a][0] + c[b][0]) // 2, (c[a][1] + c[b][1]) // 2) for a, b in sides)] for c in corners]
