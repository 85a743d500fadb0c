"""The elastic stiffness of a mesh of any kinds of cells, by quadrature; it moves meshes, it predicts no stress."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_matrix, csr_matrix

from surrogates.meshes.shape_functions import element

Array = np.ndarray
_ORDER = 4  # exact for products of two quadratic functions on straight cells


def elastic_matrix(
    points: Float[np.ndarray, "nodes d"], cells: Mapping[str, Array], *, poisson: float, stiffening: float = 0.0
) -> csr_matrix:
    """Stiffness (nodes d, nodes d) of a solid whose cells are the stiffer the smaller: modulus = size^-stiffening.

    2 mu eps : eps + lambda tr(eps)^2 with 2 mu = 1 / (1 + nu), lambda = nu / ((1 + nu) (1 - (d - 1) nu)); in the
    limit nu -> -1 it resists changes of shape only, not of size.
    """
    d, parts = points.shape[1], []
    mu2 = 1 / (1 + poisson)
    lame = poisson / ((1 + poisson) * (1 - (d - 1) * poisson))
    for kind, nodes in cells.items():
        at, weights = element(kind).quadrature(_ORDER)
        slope = np.einsum("mki,qkj->mqij", points[nodes], element(kind).gradients(at))
        grad = np.einsum("qkj,mqji->mqki", element(kind).gradients(at), np.linalg.inv(slope))
        volume = np.abs(np.linalg.det(slope)) * weights
        volume = volume * volume.sum(1, keepdims=True) ** (-stiffening / d)
        # (a, i) x (b, j): mu (delta_ij grad_a . grad_b + d_j N_a d_i N_b) + lambda d_i N_a d_j N_b
        outer = np.einsum("mq,mqai,mqbj->maibj", volume, grad, grad)
        dots = np.einsum("maibi->mab", outer)
        local = lame * outer + 0.5 * mu2 * (outer.swapaxes(2, 4) + np.einsum("mab,ij->maibj", dots, np.eye(d)))
        k = nodes.shape[1] * d
        parts.append(((nodes[:, :, None] * d + np.arange(d)).reshape(len(nodes), k), local.reshape(len(nodes), k, k)))
    return _summed(parts, len(points) * d)


def _summed(parts: list[tuple[Array, Array]], size: int) -> csr_matrix:
    rows, columns, values = [], [], []
    for nodes, local in parts:
        rows.append(np.broadcast_to(nodes[:, :, None], local.shape).ravel())
        columns.append(np.broadcast_to(nodes[:, None, :], local.shape).ravel())
        values.append(local.ravel())
    place = (np.concatenate(rows), np.concatenate(columns))
    return coo_matrix((np.concatenate(values), place), shape=(size, size)).tocsr()
