"""Force constants of a supercell: rows of its Hessian, by differentiation or from displaced copies in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ase
import numpy as np
import torch
from jaxtyping import Float, Integer

from surrogates.interfaces import Surrogate
from surrogates.physics.errors import DomainError
from surrogates.simulation.crystal import differentiable
from surrogates.simulation.evaluate import Evaluator
from surrogates.simulation.foreign import placement
from surrogates.simulation.structures import as_batch
from surrogates.tasks.second_derivatives import hessian_rows

_ATOMS = 4096  # in one batch of displaced supercells


def differentiated(
    supercell: ase.Atoms, rows: Integer[np.ndarray, "rows"], surrogate: Surrogate
) -> Float[np.ndarray, "rows atoms 3 3"]:
    """d²E/dx_i dx_j (eV/Å^2) for the atoms i in `rows` and all j; DomainError for a calculator without gradients."""
    potential = differentiable(surrogate)
    if potential is None:
        name = getattr(surrogate, "name", type(surrogate).__name__)
        raise DomainError(f"{name} cannot be differentiated twice; use method='finite differences'")
    device, dtype = placement(surrogate)
    batch = as_batch([supercell]).with_edges(surrogate.r_max).to(device, dtype)
    coordinates = torch.as_tensor((3 * rows[:, None] + np.arange(3)).ravel(), device=device)
    found = hessian_rows(potential, batch, coordinates).double().cpu().numpy()
    if not np.isfinite(found).all():
        raise DomainError(f"{supercell.symbols}: second derivatives are not finite (NaN)")
    return found.reshape(len(rows), 3, len(supercell), 3).transpose(0, 2, 1, 3)


def forces_of(structures: Sequence[ase.Atoms], surrogate: Surrogate) -> Float[np.ndarray, "structures atoms 3"]:
    """Forces (eV/Å) of structures of one size, as one batch up to 4096 atoms; DomainError where the surrogate fails."""
    evaluator = Evaluator(surrogate, skin=0.0)
    size = max(1, _ATOMS // len(structures[0]))
    parts = []
    for begin in range(0, len(structures), size):
        some = structures[begin : begin + size]
        found = evaluator(as_batch(some).to(evaluator.device))
        if found.failures:
            raise DomainError(f"{some[0].symbols}: {next(iter(found.failures.values()))}")
        parts.append(found.forces.cpu().numpy().reshape(len(some), -1, 3))
    return np.concatenate(parts)


def truncation(
    constants: Float[np.ndarray, "rows atoms 3 3"], supercell: ase.Atoms, rows: Integer[np.ndarray, "rows"]
) -> float:
    """Largest force constant at the rim of the supercell over the largest between neighbours.

    The rim are pairs within 5 % of the longest distance between nearest images. Where the ratio is not small, forces
    reach further than the supercell, and frequencies between its commensurate wave vectors are interpolated badly.
    """
    rim: list[float] = []
    near: list[float] = []
    for k, row in enumerate(rows):
        distances = supercell.get_distances(int(row), range(len(supercell)), mic=True)
        sizes = np.linalg.norm(constants[k], axis=(1, 2))
        others = np.arange(len(supercell)) != row
        if not others.any():
            return 1.0
        far = others & (distances >= 0.95 * distances.max())
        rim.append(float(sizes[far].max()))
        near.append(float(sizes[others].max()))
    return max(rim) / max(max(near), 1e-300)


def sum_rule(constants: Float[np.ndarray, "rows atoms 3 3"]) -> float:
    """Largest |sum_j Phi_ij|, eV/Å^2: what a uniform translation would cost; zero of an exact Hessian."""
    return float(np.abs(constants.sum(axis=1)).max())


def repetitions(supercell: Any, cell: Float[np.ndarray, "3 3"], length: float) -> Integer[np.ndarray, "3 3"]:
    """Supercell matrix of a whole number, three, or a 3x3 matrix; None: heights of at least `length` Å."""
    if supercell is None:
        heights = abs(np.linalg.det(cell)) / np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
        return np.diag(np.ceil(length / heights - 1e-6).astype(int))
    try:
        given = np.asarray(supercell)
    except ValueError:
        given = np.zeros(0)
    if given.dtype.kind in "iu" and given.shape in ((), (3,), (3, 3)):
        matrix = given if given.ndim == 2 else np.diag(np.broadcast_to(given, 3))
        if round(np.linalg.det(matrix)) >= 1:
            return matrix.astype(int)
    raise DomainError(
        f"supercell={supercell!r}; give a whole number, three of them, or a 3x3 matrix of whole numbers with a "
        "positive determinant; None takes a cell at least 10 Å high"
    )
