"""Phonons of crystals at rest, beside the reference's own at its own lattice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from surrogates.workflows.beside import beside_reference
from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Calculator, Count, ForceLimit, Kelvin, Length, Output, Reference
from surrogates.workflows.steps.elastic import Lattice
from surrogates.workflows.structure_fields import Structures


@dataclass(frozen=True)
class Phonons:
    """Bands, density of states and thermal properties of crystals, each first relaxed with its cell.

    Args:
        structures: crystals. calculator: a trained surrogate, or a foreign calculator.
        supercell: repetitions of the structure, one number or three; as many as make 10 Å unless given.
        method: of the surrogate's force constants: "autograd", "finite differences", or "auto".
        displacement: of finite differences, Å. mesh: wave vectors along each axis where frequencies are compared.
        path: through the Brillouin zone, such as GXWKGL; that of the lattice unless given.
        temperature: of the thermal properties, K. fmax: eV/Å to which ions are relaxed.
        reference: relaxes each crystal to its own cell; its frequencies there, by finite differences in the same
            supercell, are compared.
    """

    structures: Structures
    calculator: Calculator
    supercell: Count | list[Count] | None = None
    method: Literal["auto", "autograd", "finite differences"] = "auto"
    displacement: Length = 0.01
    mesh: Count = 8
    path: str | None = None
    temperature: Kelvin = 300.0
    fmax: ForceLimit = 0.0005
    reference: Reference | None = None

    def __post_init__(self) -> None:
        if isinstance(self.supercell, list) and len(self.supercell) != 3:
            raise ValueError(f"supercell: {self.supercell} has {len(self.supercell)} numbers; give one or three")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        return ["all", *(["reference"] if self.reference else [])]

    def work(self, job: str, desk: Desk) -> None:
        import numpy as np

        from surrogates.simulation import phonons
        from surrogates.workflows.crystals import lattice, measured

        method = self.method if job == "all" else "finite differences"
        folder = desk.job_folder(job)

        def one(atoms: Any, surrogate: Any, k: int) -> PhononsOf:
            found = phonons(
                atoms, surrogate, supercell=self.supercell, method=method, step=self.displacement, fmax=10 * self.fmax
            )
            bands, dos, file = found.bands(self.path), found.dos(), f"phonons-{k}.npz"
            np.savez(
                folder / file,
                x=bands.x,
                q=bands.q,
                bands=bands.frequencies,
                dos_frequencies=dos.frequencies,
                dos=dos.density,
                mesh=found.on_mesh(self.mesh),
            )
            return self._row(found, bands, lattice(atoms), f"jobs/{job}/{file}")

        measured(self, job, desk, one)

    def finish(self, desk: Desk) -> PhononsMeasured:
        return PhononsMeasured(*beside_reference(desk, self.jobs(), PhononsOf, partial(_compared, desk=desk)))

    def _row(self, found: Any, bands: Any, lattice: Lattice, file: str) -> PhononsOf:
        from surrogates.simulation.phonon_modes import IMAGINARY

        heat = found.thermal([0.0, self.temperature])
        lowest = found.lowest(self.mesh)
        return PhononsOf(
            formula=found.primitive.get_chemical_formula(),
            lattice=lattice,
            file=file,
            labels=bands.labels,
            gamma=tuple(float(f) for f in found.gamma),
            highest=float(found.on_mesh(self.mesh).max()),
            lowest=lowest,
            stable=lowest > -IMAGINARY,
            temperature=self.temperature,
            zero_point_energy=float(heat.free_energy[0]),
            free_energy=float(heat.free_energy[1]),
            entropy=1e3 * float(heat.entropy[1]),
            heat_capacity=1e3 * float(heat.heat_capacity[1]),
            atoms=found.supercell_atoms,
            method=found.method,
            sum_rule=found.sum_rule,
            truncation=found.truncation,
            evaluations=found.evaluations,
        )


@dataclass(frozen=True)
class PhononsOf:
    """Phonons of one crystal.

    Args:
        file: npz with x (1/Å), q (fractional), bands (points, branches; THz), dos_frequencies (THz), dos (modes/THz),
            mesh (points, branches; THz). labels: (x, name) of special points.
        gamma: frequencies at Gamma. highest, lowest: on the mesh, THz; imaginary ones negative. stable: none is.
        zero_point_energy, free_energy: eV, entropy, heat_capacity: meV/K; of a primitive cell at `temperature` (K).
        atoms: in the supercell. sum_rule: violation before it was imposed, eV/Å^2. truncation: force constants at the
            rim of the supercell over those of neighbours. evaluations: supercells computed.
    """

    formula: str
    lattice: Lattice
    file: str
    labels: tuple[tuple[float, str], ...]
    gamma: tuple[float, ...]
    highest: float
    lowest: float
    stable: bool
    temperature: float
    zero_point_energy: float
    free_energy: float
    entropy: float
    heat_capacity: float
    atoms: int
    method: str
    sum_rule: float
    truncation: float
    evaluations: int


@dataclass(frozen=True)
class PhononsCompared:
    """Against the reference: lattice constants, Å; frequencies on the mesh, branches in order: mean and largest
    |difference|, THz; free energy, eV; heat capacity, meV/K."""

    lattice: float
    mean: float
    largest: float
    free_energy: float
    heat_capacity: float


@dataclass(frozen=True)
class PhononsMeasured:
    """Phonons by crystal; `reference` and `compared` are empty where no reference was named."""

    structures: tuple[PhononsOf, ...]
    reference: tuple[PhononsOf, ...] = ()
    compared: tuple[PhononsCompared, ...] = ()
    calls: dict[str, int] | None = None

    def __getitem__(self, index: int) -> PhononsOf:
        return self.structures[index]


def _compared(own: PhononsOf, reference: PhononsOf, desk: Desk) -> PhononsCompared:
    import numpy as np

    mesh = [np.load(desk.folder / row.file, allow_pickle=False)["mesh"] for row in (own, reference)]
    if mesh[0].shape != mesh[1].shape:
        from surrogates.physics.errors import DomainError

        raise DomainError(
            f"{own.formula}: the surrogate's crystal has {mesh[0].shape[1]} branches, the reference's "
            f"{mesh[1].shape[1]}: they relaxed to different primitive cells and cannot be compared"
        )
    apart = np.abs(mesh[0] - mesh[1])
    return PhononsCompared(
        lattice=own.lattice.apart(reference.lattice),
        mean=float(apart.mean()),
        largest=float(apart.max()),
        free_energy=own.free_energy - reference.free_energy,
        heat_capacity=own.heat_capacity - reference.heat_capacity,
    )
