"""Harmonic vibrations of minima, beside the reference's own at its own minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from surrogates.workflows.beside import beside_reference, write_rows
from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Calculator, ForceLimit, Kelvin, Output, Reference
from surrogates.workflows.structure_fields import Structures


@dataclass(frozen=True)
class Vibrations:
    """Frequencies, zero-point and free energies of relaxed structures.

    Args:
        structures: minima. calculator: a trained surrogate, or a foreign calculator.
        fmax: eV/Å up to which a structure counts as relaxed. temperature: K, of the free energies.
        reference: relaxes each structure to its own minimum; its frequencies there are compared.
    """

    structures: Structures
    calculator: Calculator
    fmax: ForceLimit = 0.05
    temperature: Kelvin = 298.15
    reference: Reference | None = None

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        return ["all", *(["reference"] if self.reference else [])]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.simulation import relax, vibrations
        from surrogates.workflows.inputs import need, start_structures
        from surrogates.workflows.reference_calls import calls_of, measured_calculator

        structures = need(start_structures(self.structures))
        surrogate = measured_calculator(self.calculator if job == "all" else self.reference, desk)  # type: ignore[arg-type]
        if job == "reference":
            structures = list(relax(structures, surrogate, fmax=0.002, steps=300, optimizer="lbfgs").atoms)
        rows = []
        for k, atoms in enumerate(structures):
            desk.progress(float(k), float(len(structures)), "structures")
            rows.append(self._row(atoms, vibrations(atoms, surrogate, fmax=self.fmax)))
        write_rows(desk, job, rows, calls_of(surrogate))

    def finish(self, desk: Desk) -> Vibrated:
        return Vibrated(*beside_reference(desk, self.jobs(), ModesOf, _compared))

    def _row(self, atoms: Any, modes: Any) -> ModesOf:
        return ModesOf(
            formula=atoms.get_chemical_formula(),
            frequencies=tuple(float(f) for f in modes.frequencies),
            minimum=bool(modes.minimum),
            fmax=float(modes.fmax),
            zero_point_energy=float(modes.zero_point_energy),
            free_energy=None if modes.imaginary.any() else float(modes.free_energy(self.temperature)),
            ir=None if modes.ir is None else tuple(float(x) for x in modes.ir),
        )


@dataclass(frozen=True)
class ModesOf:
    """Vibrations of one structure.

    Args:
        frequencies: 1/cm, ascending; an imaginary one is negative. minimum: no imaginary mode and small forces.
        fmax: largest force, eV/Å. zero_point_energy: eV. free_energy: eV, potential energy included; None where a mode
            is imaginary. ir: intensities, km/mol; None where the calculator has no dipole.
    """

    formula: str
    frequencies: tuple[float, ...]
    minimum: bool
    fmax: float
    zero_point_energy: float
    free_energy: float | None = None
    ir: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Compared:
    """Frequencies against the reference's, in order of frequency: mean and largest |difference|, 1/cm; and eV."""

    mean: float
    largest: float
    zero_point_energy: float


@dataclass(frozen=True)
class Vibrated:
    """Vibrations by structure; `reference` and `compared` are empty where no reference was named.

    calls: different structures that a foreign calculator was asked about, by job.
    """

    structures: tuple[ModesOf, ...]
    reference: tuple[ModesOf, ...] = ()
    compared: tuple[Compared, ...] = ()
    calls: dict[str, int] | None = None

    def __getitem__(self, index: int) -> ModesOf:
        return self.structures[index]


def _compared(own: ModesOf, reference: ModesOf) -> Compared:
    errors = [abs(a - b) for a, b in zip(own.frequencies, reference.frequencies, strict=True)]
    zero_point = own.zero_point_energy - reference.zero_point_energy
    return Compared(sum(errors) / max(len(errors), 1), max(errors, default=0.0), zero_point)
