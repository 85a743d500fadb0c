"""Second derivatives of one structure's energy, and first ones of its dipole, by any surrogate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import ase
import numpy as np
import torch
from jaxtyping import Float, Integer

from surrogates.datasets.batch import AtomsBatch, join
from surrogates.interfaces import Surrogate
from surrogates.physics.errors import DomainError
from surrogates.simulation.evaluate import Evaluator
from surrogates.simulation.structures import as_batch

STEP = 0.005  # Å; truncation and round-off errors of forces known to 1e-8 eV/Å are alike there
_ATOMS = 4096  # in one batch of displaced copies


@dataclass(frozen=True)
class Derivatives:
    """What vibrations need of a structure.

    Args:
        hessian: d²E/dx², eV/Å^2, symmetric. dipole: dmu/dx, e; None where the surrogate has no dipole.
        fmax: largest force on an atom where the derivatives were taken, eV/Å. energy: eV.
    """

    hessian: Float[np.ndarray, "coordinates coordinates"]
    dipole: Float[np.ndarray, "coordinates 3"] | None
    fmax: float
    energy: float


def hessian_of(atoms: ase.Atoms, surrogate: Surrogate) -> Float[np.ndarray, "coordinates coordinates"]:
    """d²E/dx² of all coordinates, eV/Å^2: the surrogate's own `hessian`, or central differences of its forces."""
    return derivatives(atoms, surrogate, np.arange(len(atoms))).hessian


def derivatives(
    atoms: ase.Atoms, surrogate: Surrogate, moving: Integer[np.ndarray, "moving"], *, step: float = STEP
) -> Derivatives:
    """Derivatives by the coordinates of the atoms `moving`, analytic where the surrogate has a `hessian`.

    Otherwise all displaced copies (`step` in Å) are one batch. Raises DomainError when the surrogate fails at one.
    """
    rows = (3 * moving[:, None] + np.arange(3)).ravel()
    evaluator = Evaluator(surrogate, skin=0.0)
    batch = evaluator.skin(as_batch([atoms]).to(evaluator.device))
    here = evaluator(batch)
    if here.failures:
        raise DomainError(f"{atoms.symbols}: {here.failures[0]}")
    hessian, dipole = None, None
    if hasattr(surrogate, "hessian"):
        full = surrogate.hessian(batch.to(evaluator.device, evaluator.dtype)).detach().double().cpu().numpy()
        hessian = full[np.ix_(rows, rows)]
    if hessian is None or here.dipole is not None:
        differences, dipole = _differences(batch, evaluator, step, rows)
        hessian = differences if hessian is None else hessian
    force = here.forces[torch.as_tensor(moving, device=here.forces.device)]
    fmax = float(force.norm(dim=1).max()) if len(moving) else 0.0
    return Derivatives((hessian + hessian.T) / 2, dipole, fmax, float(here.energy[0]))


def displaced(atoms: AtomsBatch, coordinates: Integer[np.ndarray, "moved"], step: float) -> AtomsBatch:
    """For each of `coordinates` (3 * atom + axis) a copy moved by +`step` and one moved by -`step` (Å), in turn."""
    none = replace(atoms, edges=atoms.edges[:, :0], shift=atoms.shift[:0], r_max=0.0)
    copies = join([none] * (2 * len(coordinates)))
    positions = copies.positions.reshape(2 * len(coordinates), -1).clone()
    for k, coordinate in enumerate(coordinates):
        positions[2 * k, coordinate] += step
        positions[2 * k + 1, coordinate] -= step
    return replace(copies, positions=positions.reshape(-1, 3))


def _differences(
    batch: AtomsBatch, evaluator: Evaluator, step: float, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    size = max(1, _ATOMS // (2 * len(batch.numbers)))
    force_rows, dipole_rows = [], []
    for begin in range(0, len(rows), size):
        some = rows[begin : begin + size]
        found = evaluator(displaced(batch, some, step))
        if found.failures:
            raise DomainError(f"a structure displaced by {step} Å: {next(iter(found.failures.values()))}")
        forces = found.forces.reshape(len(some), 2, -1)
        force_rows.append((forces[:, 1] - forces[:, 0]) / (2 * step))
        if found.dipole is not None:
            dipole = found.dipole.reshape(len(some), 2, 3)
            dipole_rows.append((dipole[:, 0] - dipole[:, 1]) / (2 * step))
    hessian = torch.cat(force_rows).cpu().numpy()[:, rows]
    return hessian, torch.cat(dipole_rows).double().cpu().numpy() if dipole_rows else None
