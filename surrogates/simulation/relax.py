"""Relaxation of many structures as one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surrogates.physics.errors import DomainError
from surrogates.simulation.arguments import check_pressure, is_number, is_whole
from surrogates.simulation.foreign import as_surrogate
from surrogates.simulation.optimizers import FIRE, LBFGS, Minimiser
from surrogates.simulation.relaxation import Relaxation
from surrogates.simulation.relaxed import Relaxed
from surrogates.simulation.strains import Strains, strains
from surrogates.simulation.structures import as_atoms
from surrogates.simulation.symmetry import keep_symmetry

Cell = Any  # a name, a mask of six booleans, Strains, or None

OPTIMIZERS: dict[str, Callable[[], Minimiser]] = {"fire": FIRE, "lbfgs": LBFGS}


@dataclass(frozen=True)
class Progress:
    """Where a relaxation stands: steps made, structures still moving, the largest force among them in eV/Å."""

    step: int
    active: int
    fmax: float


def relax(
    structures: Any,
    surrogate: Any,
    *,
    fmax: float | int = 0.01,
    cell: Cell = None,
    pressure: float | int = 0.0,
    smax: float | int = 1e-4,
    fix_symmetry: bool = False,
    steps: int = 500,
    optimizer: str | Minimiser = "fire",
    skin: float | int = 0.5,
    trajectory: str | Path | None = None,
    checkpoint: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Relaxed:
    """Move atoms downhill until the largest force is below `fmax` (eV/Å); the caller's structures stay put.

    With `cell` the cell relaxes too, in the coordinates of ASE's FrechetCellFilter (logarithm of the deformation
    gradient): the enthalpy E + p V goes down until no component of stress + p along the allowed strains reaches `smax`
    either. A fixed atom then keeps its fractional coordinates.

    A structure that has converged leaves the batch, so a slow one costs only itself; one that fails (an unknown
    element, NaN, fused atoms, an error of the calculator) is reported in the result and left behind.

    Args:
        structures: one or many ase.Atoms (their constraints are honoured), pymatgen objects, a data set's `.atoms`.
        surrogate: anything that `as_surrogate` takes: a checkpoint's path, a fitted surrogate, an ASE calculator.
        cell: which strains each cell may make: "full", "isotropic", "shape" (constant volume), a mask of six booleans
            for xx yy zz yz xz xy as in ASE's filters, or a rule such as `strains.Full()`; None keeps it. Open
            directions of slabs and wires never strain.
        pressure: external, eV/Å^3 (1 GPa = 0.00624151 eV/Å^3, `ase.units.GPa`). smax: eV/Å^3.
        fix_symmetry: refine crystals to their space group (spglib, 0.01 Å) and keep it; same as ASE's FixSymmetry,
            which is honoured where a structure brings it.
        steps: displacements at most; a structure that needs more is not converged.
        optimizer: "fire", "lbfgs", or a minimiser such as `LBFGS(curvature=30)`.
        skin: margin of the neighbour lists, Å.
        trajectory: file for the frames, in a format that ASE can append to (.extxyz, .xyz, .traj); many structures
            go to NAME.0.extxyz, NAME.1.extxyz and so on.
        checkpoint: file (.safetensors) from which an interrupted run continues, written every 20 s.
        progress: called after every step.
    Raises DomainError for a wrong argument (a molecule cannot relax its cell), FileError for a checkpoint of another
    run, MissingExtra where symmetry needs spglib.
    """
    if not is_number(fmax, above=0) or not is_whole(steps):
        raise DomainError(f"fmax={fmax!r} eV/Å and steps={steps!r}; fmax is above 0 and steps a whole number from 0")
    rule = _cell(cell, pressure, smax)
    atoms = as_atoms(structures)
    if fix_symmetry:
        keep_symmetry(atoms)
    run = Relaxation(
        atoms,
        as_surrogate(surrogate),
        minimiser(optimizer),
        limits=(float(fmax), float(smax)),
        cell=rule,
        skin=float(skin),
        files=(trajectory, checkpoint),
    )
    while run.unfinished(steps):
        run.step(steps)
        if progress is not None:
            progress(Progress(run.made, run.active, run.largest))
    return run.result()


def _cell(cell: Cell, pressure: float | int, smax: float | int) -> tuple[Strains, float] | None:
    check_pressure(pressure)
    if not is_number(smax, above=0):
        raise DomainError(f"smax={smax!r} eV/Å^3; give a finite number above 0")
    if cell is None:
        if pressure != 0:
            raise DomainError(f"pressure={pressure!r} eV/Å^3 does nothing to a cell that stays; give cell='full', or 0")
        return None
    return strains(cell), float(pressure)


def minimiser(optimizer: str | Minimiser) -> Minimiser:
    """The minimiser of that name, or the one given."""
    if hasattr(optimizer, "start") and hasattr(optimizer, "step"):
        return optimizer
    if not isinstance(optimizer, str) or optimizer.lower() not in OPTIMIZERS:
        raise DomainError(f"optimizer={optimizer!r} is unknown; choose {' or '.join(OPTIMIZERS)}, or give a minimiser")
    return OPTIMIZERS[optimizer.lower()]()
