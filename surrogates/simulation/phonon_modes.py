"""What a phonon calculation gives: frequencies anywhere, bands, density of states, thermal properties, a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ase
import numpy as np
from ase.dft.kpoints import monkhorst_pack
from jaxtyping import Float, Integer

from surrogates.physics.errors import DomainError
from surrogates.physics.units import KJ_PER_MOL
from surrogates.simulation.arguments import is_whole

IMAGINARY = 0.05  # THz; acoustic modes near Gamma miss zero by less for reasons of arithmetic


@dataclass(frozen=True)
class Bands:
    """Frequencies along a path through the Brillouin zone.

    Args:
        q: fractional wave vectors of the primitive cell. x: length along the path, 1/Å with the factor
            2 pi; jumps have none.
        frequencies: THz, imaginary ones negative. labels: (x, name) of the special points.
    """

    q: Float[np.ndarray, "points 3"]
    x: Float[np.ndarray, "points"]
    frequencies: Float[np.ndarray, "points branches"]
    labels: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Density:
    """Density of states: `density` in modes per THz and primitive cell at `frequencies` in THz."""

    frequencies: Float[np.ndarray, "points"]
    density: Float[np.ndarray, "points"]


@dataclass(frozen=True)
class Thermal:
    """Harmonic thermal properties of a primitive cell at constant volume, potential energy left out.

    Args:
        temperatures: K. free_energy: Helmholtz's with zero-point energy, eV. entropy, heat_capacity: eV/K.
        left_out: share of modes that are imaginary and count for nothing, as the three translations do.
    """

    temperatures: Float[np.ndarray, "temperatures"]
    free_energy: Float[np.ndarray, "temperatures"]
    entropy: Float[np.ndarray, "temperatures"]
    heat_capacity: Float[np.ndarray, "temperatures"]
    left_out: float


@dataclass(frozen=True)
class Phonons:
    """Harmonic phonons of a crystal.

    Args:
        phonopy: the phonopy object, for whatever is not here.
        atoms: the crystal as given. primitive: the cell whose fractional wave vectors are meant.
        supercell: matrix of repetitions of `atoms`. method: "autograd" or "finite differences".
        fmax: largest force in `atoms`, eV/Å.
        sum_rule: largest violation of the acoustic sum rule before it was imposed, eV/Å^2.
        truncation: force constants at the rim of the supercell over those of neighbours; small: it is large enough.
        evaluations: supercells computed.
    """

    phonopy: Any = field(repr=False)
    atoms: ase.Atoms
    primitive: ase.Atoms
    supercell: Integer[np.ndarray, "3 3"]
    method: str
    fmax: float
    sum_rule: float
    truncation: float
    evaluations: int

    @property
    def supercell_atoms(self) -> int:
        """How many atoms the supercell has."""
        return round(float(np.linalg.det(self.supercell))) * len(self.atoms)

    def frequencies(self, q: Any) -> Float[np.ndarray, "points branches"]:
        """THz at fractional wave vectors (points, 3), ascending, imaginary ones negative."""
        points = np.atleast_2d(np.asarray(q, dtype=float))
        self.phonopy.run_qpoints(points)
        return np.asarray(self.phonopy.qpoints.frequencies).reshape(len(points), -1)

    @property
    def gamma(self) -> Float[np.ndarray, "branches"]:
        """THz at Gamma; the first three are translations and vanish by the sum rule."""
        return self.frequencies([[0.0, 0.0, 0.0]])[0]

    def on_mesh(self, mesh: int = 8) -> Float[np.ndarray, "points branches"]:
        """THz on a Monkhorst-Pack mesh of mesh^3 wave vectors of equal weight."""
        return self.frequencies(monkhorst_pack((_whole(mesh),) * 3))

    def lowest(self, mesh: int = 8) -> float:
        """Lowest frequency at Gamma and on the mesh, THz; negative where a mode is imaginary."""
        return float(min(self.on_mesh(mesh).min(), self.gamma.min()))

    def stable(self, mesh: int = 8) -> bool:
        """Whether no mode on the mesh is imaginary (beyond 0.05 THz)."""
        return self.lowest(mesh) > -IMAGINARY

    def bands(self, path: str | None = None, points: int = 120) -> Bands:
        """Frequencies along ASE's path for this lattice, or one such as "GXWKGL"; commas break it."""
        found = self.primitive.cell.bandpath(path, npoints=_whole(points), pbc=True)
        x, ticks, names = found.get_linear_kpoint_axis()
        merged: dict[float, list[str]] = {}
        for place, name in zip(ticks, names, strict=True):
            merged.setdefault(round(float(place), 9), []).append("Γ" if name == "G" else name)
        labels = tuple((place, "|".join(dict.fromkeys(n))) for place, n in merged.items())
        return Bands(found.kpts, x, self.frequencies(found.kpts), labels)

    def dos(self, mesh: int = 20) -> Density:
        """Density of states by the tetrahedron method on mesh^3 wave vectors."""
        self.phonopy.run_mesh([_whole(mesh)] * 3, is_gamma_center=True)
        self.phonopy.run_total_dos(use_tetrahedron_method=True)
        found = self.phonopy.total_dos
        return Density(np.asarray(found.frequency_points), np.asarray(found.dos))

    def thermal(self, temperatures: Any = None, mesh: int = 20) -> Thermal:
        """Free energy, entropy and heat capacity at `temperatures` in K (None: 0 to 1000 in steps of 50)."""
        every = np.arange(0.0, 1001.0, 50.0)
        kelvin = every if temperatures is None else np.atleast_1d(np.asarray(temperatures, float))
        if not (np.isfinite(kelvin).all() and (kelvin >= 0).all()):
            raise DomainError(f"temperatures={temperatures!r} K; give finite numbers from 0")
        self.phonopy.run_mesh([_whole(mesh)] * 3, is_gamma_center=True)
        self.phonopy.run_thermal_properties(temperatures=kelvin, cutoff_frequency=1e-3)
        found, grid = self.phonopy.thermal_properties, self.phonopy.mesh
        imaginary = np.asarray(grid.frequencies) < -IMAGINARY
        weights = np.asarray(grid.weights, dtype=float)
        left_out = float((imaginary.mean(axis=1) * weights).sum() / weights.sum())
        per_kelvin = KJ_PER_MOL / 1000
        return Thermal(
            kelvin,
            np.asarray(found.free_energy) * KJ_PER_MOL,
            np.asarray(found.entropy) * per_kelvin,
            np.asarray(found.heat_capacity) * per_kelvin,
            left_out,
        )

    def __str__(self) -> str:
        n, lowest = len(self.primitive), self.lowest()
        kind = "no imaginary mode" if lowest > -IMAGINARY else f"IMAGINARY modes, down to {abs(lowest):.2f}i THz"
        return (
            f"{self.primitive.symbols}, {3 * n} branches by {self.method} in a supercell of "
            f"{round(np.linalg.det(self.supercell))} cells: up to {self.on_mesh().max():.2f} THz, {kind}; sum rule "
            f"broken by {self.sum_rule:.1e} eV/Å^2 before it was imposed, force constants at the rim "
            f"{self.truncation:.1e} of those of neighbours"
        )


@dataclass(frozen=True)
class Difference:
    """Frequencies of two calculations at the same wave vectors, THz: mean and largest |difference|, branches in order.

    `q` is the fractional wave vector of the largest.
    """

    mean: float
    largest: float
    q: tuple[float, float, float]


def difference(own: Phonons, reference: Phonons, mesh: int = 8) -> Difference:
    """How far the frequencies lie apart on a mesh and at Gamma; DomainError for crystals with other atoms."""
    if not np.array_equal(own.primitive.numbers, reference.primitive.numbers):
        raise DomainError(f"phonons of {own.primitive.symbols} and {reference.primitive.symbols} cannot be compared")
    q = np.vstack([monkhorst_pack((_whole(mesh),) * 3), np.zeros((1, 3))])
    apart = np.abs(own.frequencies(q) - reference.frequencies(q))
    worst = q[int(apart.max(axis=1).argmax())]
    return Difference(float(apart.mean()), float(apart.max()), tuple(float(x) for x in worst))  # type: ignore[arg-type]


def _whole(number: int) -> int:
    if not is_whole(number, least=1):
        raise DomainError(f"{number!r} points of a mesh or path; give a whole number from 1")
    return int(number)
