"""Sparse symmetric positive (semi-)definite systems of finite volumes, solved directly on the CPU.

Short bands are factorised as banded Cholesky (LAPACK pbtrf), long ones as a sparse LU with a minimum-degree ordering
(SuperLU in its symmetric mode). Systems without any anchor (closed or periodic domains) are singular by one constant:
one cell is pinned, which loses nothing when the right-hand side is compatible, and the mean is taken off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
from jaxtyping import Float

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.finite_volume import FiniteVolumes

Array = np.ndarray
BAND = (
    128  # up to this half-bandwidth the banded factorisation was the faster one for one solve (64² cells 2x, 128² 2.7x)
)


@dataclass(frozen=True)
class Pattern:
    """Where the matrix of finite volumes has entries; shared by all samples.

    Args:
        cells: flat indices of the cells inside, in the order of the unknowns.
        pairs: (2, faces) unknowns i, j on both sides of each inner face. faces: for each axis its flat face indices.
    """

    cells: Array
    pairs: Array
    faces: tuple[Array, ...]

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return len(self.cells)

    @property
    def band(self) -> int:
        """Largest distance of two coupled unknowns."""
        return int(np.abs(self.pairs[0] - self.pairs[1]).max(initial=0))


def pattern(operator: FiniteVolumes) -> Pattern:
    """The unknowns and their couplings."""
    grid = operator.grid
    inside = np.ones(grid.shape, bool) if operator.mask is None else operator.mask.cpu().numpy()
    number = np.cumsum(inside).reshape(grid.shape) - 1
    pairs, places = [], []
    for axis, (faces, n) in enumerate(zip(operator.faces, grid.shape, strict=True)):
        upper = np.arange(n) if faces.closed else np.arange(1, n)
        lower = (upper - 1) % n
        both = np.take(inside, lower, axis) & np.take(inside, upper, axis)
        pairs.append(np.stack([np.take(number, lower, axis)[both], np.take(number, upper, axis)[both]]))
        shape = list(grid.shape)
        shape[axis] = n + 1
        flat = np.arange(np.prod(shape)).reshape(shape)
        places.append(np.take(flat, upper, axis)[both])
    return Pattern(np.flatnonzero(inside), np.concatenate(pairs, axis=1), tuple(places))


def needs_pinning(operator: FiniteVolumes, shape: Pattern) -> bool:
    """Whether no wall holds u anywhere, so that a constant is free.

    Raises DomainError where one part of several is cut off from every wall that holds u: its level is unknown.
    """
    edges = (np.ones(shape.pairs.shape[1]), (shape.pairs[0], shape.pairs[1]))
    graph = scipy.sparse.coo_array(edges, shape=(shape.size, shape.size))
    count, part = scipy.sparse.csgraph.connected_components(graph, directed=False)
    held = _held(operator).reshape(-1)[shape.cells]
    anchored = np.bincount(part, weights=held, minlength=count) > 0
    if not anchored.all() and count > 1:
        loose = int(np.flatnonzero(~anchored)[0])
        at = np.unravel_index(shape.cells[np.flatnonzero(part == loose)[0]], operator.grid.shape)
        raise DomainError(
            f"the domain has {count} separate parts, and no wall holds u on the one around cell "
            f"{tuple(int(i) for i in at)} ({int((part == loose).sum())} cells): its level is unknown; connect it, take "
            "it out of the mask, or give it a Dirichlet or Robin wall"
        )
    return not bool(anchored.all())


def matrix(operator: FiniteVolumes, shape: Pattern, sample: int = 0) -> scipy.sparse.csr_array:
    """The symmetric matrix of one sample over the cells inside."""
    weights = [
        faces.inner[sample].cpu().numpy().reshape(-1)[place] / h
        for faces, place, h in zip(operator.faces, shape.faces, operator.grid.spacing, strict=True)
    ]
    off = -np.concatenate(weights)
    diagonal = operator.diagonal[sample].cpu().numpy().reshape(-1)[shape.cells]
    unknowns = np.arange(shape.size)
    rows = np.concatenate([shape.pairs[0], shape.pairs[1], unknowns])
    columns = np.concatenate([shape.pairs[1], shape.pairs[0], unknowns])
    entries = np.concatenate([off, off, diagonal])
    return scipy.sparse.csr_array((entries, (rows, columns)), shape=(shape.size, shape.size))


def factorise(
    system: scipy.sparse.csr_array, shape: Pattern, *, pinned: bool = False
) -> Callable[[Float[np.ndarray, "cells *columns"]], Float[np.ndarray, "cells *columns"]]:
    """b -> x with A x = b, as often as wanted; `pinned` for a singular A, with the x of zero mean."""
    if not pinned:
        return _cholesky(system) if shape.band <= BAND else sparse_lu(system)
    if shape.size == 1:
        return np.zeros_like
    rest = system[1:, 1:]
    inner = _cholesky(rest) if shape.band <= BAND else sparse_lu(rest)

    def solve(b: Array) -> Array:
        x = np.concatenate([np.zeros_like(b[:1]), inner(b[1:])])
        return x - x.mean(axis=0)

    return solve


def _cholesky(system: scipy.sparse.csr_array) -> Callable[[Array], Array]:
    lower = scipy.sparse.tril(system).tocoo()
    distance = lower.row - lower.col
    bands = np.zeros((int(distance.max(initial=0)) + 1, system.shape[0]))
    np.add.at(bands, (distance, lower.col), lower.data)
    factor = scipy.linalg.cholesky_banded(bands, lower=True, overwrite_ab=True, check_finite=False)
    return lambda b: scipy.linalg.cho_solve_banded((factor, True), b, check_finite=False)


def sparse_lu(system: scipy.sparse.csr_array) -> Callable[[Array], Array]:
    """b -> x; slower to make than a short band's Cholesky but several times faster to use, so for many solves."""
    return scipy.sparse.linalg.splu(
        system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    ).solve


def _held(operator: FiniteVolumes) -> Array:
    """Cells that touch a wall which holds u, for any sample."""
    held = np.zeros(operator.grid.shape, bool)
    for axis, faces in enumerate(operator.faces, start=1):
        n = operator.grid.shape[axis - 1]
        for start, sign in ((0, 1), (1, -1)):
            side = (faces.wall.narrow(axis, start, n) > 0) & (faces.into.narrow(axis, start, n) == sign)
            held |= side.all(dim=0).cpu().numpy()
    return held
