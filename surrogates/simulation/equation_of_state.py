"""Equation of state: energy against volume, fitted with its errors.

E(V) of a crystal scaled alike in all directions, ions relaxed at each volume; the shape of the cell stays. Forms are
those of `ase.eos`, Birch and Murnaghan's of third order and Vinet's.

Papers:
Finite Elastic Strain of Cubic Crystals (doi:10.1103/PhysRev.71.809);
Compressibility of solids (doi:10.1029/JB092iB09p09319).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
import torch
from ase.eos import birchmurnaghan, vinet
from jaxtyping import Float
from scipy.integrate import trapezoid
from scipy.optimize import curve_fit

from surrogates.physics.errors import DomainError
from surrogates.physics.units import GPA
from surrogates.simulation.arguments import is_number, is_whole
from surrogates.simulation.crystal import as_crystal, relaxed_ions
from surrogates.simulation.foreign import as_surrogate

FORMS: dict[str, Callable[..., Any]] = {"birch-murnaghan": birchmurnaghan, "vinet": vinet}
_NAMES = ("energy", "bulk", "derivative", "volume")


@dataclass(frozen=True)
class EquationOfState:
    """A fitted E(V) of one cell.

    Args:
        atoms: the crystal at the volume of least energy, ions as they were at the nearest volume that was computed.
        form: "birch-murnaghan" or "vinet".
        volumes, energies: what was fitted, Å^3 and eV. fmax: largest force left on an ion, eV/Å.
        energy: least energy, eV. volume: there, Å^3. bulk: bulk modulus there, eV/Å^3. derivative: dB/dP, no unit.
        covariance: of (energy, bulk, derivative, volume), in those units squared.
        residual: root mean square misfit, eV.
    """

    atoms: ase.Atoms
    form: str
    volumes: Float[np.ndarray, "volumes"]
    energies: Float[np.ndarray, "volumes"]
    fmax: float
    energy: float
    volume: float
    bulk: float
    derivative: float
    covariance: Float[np.ndarray, "4 4"]
    residual: float

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors of energy (eV), bulk (eV/Å^3), derivative and volume (Å^3) from the scatter of the fit."""
        return dict(zip(_NAMES, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def bulk_gpa(self) -> float:
        """Bulk modulus in GPa."""
        return self.bulk / GPA

    def energy_at(self, volume: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        """Fitted energy, eV, at volumes in Å^3."""
        return np.asarray(FORMS[self.form](volume, self.energy, self.bulk, self.derivative, self.volume))

    def pressure_at(self, volume: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        """-dE/dV of the fit, eV/Å^3, at volumes in Å^3."""
        h = 1e-4 * self.volume
        return -(self.energy_at(volume + h) - self.energy_at(volume - h)) / (2 * h)

    def __str__(self) -> str:
        n, e = len(self.atoms), self.errors
        return (
            f"{self.atoms.symbols}, {self.form}, {len(self.volumes)} volumes: V0 {self.volume / n:.4f} ± "
            f"{e['volume'] / n:.4f} Å^3/atom, B0 {self.bulk_gpa:.2f} ± {e['bulk'] / GPA:.2f} GPa, B0' "
            f"{self.derivative:.3f} ± {e['derivative']:.3f}, misfit {1e3 * self.residual / n:.4f} meV/atom"
        )


def equation_of_state(
    structure: Any,
    surrogate: Any,
    *,
    form: str = "birch-murnaghan",
    width: float | int = 0.06,
    points: int = 11,
    fmax: float | int = 1e-3,
) -> EquationOfState:
    """Energy against volume of one crystal near its equilibrium, in float64; the structure stays put.

    Args:
        structure: one crystal (ase.Atoms, pymatgen Structure). surrogate: anything that `as_surrogate` takes.
        form: "birch-murnaghan" (third order) or "vinet".
        width: volumes run from 1 - width to 1 + width times the structure's. points: how many, at least 6.
        fmax: to which ions are relaxed at every volume, eV/Å.
    All volumes are one batch. Raises DomainError for a molecule, and where no minimum lies within the volumes.
    """
    if form not in FORMS:
        raise DomainError(f"form={form!r} is unknown; choose {' or '.join(FORMS)}")
    if not is_number(width, above=0) or width >= 0.5 or not is_whole(points, least=6) or not is_number(fmax, above=0):
        raise DomainError(
            f"width={width!r}, points={points!r}, fmax={fmax!r}; width lies between 0 and 0.5, points is a whole "
            "number from 6 (four are fitted), fmax is above 0 eV/Å"
        )
    model = as_surrogate(surrogate, dtype=torch.float64)
    atoms = as_crystal(structure, model, "equation of state")
    scales = np.linspace(1 - float(width), 1 + float(width), points) ** (1 / 3)
    cells, left = relaxed_ions([scaled(atoms, s) for s in scales], model, float(fmax))
    volumes = np.array([cell.get_volume() for cell in cells])
    energies = np.array([cell.get_potential_energy() for cell in cells])
    values, covariance, residual = fit_energies(volumes, energies, form)
    nearest = cells[int(np.abs(volumes - values[3]).argmin())]
    best = scaled(nearest, (values[3] / nearest.get_volume()) ** (1 / 3))
    best.calc = None
    energy, bulk, derivative, volume = (float(v) for v in values)
    return EquationOfState(best, form, volumes, energies, left, energy, volume, bulk, derivative, covariance, residual)


def fit_energies(
    volumes: Float[np.ndarray, "volumes"], energies: Float[np.ndarray, "volumes"], form: str
) -> tuple[Float[np.ndarray, "4"], Float[np.ndarray, "4 4"], float]:
    """(E0, B0, B0', V0), their covariance and the misfit (eV); DomainError without a minimum within the volumes."""
    parabola = np.polynomial.Polynomial.fit(volumes, energies, 3).convert()
    roots = parabola.deriv().roots()
    inside = [
        r.real
        for r in roots
        if abs(r.imag) < 1e-9 and volumes.min() <= r.real <= volumes.max() and parabola.deriv(2)(r.real) > 0
    ]
    advice = "relax the cell first, or raise `width`"
    if not inside:
        raise DomainError(
            f"no minimum of the energy lies between {volumes.min():.3f} and {volumes.max():.3f} Å^3; {advice}"
        )
    volume = float(inside[0])
    guess = np.array([parabola(volume), volume * parabola.deriv(2)(volume), 4.0, volume])
    shift = energies.mean()  # large total energies would drown the differences that are fitted
    guess[0] -= shift
    try:
        values, covariance = curve_fit(
            FORMS[form],
            volumes,
            energies - shift,
            p0=guess,
            x_scale=np.abs(guess) + 1e-6,
            method="trf",
            xtol=1e-13,
            ftol=1e-13,
            gtol=1e-13,
        )
    except RuntimeError as error:
        raise DomainError(
            f"the fit of {form} to {len(volumes)} energies does not converge: {error}; {advice}"
        ) from error
    residual = energies - shift - FORMS[form](volumes, *values)
    values[0] += shift
    return values, covariance, float(np.sqrt(np.mean(residual**2)))


def scaled(atoms: ase.Atoms, factor: float) -> ase.Atoms:
    """A copy with all lengths times `factor`."""
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array * factor, scale_atoms=True)
    return copy


def delta(own: tuple[float, float, float], other: tuple[float, float, float], form: str) -> float:
    """Distance of two curves (Å^3/atom, GPa, dB/dP) whose minima are laid upon each other in energy, eV/atom.

    sqrt of the mean of (E1 - E2)² over volumes within 6 % of the mean of both minima (K. Lejaeghere and others,
    doi:10.1080/10408436.2013.772503).
    """
    middle = (own[0] + other[0]) / 2
    volumes = np.linspace(0.94, 1.06, 201) * middle
    first, second = (FORMS[form](volumes, 0.0, bulk * GPA, slope, volume) for volume, bulk, slope in (own, other))
    return float(np.sqrt(trapezoid((first - second) ** 2, volumes) / np.ptp(volumes)))
