"""What a calculation of elastic constants gives."""

from __future__ import annotations

from dataclasses import dataclass

import ase
import numpy as np
from jaxtyping import Float

from surrogates.physics.atoms.elastic import stress_strain_coefficients
from surrogates.physics.atoms.elastic_moduli import Moduli, debye_temperature, moduli, stiffnesses
from surrogates.physics.units import GPA


@dataclass(frozen=True)
class ElasticConstants:
    """Elastic constants of a crystal.

    Args:
        atoms: the crystal, ions at rest where they were relaxed.
        constants: (1/V0) d²E/d(eta)², eV/Å^3, Voigt order xx yy zz yz xz xy, Cartesian axes of `atoms`.
        errors: of each, eV/Å^3: standard error of the fit with that of its truncation, or what symmetrisation changed.
        stress: of the unstrained cell, eV/Å^3, positive under tension.
        point_group: international symbol. independent: indices of entries that determine all others, from 0.
        method: how they were found, in words. ions: "relaxed" or "clamped".
        residual: root mean square misfit of stresses in a fit, eV/Å^3; None without one.
        asymmetry: largest change by symmetrisation, eV/Å^3; None where symmetry was imposed.
        fmax: largest force left on an ion of any cell, eV/Å. evaluations: strained or displaced cells computed.
    """

    atoms: ase.Atoms
    constants: Float[np.ndarray, "6 6"]
    errors: Float[np.ndarray, "6 6"]
    stress: Float[np.ndarray, "6"]
    point_group: str
    independent: tuple[tuple[int, int], ...]
    method: str
    ions: str
    residual: float | None
    asymmetry: float | None
    fmax: float
    evaluations: int

    @property
    def gpa(self) -> Float[np.ndarray, "6 6"]:
        """The constants in GPa."""
        return self.constants / GPA

    @property
    def errors_gpa(self) -> Float[np.ndarray, "6 6"]:
        """Their standard errors in GPa."""
        return self.errors / GPA

    @property
    def pressure(self) -> float:
        """Minus a third of the trace of the stress, eV/Å^3."""
        return float(-self.stress[:3].mean())

    @property
    def effective(self) -> Float[np.ndarray, "6 6"]:
        """Wallace's stress-strain coefficients at this pressure, eV/Å^3: what moduli, stability and sound follow from.

        Shear stress of the cell is left out, which keeps them symmetric; they equal `constants` at zero pressure.
        """
        return stress_strain_coefficients(self.constants, np.array([-self.pressure] * 3 + [0.0] * 3))

    @property
    def moduli(self) -> Moduli:
        """Voigt's, Reuss's and Hill's averages, eV/Å^3; divide by units.GPA."""
        return moduli(self.effective)

    @property
    def stiffnesses(self) -> Float[np.ndarray, "6"]:
        """Eigenvalues of the map from strains to stresses, eV/Å^3."""
        return stiffnesses(self.effective)

    @property
    def stable(self) -> bool:
        """Born's criterion: every strain costs energy."""
        return bool(self.stiffnesses[0] > 0)

    @property
    def debye_temperature(self) -> float:
        """K, from the velocities of sound in all directions; NaN of an unstable crystal."""
        atoms = self.atoms
        return debye_temperature(self.effective, atoms.get_volume(), float(atoms.get_masses().sum()), len(atoms))

    def __getitem__(self, name: str) -> float:
        """`constants["C11"]` in GPa."""
        i, j = (int(digit) - 1 for digit in name.removeprefix("C"))
        return float(self.gpa[i, j])

    def __str__(self) -> str:
        rows = [f"C{i + 1}{j + 1} {self.gpa[i, j]:9.2f} ± {self.errors_gpa[i, j]:.2f} GPa" for i, j in self.independent]
        m = self.moduli
        tail = (
            f"bulk {m.bulk / GPA:.1f}, shear {m.shear / GPA:.1f} GPa (Hill), anisotropy {m.anisotropy:.3f}; "
            f"{'stable' if self.stable else 'UNSTABLE'}; pressure {self.pressure / GPA:.3f} GPa"
        )
        head = f"{self.atoms.symbols}, point group {self.point_group}, {self.ions} ions, {self.method}"
        return "\n".join([head, *rows, tail])
