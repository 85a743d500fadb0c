"""Molecular dynamics by a surrogate, its energy drift measured; the reference's own beside it where asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Calculator, Count, Femtoseconds, Kelvin, Output, Positive, Pressure, Reference
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode
from surrogates.workflows.structure_fields import Structures


@dataclass(frozen=True)
class Dynamics:
    """Move atoms by Newton's equations, with a bath where the ensemble has one.

    Args:
        structures: to start from. calculator: a trained surrogate, or a foreign calculator.
        ensemble: "nve"; "langevin" with `friction` (1/fs); "nvt" (Nosé-Hoover chain); "npt" with `pressure` (GPa) and a
            `cell` that changes its volume ("isotropic") or all of it ("full").
        temperature: K, of the first momenta and the bath. thermostat, barostat: fs that fluctuations live.
        time, timestep: fs. every: steps between frames. dtype: precision of the surrogate.
        reference: its drift is measured too, over `reference_time` fs from the same momenta.
    """

    structures: Structures
    calculator: Calculator
    ensemble: Literal["nve", "langevin", "nvt", "npt"] = "nve"
    temperature: Kelvin = 300.0
    time: Femtoseconds = 1000.0
    timestep: Femtoseconds = 0.5
    every: Count = 10
    friction: Positive = 0.02
    dtype: Literal["as trained", "float32", "float64"] = "as trained"
    reference: Reference | None = None
    reference_time: Femtoseconds = 500.0
    pressure: Pressure = 0.0
    cell: Literal["isotropic", "full"] = "isotropic"
    thermostat: Femtoseconds = 100.0
    barostat: Femtoseconds = 1000.0

    def outputs(self) -> dict[str, Output]:
        return {"": Output("structures", "final.h5")}

    def jobs(self) -> list[str]:
        return ["all", *(["reference"] if self.reference else [])]

    def work(self, job: str, desk: Desk) -> None:
        import numpy as np

        from surrogates.datasets import Structures as Stored
        from surrogates.datasets.adapters.ase import sample_of
        from surrogates.physics.units import GPA
        from surrogates.simulation import dynamics
        from surrogates.workflows.inputs import calculator, need, start_structures
        from surrogates.workflows.minima import bare

        folder = desk.job_folder(job)
        own = job == "all"
        found = dynamics(
            need(start_structures(self.structures)),
            calculator(self.calculator if own else self.reference, desk, self.dtype),  # type: ignore[arg-type]
            self._rule(),
            temperature=self.temperature,
            time=self.time if own else min(self.time, self.reference_time),
            timestep=self.timestep,
            every=self.every,
            seed=desk.seed,
            trajectory=folder / "frames.extxyz",
            checkpoint=folder / "dynamics.safetensors",
            progress=lambda p: desk.progress(float(p.step), float(p.steps), f"steps, {p.temperature:.0f} K"),
        )
        rows = {name: getattr(found, name) for name in ("time", "energy", "kinetic", "conserved", "volume")}
        np.savez(folder / "energies.npz", **rows, pressure=found.pressure / GPA)
        if own:
            samples = [sample_of(bare(a), group=f"final/{k}", row=k) for k, a in enumerate(found.final)]
            Stored(samples).save(desk.folder / "final.h5")
        write_json(folder / "result.json", encode(self._result(found, f"jobs/{job}")))

    def finish(self, desk: Desk) -> Moved:
        rows = {job: decode(Trajectories, read_json(desk.job_folder(job) / "result.json")) for job in self.jobs()}
        return Moved("final.h5", self.ensemble, rows["all"], rows.get("reference"))

    def _rule(self) -> Any:
        from surrogates.physics.units import GPA
        from surrogates.simulation import NPT, NVE, Langevin, NoseHoover

        if self.ensemble == "langevin":
            return Langevin(friction=self.friction)
        if self.ensemble == "nvt":
            return NoseHoover(time=self.thermostat)
        if self.ensemble == "npt":
            return NPT(self.pressure * GPA, self.cell, thermostat=self.thermostat, barostat=self.barostat)
        return NVE()

    def _result(self, found: Any, folder: str) -> Trajectories:
        from surrogates.physics.units import GPA

        return Trajectories(
            files=tuple(f"{folder}/{path.name}" for path in found.files),
            energies=f"{folder}/energies.npz",
            frames=len(found.time),
            time=float(found.time[-1]),
            drift=() if self.ensemble == "langevin" else tuple(float(x) for x in found.drift),
            temperature=tuple(float(x) for x in found.temperature.mean(axis=0)),
            volume=tuple(float(x) for x in found.volume.mean(axis=0)),
            pressure=tuple(float(x) / GPA for x in found.pressure.mean(axis=0)) if self.ensemble == "npt" else (),
            formulas=tuple(a.get_chemical_formula() for a in found.final),
            failures=tuple(found.failure),
        )


@dataclass(frozen=True)
class Trajectories:
    """Dynamics of each structure, in order.

    Args:
        files: frames by structure. energies: npz with `time` (fs) and, by frame and structure, `energy`, `kinetic` and
            `conserved` (eV), `volume` (Å^3), `pressure` (GPa, npt only).
        frames: written. time: fs. drift: of what is conserved (in NVE the total energy), meV/atom/ps; () for Langevin.
        temperature: mean, K. volume: mean, Å^3, of crystals. pressure: mean, GPa, of npt.
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
    volume: tuple[float | None, ...] = ()
    pressure: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Moved:
    """Trajectories by the calculator and, over a shorter time, by the reference.

    Args:
        file: the last structures. ensemble: "nve", "langevin", "nvt" or "npt".
    """

    file: str
    ensemble: str
    surrogate: Trajectories
    reference: Trajectories | None = None

    @property
    def drift(self) -> tuple[float | None, ...]:
        """Drift of the surrogate's total energy by structure, meV/atom/ps."""
        return self.surrogate.drift
