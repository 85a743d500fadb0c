"""Relaxation by a surrogate, finished by the reference where `verify:` names one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Calculator, Count, ForceLimit, Output, Pressure, Reference, StressLimit
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode
from surrogates.workflows.structure_fields import Structures


@dataclass(frozen=True)
class Relax:
    """Move atoms downhill until the largest force is small.

    Args:
        structures: to relax. calculator: a trained surrogate, or a foreign calculator.
        fmax: eV/Å. steps: at most. optimizer: "fire" or "lbfgs". dtype: precision of the surrogate.
        cell: which strains the cells may make: "full", "isotropic" or "shape" (constant volume); "fixed" keeps them.
        pressure: external, GPa. smax: of stress + pressure, GPa. fix_symmetry: keep the space group (spglib).
        verify: a reference that goes on from the surrogate's minimum to its own, and so certifies it.
    """

    structures: Structures
    calculator: Calculator
    fmax: ForceLimit = 0.01
    steps: Count = 500
    optimizer: Literal["fire", "lbfgs"] = "fire"
    dtype: Literal["as trained", "float32", "float64"] = "float64"
    verify: Reference | None = None
    cell: Literal["fixed", "full", "isotropic", "shape"] = "fixed"
    pressure: Pressure = 0.0
    smax: StressLimit = 0.02
    fix_symmetry: bool = False

    def outputs(self) -> dict[str, Output]:
        return {"": Output("structures", "minima.h5")}

    def jobs(self) -> list[str]:
        return ["all"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.physics.units import GPA
        from surrogates.simulation import relax
        from surrogates.workflows.inputs import need, start_structures
        from surrogates.workflows.minima import certify, save_minima
        from surrogates.workflows.reference_calls import measured_calculator, silent

        surrogate = measured_calculator(self.calculator, desk, self.dtype, silent)
        settings: dict[str, Any] = {"fmax": self.fmax, "steps": self.steps, "optimizer": self.optimizer}
        if self.cell != "fixed" or self.pressure:
            cell = None if self.cell == "fixed" else self.cell
            settings |= {"cell": cell, "pressure": self.pressure * GPA, "smax": self.smax * GPA}
        if self.fix_symmetry:
            settings["fix_symmetry"] = True
        found = relax(
            need(start_structures(self.structures)),
            surrogate,
            **settings,
            checkpoint=desk.job_folder(job) / "relaxation.safetensors",
            progress=lambda p: desk.progress(
                float(p.step), float(self.steps), f"steps, {p.active} structures, {p.fmax:.3g} eV/Å"
            ),
        )
        content = save_minima(found, desk.folder / "minima.h5")
        checked = certify(found, self.verify, settings, desk) if self.verify else None
        rows = [
            RelaxedStructure(
                formula=atoms.get_chemical_formula(),
                converged=bool(found.converged[k]),
                steps=int(found.steps[k]),
                energy=float(found.energy[k]),
                fmax=float(found.fmax[k]),
                failure=found.failure[k],
                certified=checked[k] if checked else None,
                volume=float(atoms.cell.volume) if atoms.pbc.all() else None,
                cell=tuple(float(x) for x in atoms.cell.cellpar()) if atoms.pbc.any() else None,
                stress=None if found.stress is None else tuple(float(x) / GPA for x in found.stress[k]),
            )
            for k, atoms in enumerate(found.atoms)
        ]
        write_json(desk.job_folder(job) / "result.json", encode(Relaxed("minima.h5", content, self.fmax, tuple(rows))))

    def finish(self, desk: Desk) -> Relaxed:
        result: Relaxed = decode(Relaxed, read_json(desk.job_folder("all") / "result.json"))
        return result


@dataclass(frozen=True)
class Certified:
    """What the reference made of a surrogate's minimum.

    Args:
        calls: reference evaluations from the surrogate's minimum to the reference's. converged: whether it got there.
        rmsd: between the two, aligned, Å. energy_drop: eV that the reference still gained.
        fmax: the reference's largest force at the surrogate's minimum, eV/Å. failure: why there is none.
    """

    calls: int
    converged: bool
    rmsd: float | None
    energy_drop: float | None
    fmax: float | None
    failure: str | None = None


@dataclass(frozen=True)
class RelaxedStructure:
    """One minimum: `energy` in eV, `fmax` in eV/Å, `steps` made, why it failed, and the reference's certificate.

    Args:
        volume: Å^3. cell: lengths in Å and angles in degrees. stress: GPa, Voigt xx yy zz yz xz xy, ASE's sign, where
            the cell relaxed.
    """

    formula: str
    converged: bool
    steps: int
    energy: float | None
    fmax: float | None
    failure: str | None = None
    certified: Certified | None = None
    volume: float | None = None
    cell: tuple[float, ...] | None = None
    stress: tuple[float | None, ...] | None = None


@dataclass(frozen=True)
class Relaxed:
    """Minima.

    Args:
        file: the structures, in the step's folder. hash: of their content. limit: the fmax asked for, eV/Å.
        structures: one row each, in order.
    """

    file: str
    hash: str
    limit: float
    structures: tuple[RelaxedStructure, ...]

    def __getitem__(self, index: int) -> RelaxedStructure:
        return self.structures[index]
