"""Conjugate gradients for symmetric positive (semi-)definite systems, with preconditioners and a start vector.

M. R. Hestenes and E. Stiefel, Methods of conjugate gradients for solving linear systems (doi:10.6028/jres.049.044);
J. A. Meijerink and H. A. van der Vorst, An iterative solution method for linear systems of which the coefficient matrix
is a symmetric M-matrix (doi:10.1090/S0025-5718-1977-0438681-4), for incomplete Cholesky without fill.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from surrogates.physics.errors import DomainError

Array = np.ndarray
Matrices = Sequence[scipy.sparse.csr_array]
Preconditioner = Callable[[Matrices], Callable[[int, Array], Array]]  # matrices -> (which, residual) -> correction
PIVOT = 1e-10  # of the diagonal; smaller pivots (singular systems) are replaced by the diagonal


@dataclass(frozen=True)
class Iterated:
    """What an iterative solver returns; not converging is a result.

    Args:
        values: x. iterations: of each sample. residual: |b - A x| / |b| of each, recomputed from x.
        converged: whether that is within the tolerance. history: the same ratio after 0, 1, ... iterations.
    """

    values: Float[Tensor, "samples *unknowns"]
    iterations: Int[Tensor, "samples"]
    residual: Float[Tensor, "samples"]
    converged: Bool[Tensor, "samples"]
    history: Float[Tensor, "steps samples"]


@torch.no_grad()
def conjugate_gradients(
    apply: Callable[[Tensor], Tensor],
    b: Float[Tensor, "samples *unknowns"],
    *,
    start: Float[Tensor, "samples *unknowns"] | None = None,
    precondition: Callable[[Tensor], Tensor] | None = None,
    tolerance: float = 1e-8,
    iterations: int = 10_000,
) -> Iterated:
    """Solve A x = b for samples side by side, each until its own residual is below tolerance |b|.

    Args:
        apply: x -> A x for all samples. precondition: r -> M^-1 r with M symmetric positive definite and near A.
        start: first x; None is zero. The tolerance is measured by |b|, so that a good start saves iterations.
    Raises:
        DomainError: b or start not finite, shapes that differ, a direction with p A p <= 0 (A or M is not definite).
    """
    x = torch.zeros_like(b) if start is None else start.clone()
    if x.shape != b.shape:
        raise DomainError(
            f"a start of shape {tuple(x.shape)} for a right-hand side of {tuple(b.shape)}; make them equal"
        )
    for name, given in (("right-hand side", b), ("start", x)):
        bad = ~given.reshape(len(given), -1).isfinite().all(dim=1)
        if bool(bad.any()):
            raise DomainError(f"sample {int(bad.nonzero()[0])}: the {name} is not finite; give numbers")
    if not tolerance > 0:
        raise DomainError(f"tolerance={tolerance!r}; it is positive, 1e-8 for instance")
    scale = _norm(b)
    goal = tolerance * scale
    r = b - apply(x)
    size = _norm(r)
    history = [size]
    active = size > goal
    counts = torch.zeros(len(b), dtype=torch.long, device=b.device)
    p, before = torch.zeros_like(b), torch.ones_like(scale)
    fresh = torch.ones_like(active)  # samples whose directions start anew
    for _ in range(iterations):
        if not bool(active.any()):
            break
        z = r if precondition is None else precondition(r)
        product = _dot(r, z)
        beta = torch.where(fresh, 0.0, product / before)
        p = z + _spread(beta, b) * p
        q = apply(p)
        curvature = _dot(p, q)
        if bool((active & ~(curvature > 0)).any()):
            sample = int((active & ~(curvature > 0)).nonzero()[0])
            raise DomainError(
                f"sample {sample}: p A p = {curvature[sample].item():g} for a search direction; conjugate gradients "
                "need a symmetric positive definite matrix (and preconditioner)"
            )
        alpha = torch.where(active, product / curvature, 0.0)
        x = x + _spread(alpha, b) * p
        r = r - _spread(alpha, b) * q
        before, counts = product, counts + active
        size = torch.where(active, _norm(r), size)
        fresh = torch.zeros_like(fresh)
        reached = active & (size <= goal)
        if bool(reached.any()):  # the recursion drifts from the true residual, which alone counts
            true = b - apply(x)
            r = torch.where(_spread(reached, b), true, r)
            size = torch.where(reached, _norm(true), size)
            fresh = reached & (size > goal)
            active = active & ~(reached & (size <= goal))
        history.append(size)
    left = _norm(b - apply(x))
    ratio = [s / torch.where(scale > 0, scale, 1.0) for s in (left, *history)]
    return Iterated(x, counts, ratio[0], left <= goal, torch.stack(ratio[1:]))


def jacobi(matrices: Matrices) -> Callable[[int, Array], Array]:
    """Divide by the diagonal."""
    diagonals = [matrix.diagonal() for matrix in matrices]
    return lambda which, r: r / diagonals[which]


def ssor(matrices: Matrices, omega: float = 1.5) -> Callable[[int, Array], Array]:
    """Symmetric successive over-relaxation: M = omega/(2 - omega) T D^-1 T^T with T = D/omega + L, 0 < omega < 2."""
    if not 0 < omega < 2:
        raise DomainError(f"omega={omega!r}; over-relaxation lies between 0 and 2")
    parts = [_triangular(matrix, matrix.diagonal() / omega) for matrix in matrices]
    diagonals = [matrix.diagonal() * (2 - omega) / omega for matrix in matrices]
    return lambda which, r: parts[which].solve(diagonals[which] * parts[which].solve(r), trans="T")


def incomplete_cholesky(matrices: Matrices) -> Callable[[int, Array], Array]:
    """M = (D + L) D^-1 (D + L)^T with A's own strict triangle L and pivots D that give M the diagonal of A.

    This is Cholesky without fill, IC(0), wherever no three unknowns are coupled all to each other, as on the stencils
    of boxes and masks; on other patterns it is its variant that keeps L.
    """
    pivots = [_pivots(matrix) for matrix in matrices]
    parts = [_triangular(matrix, pivot) for matrix, pivot in zip(matrices, pivots, strict=True)]
    return lambda which, r: parts[which].solve(pivots[which] * parts[which].solve(r), trans="T")


def _pivots(matrix: scipy.sparse.csr_array) -> Array:
    """d_i = a_ii - sum_{j < i} a_ij^2 / d_j, all unknowns at once whose predecessors are known."""
    lower = scipy.sparse.tril(matrix, k=-1).tocsc()
    diagonal = matrix.diagonal()
    rest = diagonal.copy()
    waiting = np.bincount(lower.indices, minlength=len(diagonal))
    ready = np.flatnonzero(waiting == 0)
    while len(ready):
        small = rest[ready] <= PIVOT * diagonal[ready]
        rest[ready[small]] = diagonal[ready[small]]
        lengths = np.diff(lower.indptr)[ready]
        first = np.cumsum(lengths) - lengths
        entries = np.repeat(lower.indptr[ready] - first, lengths) + np.arange(lengths.sum())
        rows = lower.indices[entries]
        np.subtract.at(rest, rows, lower.data[entries] ** 2 / np.repeat(rest[ready], lengths))
        np.subtract.at(waiting, rows, 1)
        rows = np.unique(rows)
        ready = rows[waiting[rows] == 0]
    return rest


def _triangular(matrix: scipy.sparse.csr_array, diagonal: Array) -> scipy.sparse.linalg.SuperLU:
    """Compiled solves with the strict lower triangle and another diagonal; a triangle's LU is itself."""
    triangle = (scipy.sparse.tril(matrix, k=-1) + scipy.sparse.diags_array(diagonal)).tocsc()
    return scipy.sparse.linalg.splu(
        triangle, permc_spec="NATURAL", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )


def _dot(u: Tensor, v: Tensor) -> Tensor:
    return (u * v).reshape(len(u), -1).sum(dim=1)


def _norm(u: Tensor) -> Tensor:
    return u.reshape(len(u), -1).norm(dim=1)


def _spread(numbers: Tensor, like: Tensor) -> Tensor:
    return numbers.reshape(-1, *[1] * (like.dim() - 1))
