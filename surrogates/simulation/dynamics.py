"""Molecular dynamics of many structures as one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surrogates.physics.errors import DomainError
from surrogates.simulation.arguments import is_number, is_whole
from surrogates.simulation.ensembles import NVE, Ensemble, Langevin
from surrogates.simulation.extended import NPT, NoseHoover
from surrogates.simulation.foreign import as_surrogate
from surrogates.simulation.propagation import Propagation
from surrogates.simulation.structures import as_atoms
from surrogates.simulation.trajectory import Trajectory

ENSEMBLES: dict[str, Callable[[], Ensemble]] = {
    "nve": NVE,
    "langevin": Langevin,
    "nose-hoover": NoseHoover,
    "nvt": NoseHoover,
    "npt": NPT,
}


@dataclass(frozen=True)
class Progress:
    """Where a simulation stands: steps made of `steps`, fs, structures still moving, their mean temperature in K."""

    step: int
    steps: int
    time: float
    active: int
    temperature: float


def dynamics(
    structures: Any,
    surrogate: Any,
    ensemble: str | Ensemble = "nve",
    *,
    temperature: float | int | Sequence[float | int] | None = 300.0,
    time: float | int = 1000.0,
    timestep: float | int = 0.5,
    every: int = 10,
    seed: int = 0,
    skin: float | int = 0.5,
    stress: bool = False,
    trajectory: str | Path | None = None,
    checkpoint: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Trajectory:
    """Move atoms by Newton's equations, with or without a bath; the caller's structures stay put.

    A structure that fails (NaN, atoms flying apart, an error of the calculator) stops there and is reported.

    Args:
        structures, surrogate: what `relax` takes.
        ensemble: "nve", "langevin", "nvt" (or "nose-hoover": a chain of thermostats), "npt" (zero pressure), or a rule
            such as `Langevin(friction=0.02)` (1/fs), `NPT(pressure=0.01, cell="full")` (eV/Å^3).
        temperature: K, one or one a structure: of the momenta drawn at the start, and of the bath. But for Langevin
            they are drawn without drift and, for free molecules, without rotation; from a minimum half of their energy
            soon becomes potential. None: the structures' own momenta (NVE).
        time, timestep: fs. every: steps between frames. seed: of momenta and noise.
        skin: margin of the neighbour lists, Å. stress: record it (and the pressure) where cells stay, too.
        trajectory: file for the frames (.extxyz, .xyz, .traj), many structures as NAME.0.extxyz and so on; None keeps
            positions in memory.
        checkpoint: file (.safetensors) from which an interrupted run continues to the bit, written every 20 s; a
            finished run continues when `time` is longer.
        progress: called at every frame.
    Raises DomainError for a wrong argument, FileError for a checkpoint of another run.
    """
    rule = _rule(ensemble)
    atoms = as_atoms(structures)
    if not (is_number(time) and time >= 0 and is_number(timestep, above=0) and is_whole(every, least=1)):
        raise DomainError(
            f"time={time!r} fs, timestep={timestep!r} fs, every={every!r}; give a time from 0, a timestep above 0, "
            "every from 1"
        )
    if not is_whole(seed):
        raise DomainError(f"seed={seed!r}; give a whole number from 0")
    steps = round(time / timestep)
    run = Propagation(
        atoms,
        as_surrogate(surrogate),
        rule,
        temperature=_temperatures(temperature, len(atoms), rule),
        timestep=float(timestep),
        every=every,
        seed=seed,
        skin=float(skin),
        stress=stress,
        files=(trajectory, checkpoint),
    )
    while run.step < steps and run.active:
        run.advance()
        if progress is not None and run.step % every == 0:
            progress(Progress(run.step, steps, float(run.step * timestep), run.active, run.last_temperature))
    return run.result()


def _rule(ensemble: str | Ensemble) -> Ensemble:
    if not isinstance(ensemble, str) and callable(ensemble):
        return ensemble
    if not isinstance(ensemble, str) or ensemble.lower() not in ENSEMBLES:
        raise DomainError(f"ensemble={ensemble!r} is unknown; choose {' or '.join(ENSEMBLES)}, or give a rule")
    return ENSEMBLES[ensemble.lower()]()


def _temperatures(given: float | int | Sequence[float | int] | None, n: int, rule: Ensemble) -> list[float] | None:
    if given is None:
        if not isinstance(rule, NVE):
            raise DomainError("temperature=None keeps the structures' momenta, which suits NVE only; give kelvins")
        return None
    each = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given] * n
    if len(each) != n or not all(is_number(t) and t >= 0 for t in each):
        raise DomainError(f"temperature={given!r}; give one number of kelvins, or one for each of the {n} structures")
    return [float(t) for t in each]
