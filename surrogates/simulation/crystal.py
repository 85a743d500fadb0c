"""What calculations on crystals share: the structure at the door, its symmetry, relaxed ions, stresses, derivatives."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from surrogates.interfaces import Surrogate
from surrogates.physics.atoms.elastic_symmetry import cartesian_rotations
from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.simulation.evaluate import FAILURES
from surrogates.simulation.foreign import check_elements, placement
from surrogates.simulation.relax import relax
from surrogates.simulation.structures import admission, as_atoms, as_batch, constraints_of

_ATOMS = 2048  # in one batch
_STEPS = 500  # of a relaxation of ions


class NotRelaxedWarning(SurrogatesWarning):
    """Ions were to relax and did not arrive, or something was computed away from a minimum."""


@dataclass(frozen=True)
class Stressed:
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3, Voigt, ASE's sign) of structures of one size."""

    energy: Float[np.ndarray, "structures"]
    forces: Float[np.ndarray, "structures atoms 3"]
    stress: Float[np.ndarray, "structures 6"]


def as_crystal(structure: Any, surrogate: Surrogate, purpose: str) -> ase.Atoms:
    """A copy of the one crystal given, its FixSymmetry taken off; DomainError for what has no such property."""
    found = as_atoms(structure)
    if len(found) != 1:
        raise DomainError(f"{len(found)} structures were given; {purpose} are those of one crystal: give one")
    atoms = found[0]
    if not atoms.pbc.all():
        kind = "molecule" if not atoms.pbc.any() else "structure that is open in a direction"
        raise DomainError(f"{atoms.symbols}: a {kind} has no {purpose}; give a crystal, periodic in all directions")
    reason = admission(atoms, "the structure") or check_elements(surrogate, atoms.numbers)
    if reason is not None:
        raise DomainError(f"{atoms.symbols}: {reason}")
    others = [type(c).__name__ for c in constraints_of(atoms) if type(c).__name__ != "FixSymmetry"]
    if others:
        raise DomainError(f"{atoms.symbols}: {purpose} are those of free atoms; remove {', '.join(others)}")
    atoms.set_constraint()
    return atoms


def point_group(atoms: ase.Atoms, symprec: float) -> tuple[str, Float[np.ndarray, "operations 3 3"]]:
    """International symbol and Cartesian rotations of a crystal; `symprec` in Å."""
    import spglib

    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    # of the primitive cell, not turned: a supercell's own operations are only those that keep its shape
    cell = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=symprec) or cell
    found = spglib.get_symmetry_dataset(cell, symprec=symprec)
    if found is None:
        return "1", np.eye(3)[None]
    rotations = np.unique(np.asarray(found.rotations), axis=0)
    return str(found.pointgroup), cartesian_rotations(rotations.astype(float), np.asarray(cell[0]))


def relaxed_ions(structures: Sequence[ase.Atoms], surrogate: Surrogate, fmax: float) -> tuple[list[ase.Atoms], float]:
    """The structures with ions at rest in their cells, as one batch, and the largest force left, eV/Å.

    Raises DomainError where the surrogate fails, warns where forces stay above `fmax`.
    """
    found = relax(list(structures), surrogate, fmax=fmax, steps=_STEPS, optimizer="lbfgs")
    failed = next((reason for reason in found.failure if reason), None)
    if failed is not None:
        raise DomainError(f"{structures[0].symbols}: the ions cannot be relaxed: {failed}")
    if not found.converged.all():
        warnings.warn(
            f"{structures[0].symbols}: ions of {int((~found.converged).sum())} of {len(found)} cells are not at rest "
            f"after {_STEPS} steps, the largest force is {found.fmax.max():.2g} eV/Å (asked: {fmax:g}); raise `fmax` "
            "to what the calculator can reach, or relax the structure first",
            NotRelaxedWarning,
            stacklevel=4,
        )
    return list(found.atoms), float(found.fmax.max())


def stresses(structures: Sequence[ase.Atoms], surrogate: Surrogate) -> Stressed:
    """Energies, forces and stresses of structures of one size, in batches; DomainError where the surrogate fails."""
    device, dtype = placement(surrogate)
    size = max(1, _ATOMS // len(structures[0]))
    parts = []
    for begin in range(0, len(structures), size):
        batch = as_batch(structures[begin : begin + size]).to(device)
        batch = batch.with_edges(surrogate.r_max) if surrogate.r_max else batch
        try:
            parts.append(surrogate.predict(batch.to(dtype=dtype), stress=True))
        except FAILURES as error:
            raise DomainError(f"{structures[0].symbols}: {type(error).__name__}: {error}") from error
    if any(part.stress is None for part in parts):
        name = getattr(surrogate, "name", type(surrogate).__name__)
        raise DomainError(f"{name} gives no stress; name a calculator with stresses, or a surrogate")

    def all_of(name: str, *shape: int) -> np.ndarray:
        values = torch.cat([getattr(part, name) for part in parts]).detach().double().cpu().numpy()
        return values.reshape(len(structures), *shape)

    found = Stressed(all_of("energy"), all_of("forces", -1, 3), all_of("stress", 6))
    if not (np.isfinite(found.energy).all() and np.isfinite(found.forces).all() and np.isfinite(found.stress).all()):
        raise DomainError(f"{structures[0].symbols}: energy, forces or stress are not finite (NaN)")
    return found


def differentiable(surrogate: Any) -> Any:
    """The module atoms -> atomic energies behind a surrogate, which can be differentiated; None where there is none."""
    for thing in (surrogate, getattr(surrogate, "task", None)):
        if isinstance(thing, nn.Module) and hasattr(thing, "r_max") and hasattr(thing, "hessian"):
            return thing
    return None
