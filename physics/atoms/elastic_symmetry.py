"""What a point group leaves of an elastic tensor, and the fewest strains that determine the rest.

The invariant tensors are a linear space: 3 dimensions for cubic crystals, 5 for hexagonal, up to 21. A strain reveals
six combinations of them, so few strains determine all: one for cubic crystals, six for triclinic ones.

Paper: Calculations of single-crystal elastic constants made simple (doi:10.1016/j.cpc.2009.11.017), the idea of coupled
strains; here the strains are found for the group and orientation at hand.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float

from surrogates.physics.atoms.elastic import from_mandel, mandel_rotation, to_mandel
from surrogates.physics.errors import DomainError

_NULL = 1e-6  # singular values below this share of the largest are zero
_UPPER = tuple((i, j) for i in range(6) for j in range(i, 6))


def symmetrise(
    constants: Float[np.ndarray, "6 6"], rotations: Float[np.ndarray, "operations 3 3"]
) -> Float[np.ndarray, "6 6"]:
    """The mean over the group: the nearest tensor that all rotations (Cartesian, orthogonal) leave as it is."""
    turns = np.array([mandel_rotation(r) for r in rotations])
    mandel = to_mandel((constants + constants.T) / 2)
    return from_mandel((turns @ mandel @ turns.transpose(0, 2, 1)).mean(axis=0))


def invariant_constants(rotations: Float[np.ndarray, "operations 3 3"]) -> Float[np.ndarray, "constants 6 6"]:
    """A basis of the Voigt matrices that all rotations leave as they are, orthonormal as tensors."""
    images = []
    for i, j in _UPPER:
        unit = np.zeros((6, 6))
        unit[i, j] = unit[j, i] = 1.0 if i == j else np.sqrt(0.5)
        images.append(to_mandel(symmetrise(from_mandel(unit), rotations)).ravel())
    values, vectors = np.linalg.eigh(np.array(images) @ np.array(images).T)
    kept = np.array(images).T @ vectors[:, values > 0.5]  # a projector: its eigenvalues are 0 and 1
    orthonormal = np.linalg.qr(kept)[0]
    return from_mandel(orthonormal.T.reshape(-1, 6, 6))


def independent_entries(basis: Float[np.ndarray, "constants 6 6"]) -> tuple[tuple[int, int], ...]:
    """Entries (i, j), i <= j, of the Voigt matrix that determine the others, the first that do, row by row."""
    chosen: list[tuple[int, int]] = []
    for entry in _UPPER:
        rows = np.array([basis[:, i, j] for i, j in (*chosen, entry)])
        if np.linalg.svd(rows, compute_uv=False)[-1] > 1e-3:
            chosen.append(entry)
        if len(chosen) == len(basis):
            break
    return tuple(chosen)


def strain_patterns(basis: Float[np.ndarray, "constants 6 6"]) -> Float[np.ndarray, "patterns 6"]:
    """The fewest strain vectors (largest entry 1) whose stresses determine every constant, well conditioned.

    Sums of one to three Voigt strains are tried; each exchange that makes the worst-determined combination of
    constants more certain is kept.
    """
    pool = _candidates()
    responses = np.einsum("nij,pj->pin", basis, pool)  # stress of each candidate by each basis tensor
    for count in range(1, 7):
        chosen = _exchanged(responses, count)
        if _certainty(responses[chosen]) > _NULL:
            return pool[sorted(chosen)]
    raise DomainError("no strains determine these elastic constants; the symmetry operations are no group of rotations")


def cartesian_rotations(
    rotations: Float[np.ndarray, "operations 3 3"], cell: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "operations 3 3"]:
    """Rotations of fractional coordinates (columns) as orthogonal matrices; `cell` has lattice vectors as rows."""
    turned = cell.T @ rotations @ np.linalg.inv(cell.T)
    left, _, right = np.linalg.svd(turned)  # a lattice known to a tolerance turns by the nearest true rotation
    return left @ right


def _candidates() -> np.ndarray:
    units = np.eye(6)
    sums = [units[list(c)].sum(axis=0) for size in (1, 2, 3) for c in combinations(range(6), size)]
    return np.array(sums)


def _exchanged(responses: np.ndarray, count: int) -> list[int]:
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(max(range(len(responses)), key=lambda k: _spread_of([*chosen, k], responses)))
    best, improved = _certainty(responses[chosen]), True
    while improved:
        improved = False
        for place in range(count):
            for k in range(len(responses)):
                trial = [*chosen[:place], k, *chosen[place + 1 :]]
                if len(set(trial)) == count and (found := _certainty(responses[trial])) > best * 1.001 + 1e-12:
                    chosen, best, improved = trial, found, True
    return chosen


def _certainty(responses: np.ndarray) -> float:
    """Smallest singular value of the map from constants to stresses, a row of strains at unit amplitude."""
    rows = responses.reshape(-1, responses.shape[-1])
    return float(np.linalg.svd(rows, compute_uv=False)[-1]) if len(rows) >= rows.shape[1] else 0.0


def _spread_of(chosen: list[int], responses: np.ndarray) -> float:
    """Logarithm of the determinant, regularised: what a greedy choice raises."""
    rows = responses[chosen].reshape(-1, responses.shape[-1])
    return float(np.linalg.slogdet(rows.T @ rows + 1e-6 * np.eye(rows.shape[1]))[1])
