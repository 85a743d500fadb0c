"""Molecular dynamics by a surrogate, its energy drift measured; the reference's own beside it where asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Calculator, Count, Femtoseconds, Kelvin, Output, Positive, Reference
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode
from surrogates.workflows.structure_fields import Structures


@dataclass(frozen=True)
class Dynamics:
    """Move atoms by Newton's or Langevin's equations.

    Args:
        structures: to start from. calculator: a trained surrogate, or a foreign calculator.
        ensemble: "nve", or "langevin" with `friction` (1/fs). temperature: K, of the first momenta and the bath.
        time, timestep: fs. every: steps between frames. dtype: precision of the surrogate.
        reference: its drift is measured too, over `reference_time` fs from the same momenta.
    """

    structures: Structures
    calculator: Calculator
    ensemble: Literal["nve", "langevin"] = "nve"
    temperature: Kelvin = 300.0
    time: Femtoseconds = 1000.0
    timestep: Femtoseconds = 0.5
    every: Count = 10
    friction: Positive = 0.02
    dtype: Literal["as trained", "float32", "float64"] = "as trained"
    reference: Reference | None = None
    reference_time: Femtoseconds = 500.0

    def outputs(self) -> dict[str, Output]:
        return {"": Output("structures", "final.h5")}

    def jobs(self) -> list[str]:
        return ["all", *(["reference"] if self.reference else [])]

    def work(self, job: str, desk: Desk) -> None:
        import numpy as np

        from surrogates.datasets import Structures as Stored
        from surrogates.datasets.adapters.ase import sample_of
        from surrogates.simulation import NVE, Langevin, dynamics
        from surrogates.workflows.inputs import calculator, need, start_structures
        from surrogates.workflows.minima import bare

        folder = desk.job_folder(job)
        own = job == "all"
        found = dynamics(
            need(start_structures(self.structures)),
            calculator(self.calculator if own else self.reference, desk, self.dtype),  # type: ignore[arg-type]
            NVE() if self.ensemble == "nve" else Langevin(friction=self.friction),
            temperature=self.temperature,
            time=self.time if own else min(self.time, self.reference_time),
            timestep=self.timestep,
            every=self.every,
            seed=desk.seed,
            trajectory=folder / "frames.extxyz",
            checkpoint=folder / "dynamics.safetensors",
            progress=lambda p: desk.progress(p.step, p.steps, f"steps, {p.temperature:.0f} K"),
        )
        np.savez(folder / "energies.npz", time=found.time, energy=found.energy, kinetic=found.kinetic)
        if own:
            samples = [sample_of(bare(a), group=f"final/{k}", row=k) for k, a in enumerate(found.final)]
            Stored(samples).save(desk.folder / "final.h5")
        write_json(folder / "result.json", encode(self._result(found, f"jobs/{job}")))

    def finish(self, desk: Desk) -> Moved:
        rows = {job: decode(Trajectories, read_json(desk.job_folder(job) / "result.json")) for job in self.jobs()}
        return Moved("final.h5", self.ensemble, rows["all"], rows.get("reference"))

    def _result(self, found: Any, folder: str) -> Trajectories:
        nve = self.ensemble == "nve"
        return Trajectories(
            files=tuple(f"{folder}/{path.name}" for path in found.files),
            energies=f"{folder}/energies.npz",
            frames=len(found.time),
            time=float(found.time[-1]),
            drift=tuple(float(x) for x in found.drift) if nve else (),
            temperature=tuple(float(x) for x in found.temperature.mean(axis=0)),
            formulas=tuple(a.get_chemical_formula() for a in found.final),
            failures=tuple(found.failure),
        )


@dataclass(frozen=True)
class Trajectories:
    """Dynamics of each structure, in order.

    Args:
        files: frames by structure. energies: npz with `time` (fs), `energy` and `kinetic` (frames, structures; eV).
        frames: written. time: fs. drift: of the total energy, meV/atom/ps; NVE only. temperature: mean, K.
        formulas: of the structures. failures: why one stopped, None where it did not.
    """

    files: tuple[str, ...]
    energies: str
    frames: int
    time: float
    drift: tuple[float | None, ...]
    temperature: tuple[float | None, ...]
    formulas: tuple[str, ...]
    failures: tuple[str | None, ...]


@dataclass(frozen=True)
class Moved:
    """Trajectories by the calculator and, over a shorter time, by the reference.

    Args:
        file: the last structures. ensemble: "nve" or "langevin".
    """

    file: str
    ensemble: str
    surrogate: Trajectories
    reference: Trajectories | None = None

    @property
    def drift(self) -> tuple[float | None, ...]:
        """Drift of the surrogate's total energy by structure, meV/atom/ps."""
        return self.surrogate.drift
