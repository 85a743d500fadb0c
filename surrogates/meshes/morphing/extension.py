"""From images of boundary nodes to images of all nodes of the common mesh.

Radial functions: |r|^3 + affine (in a plane smoother than the thin plate's r^2 log r, in space |r|), exact at the
control points. Elasticity: a solid whose small cells are stiff follows its boundary, in as many steps as keep its cells
from folding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse.linalg import splu

from surrogates.meshes.assembly import elastic_matrix
from surrogates.meshes.shape_functions import jacobians
from surrogates.physics.errors import DomainError

Array = np.ndarray
_CONTROLS = 1500
_STEPS = (1, 2, 4, 8, 16)
_POISSON, _STIFFENING = 0.3, 2.0


class RadialFunctions:
    """s(x) = sum_c w_c phi(|x - x_c|) + a + A x through the images of control points.

    Args:
        points: nodes of the common mesh (n, d). nodes: its control points (b,); of more than 1500 an even choice.
    Raises DomainError for control points that do not span the space.
    """

    def __init__(self, points: Array, nodes: Array) -> None:
        self.points, d = points, points.shape[1]
        self.chosen = _even(points[nodes], _CONTROLS)
        self.controls = points[nodes[self.chosen]]
        self.low, self.size = points.min(0), float(np.ptp(points, axis=0).max())
        b = len(self.controls)
        system = np.zeros((b + d + 1, b + d + 1))
        system[:b] = self._row(self.controls)
        system[b:, :b] = system[:b, b:].T
        if b <= d or np.linalg.matrix_rank(system[:b, b:]) <= d:
            raise DomainError(f"{b} control points in {d} dimensions lie in a plane; give more landmarks")
        cut = np.zeros((len(points), b + d + 1))
        cut[:] = self._row(points)
        # images are linear in the displacements of the control points: one matrix for all samples
        self.matrix = lu_solve(lu_factor(system.T), cut.T).T[:, :b]

    def __call__(self, images: Array) -> Array:
        """Images (n, d) of all nodes, from those (b, d) of the control points."""
        found: Array = self.points + self.matrix @ (images[self.chosen] - self.controls)
        return found

    def _row(self, at: Array) -> Array:
        x, c = (at - self.low) / self.size, (self.controls - self.low) / self.size
        r = np.sqrt(np.maximum(np.square(x).sum(1)[:, None] + np.square(c).sum(1) - 2 * x @ c.T, 0.0))
        return np.hstack([r**3 if at.shape[1] == 2 else r, np.ones((len(x), 1)), x])


class Elasticity:
    """Nodes follow the boundary as an elastic solid's, modulus ~ (cell size)^-2 so that small cells keep their shape.

    Args:
        points, cells: the common mesh. nodes: its boundary nodes (b,).
    """

    def __init__(self, points: Array, cells: Mapping[str, Array], nodes: Array) -> None:
        self.points, self.cells, self.nodes = points, cells, nodes
        d = points.shape[1]
        self.held = (nodes[:, None] * d + np.arange(d)).ravel()
        self.free = np.setdiff1d(np.arange(points.size), self.held)
        self.first = self._solver(points)

    def __call__(self, images: Array) -> Array:
        """Images (n, d) of all nodes; the first number of steps that folds no cell, else those of the most steps."""
        for steps in _STEPS:
            x, whole = self.points, images - self.points[self.nodes]
            for k in range(steps):
                solve, coupling = self.first if k == 0 else self._solver(x)
                moved = np.zeros(x.size)
                moved[self.held] = (self.points[self.nodes] + whole * (k + 1) / steps - x[self.nodes]).ravel()
                moved[self.free] = solve(-(coupling @ moved[self.held]))
                x = x + moved.reshape(x.shape)
                if folded(x, self.cells):
                    break
            else:
                return x
        return x

    def _solver(self, points: Array) -> tuple[Any, Any]:
        matrix = elastic_matrix(points, self.cells, poisson=_POISSON, stiffening=_STIFFENING)[self.free]
        return splu(matrix[:, self.free].tocsc()).solve, matrix[:, self.held]


def folded(points: Array, cells: Mapping[str, Array]) -> int:
    """How many cells of positive orientation have det dx/dxi <= 0 at a node or in their centre."""
    return sum(int((jacobians(points, nodes, kind) <= 0).any(1).sum()) for kind, nodes in cells.items())


def _even(points: Array, most: int) -> Array:
    """Indices of at most so many points, each as far as possible from those before."""
    if len(points) <= most:
        return np.arange(len(points))
    found, away = [0], np.full(len(points), np.inf)
    while len(found) < most:
        away = np.minimum(away, np.square(points - points[found[-1]]).sum(1))
        found.append(int(away.argmax()))
    return np.array(sorted(found))
