"""Second derivatives of one structure's energy by any surrogate."""

from __future__ import annotations

from dataclasses import replace

import ase
import numpy as np
import torch
from jaxtyping import Float

from surrogates.datasets.batch import AtomsBatch, join
from surrogates.interfaces import Surrogate
from surrogates.physics.errors import DomainError
from surrogates.simulation.evaluate import Evaluator
from surrogates.simulation.structures import as_batch

_ATOMS = 4096  # in one batch of displaced copies


def hessian_of(
    atoms: ase.Atoms, surrogate: Surrogate, *, step: float = 0.005, moving: np.ndarray | None = None
) -> Float[np.ndarray, "coordinates coordinates"]:
    """d²E/dx², eV/Å^2, symmetric: the surrogate's own `hessian`, or central differences of its forces.

    Args:
        step: displacement of the differences, Å.
        moving: indices of the atoms to differentiate by; None: all. The result has 3 rows for each of these.
    Raises DomainError when the surrogate fails at a displaced structure.
    """
    moving = np.arange(len(atoms)) if moving is None else np.asarray(moving)
    rows = (3 * moving[:, None] + np.arange(3)).ravel()
    if hasattr(surrogate, "hessian"):
        evaluator = Evaluator(surrogate, skin=0.0)
        batch = evaluator.skin(as_batch([atoms]).to(evaluator.device))
        full = surrogate.hessian(batch.to(evaluator.device, evaluator.dtype)).detach().double().cpu().numpy()
        found = full[np.ix_(rows, rows)]
    else:
        found = _differences(atoms, surrogate, step, rows)
    return (found + found.T) / 2


def displaced(atoms: AtomsBatch, coordinates: np.ndarray, step: float) -> AtomsBatch:
    """For each of `coordinates` (3 * atom + axis) a copy moved by +`step` and one moved by -`step` (Å), in turn."""
    copies = join([replace(atoms, structure=atoms.structure)] * (2 * len(coordinates)))
    positions = copies.positions.reshape(2 * len(coordinates), -1).clone()
    for k, coordinate in enumerate(coordinates):
        positions[2 * k, coordinate] += step
        positions[2 * k + 1, coordinate] -= step
    return replace(copies, positions=positions.reshape(-1, 3))


def _differences(atoms: ase.Atoms, surrogate: Surrogate, step: float, rows: np.ndarray) -> np.ndarray:
    evaluator = Evaluator(surrogate, skin=0.0)
    batch = as_batch([atoms]).to(evaluator.device)
    size = max(1, _ATOMS // (2 * len(atoms)))
    found = []
    for begin in range(0, len(rows), size):
        some = rows[begin : begin + size]
        result = evaluator(displaced(batch, some, step))
        if result.failures:
            raise DomainError(f"the Hessian of {atoms.symbols}: {next(iter(result.failures.values()))}")
        forces = result.forces.reshape(len(some), 2, -1)
        found.append(-(forces[:, 0] - forces[:, 1]) / (2 * step))
    return torch.cat(found)[:, torch.as_tensor(rows, device=found[0].device)].cpu().numpy()
