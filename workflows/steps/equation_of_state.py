"""Equation of state of crystals, beside the reference's own about its own lattice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from surrogates.workflows.beside import beside_reference
from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Calculator, ForceLimit, Output, Points, Reference, VolumeRange
from surrogates.workflows.steps.elastic import Lattice
from surrogates.workflows.structure_fields import Structures


@dataclass(frozen=True)
class EquationOfState:
    """Energy against volume, fitted, of crystals that are first relaxed with their cells.

    Args:
        structures: crystals. calculator: a trained surrogate, or a foreign calculator.
        form: of the fit. width: volumes run from 1 - width to 1 + width times that of least energy. points: volumes.
        fmax: eV/Å to which ions are relaxed at each volume.
        reference: relaxes each crystal to its own cell; its curve about that is compared.
    """

    structures: Structures
    calculator: Calculator
    form: Literal["birch-murnaghan", "vinet"] = "birch-murnaghan"
    width: VolumeRange = 0.06
    points: Points = 9
    fmax: ForceLimit = 0.0005
    reference: Reference | None = None

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        return ["all", *(["reference"] if self.reference else [])]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.simulation import equation_of_state
        from surrogates.workflows.crystals import lattice, measured

        settings: dict[str, Any] = {"form": self.form, "width": self.width, "points": self.points, "fmax": self.fmax}

        def one(atoms: Any, surrogate: Any, k: int) -> Curve:
            return _row(equation_of_state(atoms, surrogate, **settings), lattice(atoms))

        measured(self, job, desk, one)

    def finish(self, desk: Desk) -> CurvesMeasured:
        compare = partial(_compared, form=self.form)
        return CurvesMeasured(self.form, *beside_reference(desk, self.jobs(), Curve, compare))


@dataclass(frozen=True)
class Curve:
    """E(V) of one crystal, energies and volumes an atom.

    Args:
        volume: Å^3, energy: eV, bulk: GPa, derivative: no unit; of the fit's minimum, each with its standard error.
        residual: misfit, meV. volumes, energies: what was fitted, Å^3 and eV.
    """

    formula: str
    lattice: Lattice
    volume: float
    energy: float
    bulk: float
    derivative: float
    volume_error: float
    bulk_error: float
    derivative_error: float
    residual: float
    volumes: tuple[float, ...]
    energies: tuple[float, ...]


@dataclass(frozen=True)
class CurvesCompared:
    """Against the reference: lattice constants, Å; volume and bulk modulus, relative; dB/dP, no unit.

    delta: root mean square distance of the fitted curves, minima laid upon each other in energy, over volumes within
        6 % of the mean of both minima, meV/atom (K. Lejaeghere and others, doi:10.1080/10408436.2013.772503).
    """

    lattice: float
    volume: float
    bulk: float
    derivative: float
    delta: float


@dataclass(frozen=True)
class CurvesMeasured:
    """Equations of state by crystal; `reference` and `compared` are empty where no reference was named."""

    form: str
    structures: tuple[Curve, ...]
    reference: tuple[Curve, ...] = ()
    compared: tuple[CurvesCompared, ...] = ()
    calls: dict[str, int] | None = None

    def __getitem__(self, index: int) -> Curve:
        return self.structures[index]


def _row(found: Any, lattice: Lattice) -> Curve:
    from surrogates.physics.units import GPA

    n, errors = len(found.atoms), found.errors
    return Curve(
        formula=found.atoms.get_chemical_formula(),
        lattice=lattice,
        volume=found.volume / n,
        energy=found.energy / n,
        bulk=found.bulk_gpa,
        derivative=found.derivative,
        volume_error=errors["volume"] / n,
        bulk_error=errors["bulk"] / GPA,
        derivative_error=errors["derivative"],
        residual=1e3 * found.residual / n,
        volumes=tuple(float(v) / n for v in found.volumes),
        energies=tuple(float(e) / n for e in found.energies),
    )


def _compared(own: Curve, reference: Curve, form: str) -> CurvesCompared:
    from surrogates.simulation.equation_of_state import delta

    pairs = [(c.volume, c.bulk, c.derivative) for c in (own, reference)]
    return CurvesCompared(
        lattice=own.lattice.apart(reference.lattice),
        volume=abs(own.volume / reference.volume - 1),
        bulk=abs(own.bulk / reference.bulk - 1),
        derivative=abs(own.derivative - reference.derivative),
        delta=1e3 * delta(pairs[0], pairs[1], form),
    )
