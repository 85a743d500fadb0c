"""Relaxation of many structures as one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surrogates.physics.errors import DomainError
from surrogates.simulation.arguments import is_number, is_whole
from surrogates.simulation.foreign import as_surrogate
from surrogates.simulation.optimizers import FIRE, LBFGS, Minimiser
from surrogates.simulation.relaxation import Relaxation
from surrogates.simulation.relaxed import Relaxed
from surrogates.simulation.structures import as_atoms

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
    steps: int = 500,
    optimizer: str | Minimiser = "fire",
    skin: float | int = 0.5,
    trajectory: str | Path | None = None,
    checkpoint: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Relaxed:
    """Move atoms downhill until the largest force is below `fmax` (eV/Å); the caller's structures stay put.

    A structure that has converged leaves the batch, so a slow one costs only itself; one that fails (an unknown
    element, NaN, fused atoms, an error of the calculator) is reported in the result and left behind.

    Args:
        structures: one or many ase.Atoms (their constraints are honoured), pymatgen objects, a data set's `.atoms`.
        surrogate: anything that `as_surrogate` takes: a checkpoint's path, a fitted surrogate, an ASE calculator.
        steps: displacements at most; a structure that needs more is not converged.
        optimizer: "fire", "lbfgs", or a minimiser such as `LBFGS(curvature=30)`.
        skin: margin of the neighbour lists, Å.
        trajectory: file for the frames, in a format that ASE can append to (.extxyz, .xyz, .traj); many structures
            go to NAME.0.extxyz, NAME.1.extxyz and so on.
        checkpoint: file (.safetensors) from which an interrupted run continues, written every 20 s.
        progress: called after every step.
    Raises DomainError for a wrong argument, FileError for a checkpoint of another run.
    """
    if not is_number(fmax, above=0) or not is_whole(steps):
        raise DomainError(f"fmax={fmax!r} eV/Å and steps={steps!r}; fmax is above 0 and steps a whole number from 0")
    run = Relaxation(
        as_atoms(structures),
        as_surrogate(surrogate),
        minimiser(optimizer),
        fmax=float(fmax),
        skin=float(skin),
        files=(trajectory, checkpoint),
    )
    while run.unfinished(steps):
        run.step(steps)
        if progress is not None:
            progress(Progress(run.made, run.active, run.largest))
    return run.result()


def minimiser(optimizer: str | Minimiser) -> Minimiser:
    """The minimiser of that name, or the one given."""
    if hasattr(optimizer, "start") and hasattr(optimizer, "step"):
        return optimizer
    if not isinstance(optimizer, str) or optimizer.lower() not in OPTIMIZERS:
        raise DomainError(f"optimizer={optimizer!r} is unknown; choose {' or '.join(OPTIMIZERS)}, or give a minimiser")
    return OPTIMIZERS[optimizer.lower()]()
