"""Homogeneous strain of a cell: the deformation gradient, its logarithm, and spaces of symmetric strains.

Rows are lattice vectors, so a deformation gradient F takes cell to cell F^T and positions x to x F^T.
Papers: Tadmor, Smith, Bernstein and Kaxiras, Mixed finite element and atomistic formulation for complex crystals
(doi:10.1103/PhysRevB.59.235), F and reference positions as coordinates; Al-Mohy and Higham, Computing the Frechet
derivative of the matrix exponential (doi:10.1137/080716426), eq. 3.2, its derivative by a block matrix.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))  # xx yy zz yz xz xy

Matrices = Float[Tensor, "*structures 3 3"]


def full_matrix(voigt: Float[Tensor, "*structures 6"]) -> Matrices:
    """The symmetric matrix of a stress in Voigt order xx yy zz yz xz xy."""
    xx, yy, zz, yz, xz, xy = voigt.unbind(-1)
    return torch.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], -1).unflatten(-1, (3, 3))


def voigt_vector(stress: Matrices) -> Float[Tensor, "*structures 6"]:
    """Voigt order xx yy zz yz xz xy of a symmetric stress."""
    return torch.stack([stress[..., i, j] for i, j in VOIGT], -1)


def deformation_gradient(log_strain: Matrices) -> Matrices:
    """F = exp(U); a symmetric U makes a pure stretch, in which the cell never turns."""
    return torch.linalg.matrix_exp(log_strain)


def log_strain_gradient(log_strain: Matrices, by_deformation: Matrices) -> Matrices:
    """dH/dU of F = exp(U) from dH/dF, exact for every U.

    It is the adjoint of the exponential's Frechet derivative, L(U^T, dH/dF), which is the upper right block of
    exp([[U^T, dH/dF], [0, U^T]]).
    """
    turned = log_strain.mT
    above = torch.cat([turned, by_deformation], -1)
    below = torch.cat([torch.zeros_like(turned), turned], -1)
    return torch.linalg.matrix_exp(torch.cat([above, below], -2))[..., :3, 3:]


def symmetric_strains(plane: Float[Tensor, "3 3"]) -> Float[Tensor, "directions 3 3"]:
    """Orthonormal basis of the symmetric matrices that act inside a subspace of space, whose projector is `plane`.

    Six for all of space, three for a plane, one for a line.
    """
    values, vectors = torch.linalg.eigh(plane)
    axes = vectors[:, values > 0.5].T
    n = len(axes)
    found = []
    for i in range(n):
        for j in range(i, n):
            both = torch.outer(axes[i], axes[j])
            found.append(both if i == j else (both + both.T) / 2**0.5)
    return torch.stack(found) if found else plane.new_zeros((0, 3, 3))


def projector(directions: Float[Tensor, "directions 3 3"]) -> Float[Tensor, "9 9"]:
    """Orthogonal projector of flattened matrices onto the span of `directions`, which need not be orthonormal."""
    rows = directions.flatten(1)
    if len(rows) == 0:
        return rows.new_zeros((9, 9))
    _, size, right = torch.linalg.svd(rows, full_matrices=False)
    kept = right[size > 1e-10 * size[0].clamp_min(1e-300)]
    return kept.T @ kept


def common_directions(projectors: Float[Tensor, "spaces 9 9"]) -> Float[Tensor, "directions 3 3"]:
    """Orthonormal basis of the matrices that lie in every one of the spaces."""
    values, vectors = torch.linalg.eigh(projectors.mean(0))
    return vectors[:, values > 1 - 1e-6].T.reshape(-1, 3, 3)
