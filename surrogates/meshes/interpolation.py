"""From one mesh to another: the cell that holds a point, and its shape functions there.

Points outside the mesh take the value at the nearest point of a nearby cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from surrogates.meshes.shape_functions import Element, element
from surrogates.physics.errors import DomainError

Array = np.ndarray
_INSIDE = 1e-9  # in reference coordinates
_NEWTON = 20
_HELD = (-1.0, 2.0)  # reference coordinates in which Newton's method stays
_NEAR = 8
_PAIRS = 400_000  # of points and cells looked at together


@dataclass(frozen=True)
class Located:
    """Where points lie: their `cell` (n,), reference `coordinates` (n, d) in it, and `distance` (n,), 0 inside."""

    cell: Int[np.ndarray, "n"]
    coordinates: Float[np.ndarray, "n d"]
    distance: Float[np.ndarray, "n"]


def interpolation(
    points: Float[np.ndarray, "nodes d"], cells: Mapping[str, Array], queries: Float[np.ndarray, "n d"]
) -> csr_matrix:
    """The matrix (n, nodes) that takes nodal values of a mesh to values at `queries`; rows sum to 1.

    Raises DomainError for cells without shape functions, such as wedges, and for cells of another dimension (shells).
    """
    used = {kind: array for kind, array in cells.items() if len(array) and kind not in ("vertex", "line", "line3")}
    if not used:
        raise DomainError("the mesh has no cells to interpolate on; give triangles, quadrilaterals, tetrahedra or such")
    found = {kind: locate(points, array, kind, queries) for kind, array in used.items()}
    nearest = np.stack([f.distance for f in found.values()]).argmin(0)
    rows, columns, values = [], [], []
    for k, (kind, where) in enumerate(found.items()):
        mine = np.flatnonzero(nearest == k)
        nodes = used[kind][where.cell[mine]]
        rows.append(np.repeat(mine, nodes.shape[1]))
        columns.append(nodes.ravel())
        values.append(element(kind).values(where.coordinates[mine]).ravel())
    shape = (len(queries), len(points))
    return csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def locate(
    points: Float[np.ndarray, "nodes d"], cells: Int[np.ndarray, "m k"], kind: str, queries: Float[np.ndarray, "n d"]
) -> Located:
    """The cell of each point. Raises DomainError for cells whose dimension is not that of the points."""
    made = element(kind)
    if made.dim != points.shape[1]:
        raise DomainError(f"{kind} cells in {points.shape[1]} dimensions are a surface; give cells that fill the space")
    search = _Search(made, points[cells], queries)
    near = search.near(min(_NEAR, len(cells)))
    for k in range(min(2, near.shape[1])):  # the likeliest cell holds nearly all of them
        search.take(search.left, near[search.left, k])
    for index, candidates in search.boxed(search.left):
        search.take(index, candidates)
    for k in range(near.shape[1]):
        search.take(search.left, near[search.left, k])
    return Located(search.cell, search.at, search.distance)


class _Search:
    """The best of the cells (m, k, d) so far for each of the points."""

    def __init__(self, made: Element, cells: Array, queries: Array) -> None:
        self.made, self.cells, self.queries = made, cells, queries
        self.cell, self.at = np.zeros(len(queries), dtype=np.int64), np.zeros(queries.shape)
        self.distance = np.full(len(queries), np.inf)
        self.middle = made.nodes[: made.corners].mean(0)
        self.center = np.einsum("mki,k->mi", cells, made.values(self.middle))
        self.inverse = _inverse(np.einsum("mki,kj->mij", cells, made.gradients(self.middle)))
        self.size = np.ptp(cells, axis=1).max(1)

    @property
    def left(self) -> Array:
        """Points that are in no cell so far."""
        return np.flatnonzero(self.distance > 0)

    def near(self, count: int) -> Array:
        """Cells (n, count) with the nearest centres, those first whose linear approximation the point leaves least."""
        corners = self.cells[:, : self.made.corners].mean(1)
        near = np.asarray(cKDTree(corners).query(self.queries, k=[*range(1, count + 1)])[1])
        away = self.made.outside(self._guess(self.queries[:, None], near))
        return np.take_along_axis(near, np.argsort(away, axis=1, kind="stable"), axis=1)

    def boxed(self, left: Array) -> Iterator[tuple[Array, Array]]:
        """Points and cells whose boxes hold them, in parts in which no point occurs twice."""
        margin = 0.1 * self.size[:, None]  # a curved side may leave the box of its nodes
        low, high = self.cells.min(1) - margin, self.cells.max(1) + margin
        step = max(1, _PAIRS // len(self.cells))
        for start in range(0, len(left), step):
            part = left[start : start + step]
            x = self.queries[part, None]
            row, cell = np.nonzero(((x >= low) & (x <= high)).all(-1))
            place = np.arange(len(row)) - np.searchsorted(row, row)
            for k in range(int(place.max(initial=-1)) + 1):
                yield part[row[place == k]], cell[place == k]

    def take(self, index: Array, cells: Array) -> None:
        """Look whether these cells are better ones for the points of this index."""
        open_ = self.distance[index] > 0
        index, cells = index[open_], cells[open_]
        at = self._solve(self.queries[index], cells)
        held = self.made.clamped(at)
        distance = np.linalg.norm(self.queries[index] - self._position(cells, held), axis=1)
        inside = (self.made.outside(at) <= _INSIDE) & (distance < 1e-6 * self.size[cells])
        distance = np.where(inside, 0.0, np.maximum(distance, 1e-300))
        better = distance < self.distance[index]
        index = index[better]
        self.cell[index], self.at[index], self.distance[index] = cells[better], held[better], distance[better]

    def _solve(self, queries: Array, cells: Array) -> Array:
        """Reference coordinates by Newton's method, held near the cell."""
        at = np.clip(self._guess(queries, cells), *_HELD)
        active = np.arange(len(queries))
        for _ in range(_NEWTON):
            gap = queries[active] - self._position(cells[active], at[active])
            moving = np.abs(gap).max(1) > 1e-14 * self.size[cells[active]]
            active, gap = active[moving], gap[moving]
            if not len(active):
                break
            slope = np.einsum("nki,nkj->nij", self.cells[cells[active]], self.made.gradients(at[active]))
            step = np.einsum("nij,nj->ni", _inverse(slope), gap)
            at[active] = np.clip(at[active] + step, *_HELD)
            active = active[np.abs(step).max(1) > 1e-13]
        return at

    def _position(self, cells: Array, at: Array) -> Array:
        return np.einsum("nki,nk->ni", self.cells[cells], self.made.values(at))

    def _guess(self, queries: Array, cells: Array) -> Array:
        """Reference coordinates in the cells' linear approximations."""
        return self.middle + np.einsum("...ij,...j->...i", self.inverse[cells], queries - self.center[cells])


def _inverse(a: Array) -> Array:
    """Inverses of matrices (..., d, d), of singular ones something finite."""
    det = np.linalg.det(a)
    scale = np.abs(a).max((-2, -1)) + 1e-300
    singular = np.abs(det) < 1e-14 * scale ** a.shape[-1]
    return np.linalg.inv(np.where(singular[..., None, None], np.eye(a.shape[-1]) * scale[..., None, None], a))
