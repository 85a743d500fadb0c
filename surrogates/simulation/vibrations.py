"""Harmonic vibrations.

The mass-weighted Hessian is diagonalised in the space orthogonal to what moves nothing: translations, and rotations of
a free molecule (E. B. Wilson, J. C. Decius, P. C. Cross, Molecular Vibrations, 1955, chapter 2).
"""

from __future__ import annotations

import warnings
from typing import Any

import ase
import numpy as np
import torch
from ase.constraints import FixAtoms
from jaxtyping import Float, Integer

from surrogates.interfaces import Surrogate
from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.physics.units import DEBYE, HBAR, INVERSE_CM
from surrogates.simulation.foreign import as_surrogate, check_elements
from surrogates.simulation.hessian import STEP, Derivatives, derivatives
from surrogates.simulation.modes import Modes
from surrogates.simulation.structures import admission, as_atoms, constraints_of

_KM_PER_MOL = 42.2561  # 1 (D/Å)^2/amu: N_A pi / (3 c^2) / (4 pi epsilon_0)
_ZERO = 1e-4  # relative size of a moment below which a molecule is linear


class NotAMinimumWarning(SurrogatesWarning):
    """Frequencies were asked for where forces are large or a mode is imaginary."""


def vibrations(structures: Any, surrogate: Any, *, fmax: float = 0.05, step: float = STEP) -> Modes | list[Modes]:
    """Frequencies and modes of relaxed structures in float64: `Modes` for one structure, a list for a sequence.

    Atoms held by FixAtoms stay out; other constraints are refused. The Hessian is the surrogate's own, or central
    differences of its forces (`step`, Å). Warns when the largest force exceeds `fmax` (eV/Å) or a mode is imaginary.
    Raises DomainError for a structure that the surrogate cannot do.
    """
    model = as_surrogate(surrogate, dtype=torch.float64)
    found = [_one(atoms, model, fmax, step) for atoms in as_atoms(structures)]
    single = isinstance(structures, ase.Atoms) or hasattr(structures, "sites")
    return found[0] if single else found


def _one(atoms: ase.Atoms, surrogate: Surrogate, fmax: float, step: float) -> Modes:
    reason = admission(atoms, "the structure") or check_elements(surrogate, atoms.numbers)
    if reason is not None:
        raise DomainError(f"{atoms.symbols}: {reason}")
    moving = _moving(atoms)
    found = derivatives(atoms, surrogate, moving, step=step)
    modes = _modes(atoms, moving, found, fmax)
    if not modes.minimum:
        warnings.warn(
            f"{atoms.symbols} is no minimum: largest force {modes.fmax:.3f} eV/Å (up to {fmax:g} is fine), "
            f"{int(modes.imaginary.sum())} imaginary modes; relax it with this surrogate first",
            NotAMinimumWarning,
            stacklevel=4,
        )
    return modes


def _moving(atoms: ase.Atoms) -> Integer[np.ndarray, "moving"]:
    held: list[int] = []
    for constraint in constraints_of(atoms):
        if not isinstance(constraint, FixAtoms):
            raise DomainError(
                f"{type(constraint).__name__} has no harmonic modes here; keep FixAtoms only, or remove the constraint"
            )
        held += list(constraint.get_indices())
    return np.setdiff1d(np.arange(len(atoms)), held)


def _modes(atoms: ase.Atoms, moving: np.ndarray, found: Derivatives, limit: float) -> Modes:
    masses = atoms.get_masses()[moving].repeat(3)
    weighted = found.hessian / np.sqrt(masses[:, None] * masses[None, :])
    rigid = np.zeros((len(masses), 0)) if len(moving) < len(atoms) else rigid_motions(atoms)
    inner = np.linalg.svd(rigid, full_matrices=True)[0][:, rigid.shape[1] :]
    squares, vectors = np.linalg.eigh(inner.T @ weighted @ inner)
    normal = inner @ vectors  # orthonormal, mass-weighted
    frequencies = np.sign(squares) * np.sqrt(np.abs(squares)) * HBAR / INVERSE_CM
    cartesian = normal / np.sqrt(masses)[:, None]
    reduced = 1 / np.square(cartesian).sum(axis=0)
    whole = np.zeros((len(squares), len(atoms), 3))
    whole[:, moving] = (cartesian * np.sqrt(reduced)).T.reshape(len(squares), len(moving), 3)
    ir = None
    if found.dipole is not None:
        ir = np.square(found.dipole.T @ cartesian / DEBYE).sum(axis=0) * _KM_PER_MOL
    return Modes(atoms, frequencies, whole, reduced, found.energy, found.fmax, limit, rigid.shape[1], found.hessian, ir)


def rigid_motions(atoms: ase.Atoms) -> Float[np.ndarray, "coordinates rigid"]:
    """Orthonormal mass-weighted translations, and for a free molecule its rotations: 3, 5 or 6 columns."""
    weight = np.sqrt(atoms.get_masses())
    columns = [(weight[:, None] * np.eye(3)[k]).ravel() for k in range(3)]
    if not atoms.pbc.any():
        r = atoms.positions - atoms.get_center_of_mass()
        axes = np.linalg.eigh(r.T @ r)[1].T
        columns += [(weight[:, None] * np.cross(axis, r)).ravel() for axis in axes]
    u, sizes, _ = np.linalg.svd(np.array(columns).T, full_matrices=False)
    return u[:, sizes > _ZERO * sizes[0]]
