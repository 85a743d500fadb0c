"""How to draw a graph (10.1112/plms/s3-13.1.743), with the weights of Mean value coordinates (10.1016/S0167-8396(03)00002-5).

A mesh without holes is laid on the unit disc: its boundary goes to the circle by arc length, and each inner corner to
the weighted mean of its neighbours. All weights are positive and the circle is convex, so no cell folds (Tutte, Floater).
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import splu

from surrogates.meshes.morphing.boundary import Loop
from surrogates.meshes.shape_functions import element
from surrogates.physics.errors import DomainError

Array = np.ndarray


def on_disc(
    points: Array, cells: Mapping[str, Array], loop: Loop, shares: Array, origin: float = 0.0, *, uniform: bool = False
) -> Array:
    """Places (n, 2) of all nodes on the disc.

    Args:
        cells: triangles of positive orientation. loop: the boundary. shares: where on the circle (0..1) each of its
            curves begins. origin: fraction of a single closed curve's length that comes first. uniform: weights 1
            instead of mean values.
    Raises DomainError for other cells.
    """
    kinds = [kind for kind in cells if kind not in ("triangle", "triangle6")]
    if kinds:
        raise DomainError(f"{kinds[0]} cells cannot be laid on the disc; give triangles, or take morph='rbf'")
    corners = np.concatenate([nodes[:, :3] for nodes in cells.values()])
    found = np.zeros((len(points), 2))
    rim, ends = [], [*shares[1:], 1.0]
    for curve, first, last in zip(loop.curves, shares, ends, strict=True):
        nodes, edge, t = curve.nodes()
        turn = first + (last - first) * (
            (curve.fraction(edge, t) - origin) % 1.0 if curve.closed else curve.fraction(edge, t)
        )
        found[nodes] = np.stack([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)], axis=1)
        rim.append(nodes)
    held = np.zeros(len(points), dtype=bool)
    held[np.concatenate(rim)] = True
    matrix = _weights(points, corners, uniform)
    used = np.zeros(len(points), dtype=bool)
    used[corners.ravel()] = True
    inner = np.flatnonzero(used & ~held)
    if len(inner):
        rows = matrix[inner]
        known = np.flatnonzero(used & held)
        found[inner] = splu(rows[:, inner].tocsc()).solve(-(rows[:, known] @ found[known]))
    for kind, nodes in cells.items():
        if kind == "triangle6":
            for k, (a, b) in enumerate(((0, 1), (1, 2), (2, 0))):
                free = ~held[nodes[:, 3 + k]]
                found[nodes[free, 3 + k]] = (found[nodes[free, a]] + found[nodes[free, b]]) / 2
        element(kind)
    return found


def _weights(points: Array, corners: Array, uniform: bool) -> csr_matrix:
    """Rows sum to zero: w_ij (x_j - x_i), w_ij = (tan(a/2) + tan(b/2)) / |x_i - x_j|, angles at i beside ij."""
    rows, columns, values = [], [], []
    for k in range(3):
        i, j, m = corners[:, k], corners[:, (k + 1) % 3], corners[:, (k + 2) % 3]
        u, v = points[j] - points[i], points[m] - points[i]
        lu, lv = np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1)
        cross, dot = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], (u * v).sum(1)
        half = cross / (lu * lv + dot)
        for other, length in ((j, lu), (m, lv)):
            rows.append(i)
            columns.append(other)
            values.append(np.full(len(i), 0.5) if uniform else half / length)
    row, column, value = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
    n = len(points)
    found = coo_matrix((value, (row, column)), shape=(n, n)).tocsr()
    total = np.asarray(found.sum(1)).ravel()
    return found - coo_matrix((total, (np.arange(n), np.arange(n))), shape=(n, n)).tocsr()
