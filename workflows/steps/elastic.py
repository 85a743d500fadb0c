"""Elastic constants of crystals at rest, beside the reference's own at its own lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from surrogates.workflows.beside import beside_reference
from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Calculator, ForceLimit, Output, Reference, Strain
from surrogates.workflows.structure_fields import Structures

_SMALL = 0.1  # share of the largest constant below which a constant is compared with that share


@dataclass(frozen=True)
class Elastic:
    """Elastic constants of crystals, each first relaxed with its cell.

    Args:
        structures: crystals. calculator: a trained surrogate, or a foreign calculator.
        method: "stress" of strained cells, with errors of the fit, or "hessian", second derivatives of the energy.
        ions: "relaxed" in each strained cell, or "clamped". strain: of the stress-strain method, at most.
        fmax: eV/Å to which ions are relaxed, here and in strained cells.
        reference: relaxes each crystal to its own cell; its constants there, by the same method, are compared.
    """

    structures: Structures
    calculator: Calculator
    method: Literal["stress", "hessian"] = "stress"
    ions: Literal["relaxed", "clamped"] = "relaxed"
    strain: Strain = 0.005
    fmax: ForceLimit = 0.0005
    reference: Reference | None = None

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        return ["all", *(["reference"] if self.reference else [])]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.simulation import SecondDerivatives, StressStrain, elastic_constants
        from surrogates.workflows.crystals import lattice, measured

        method = StressStrain(strain=self.strain) if self.method == "stress" else SecondDerivatives()

        def one(atoms: Any, surrogate: Any, k: int) -> Elasticity:
            found = elastic_constants(atoms, surrogate, method=method, ions=self.ions, fmax=self.fmax)
            return _row(found, lattice(found.atoms))

        measured(self, job, desk, one)

    def finish(self, desk: Desk) -> ElasticMeasured:
        return ElasticMeasured(*beside_reference(desk, self.jobs(), Elasticity, _compared))


@dataclass(frozen=True)
class Lattice:
    """Conventional cell of a crystal: international symbol, lengths in Å, angles in degrees, Å^3 an atom."""

    space_group: str
    a: float
    b: float
    c: float
    alpha: float
    beta: float
    gamma: float
    volume: float

    def apart(self, other: Lattice) -> float:
        """Largest difference of a, b and c, Å."""
        return max(abs(self.a - other.a), abs(self.b - other.b), abs(self.c - other.c))


@dataclass(frozen=True)
class Elasticity:
    """Elastic constants of one crystal at rest, in the Cartesian axes of the structure given.

    Args:
        constants, errors: GPa, 6x6, Voigt order xx yy zz yz xz xy. independent: names of those that determine the rest.
        bulk, shear, young: GPa, Hill's means. poisson, anisotropy: no unit. debye_temperature: K, from sound.
        softest: smallest stiffness of any strain, GPa; the crystal is stable when it is positive.
        evaluations: strained or displaced cells.
    """

    formula: str
    lattice: Lattice
    point_group: str
    constants: tuple[tuple[float, ...], ...]
    errors: tuple[tuple[float, ...], ...]
    independent: tuple[str, ...]
    bulk: float
    shear: float
    young: float
    poisson: float
    anisotropy: float
    debye_temperature: float | None
    softest: float
    method: str
    evaluations: int

    def __getitem__(self, name: str) -> float:
        """`row["C11"]`, GPa."""
        return self.constants[int(name[1]) - 1][int(name[2]) - 1]

    def error(self, name: str) -> float:
        """`row.error("C11")`, GPa."""
        return self.errors[int(name[1]) - 1][int(name[2]) - 1]


@dataclass(frozen=True)
class ElasticCompared:
    """Against the reference: lattice constants, Å; constants by name, bulk and shear modulus, relative (0.05 is 5 %).

    A constant below a tenth of the largest is compared with that tenth. worst: of the named constants.
    """

    lattice: float
    constants: dict[str, float]
    bulk: float
    shear: float
    worst: float


@dataclass(frozen=True)
class ElasticMeasured:
    """Elastic constants by crystal; `reference` and `compared` are empty where no reference was named.

    calls: different structures that a foreign calculator was asked about, by job.
    """

    structures: tuple[Elasticity, ...]
    reference: tuple[Elasticity, ...] = ()
    compared: tuple[ElasticCompared, ...] = ()
    calls: dict[str, int] | None = None

    def __getitem__(self, index: int) -> Elasticity:
        return self.structures[index]


def _row(found: Any, lattice: Lattice) -> Elasticity:
    from surrogates.physics.units import GPA

    averages = found.moduli
    debye = found.debye_temperature
    return Elasticity(
        formula=found.atoms.get_chemical_formula(),
        lattice=lattice,
        point_group=found.point_group,
        constants=tuple(tuple(float(x) for x in row) for row in found.gpa),
        errors=tuple(tuple(float(x) for x in row) for row in found.errors_gpa),
        independent=tuple(f"C{i + 1}{j + 1}" for i, j in found.independent),
        bulk=averages.bulk / GPA,
        shear=averages.shear / GPA,
        young=averages.young / GPA,
        poisson=averages.poisson,
        anisotropy=averages.anisotropy,
        debye_temperature=debye if debye == debye else None,
        softest=float(found.stiffnesses[0]) / GPA,
        method=found.method,
        evaluations=found.evaluations,
    )


def _compared(own: Elasticity, reference: Elasticity) -> ElasticCompared:
    floor = _SMALL * max(abs(x) for row in reference.constants for x in row)
    apart = {n: abs(own[n] - reference[n]) / max(abs(reference[n]), floor) for n in reference.independent}
    return ElasticCompared(
        lattice=own.lattice.apart(reference.lattice),
        constants=apart,
        bulk=abs(own.bulk / reference.bulk - 1),
        shear=abs(own.shear / reference.shear - 1),
        worst=max(apart.values()),
    )
