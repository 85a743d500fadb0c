"""What a vibrational analysis gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import ase
import numpy as np
from ase.thermochemistry import HarmonicThermo, IdealGasThermo
from jaxtyping import Bool, Float

from surrogates.datasets.adapters.ase import spin_multiplicity, total_charge
from surrogates.physics.errors import DomainError
from surrogates.physics.units import INVERSE_CM

_GEOMETRY = {3: "monatomic", 5: "linear", 6: "nonlinear"}


@dataclass(frozen=True)
class Modes:
    """Normal modes of a structure, in the order of their frequencies.

    Args:
        atoms: where they were computed.
        frequencies: 1/cm; an imaginary one is negative.
        modes: displacements of each mode in Å, all coordinates together of length one.
        reduced_masses: amu. energy: of the structure, eV.
        fmax: largest force on a moving atom, eV/Å. limit: up to which that counts as relaxed.
        rigid: motions projected out: 3 of a crystal, 5 or 6 of a molecule, 0 with fixed atoms.
        hessian: of the moving atoms, eV/Å^2.
        ir: infrared intensities, km/mol; None where the surrogate has no dipole.
    """

    atoms: ase.Atoms
    frequencies: Float[np.ndarray, "modes"]
    modes: Float[np.ndarray, "modes atoms 3"]
    reduced_masses: Float[np.ndarray, "modes"]
    energy: float
    fmax: float
    limit: float
    rigid: int
    hessian: Float[np.ndarray, "coordinates coordinates"] = field(repr=False)
    ir: Float[np.ndarray, "modes"] | None = None

    def __len__(self) -> int:
        return len(self.frequencies)

    @property
    def imaginary(self) -> Bool[np.ndarray, "modes"]:
        """Which modes lead downhill."""
        return self.frequencies < 0

    @property
    def minimum(self) -> bool:
        """Whether forces are below `limit` and no mode is imaginary."""
        return self.fmax <= self.limit and not self.imaginary.any()

    @property
    def zero_point_energy(self) -> float:
        """Half the sum of the quanta of the real modes, eV."""
        return float(self.frequencies[~self.imaginary].sum() * INVERSE_CM / 2)

    def free_energy(self, temperature: float = 298.15, pressure: float = 101325.0, symmetry: int = 1) -> float:
        """Free energy in eV, potential energy included.

        A free molecule: Gibbs energy of the ideal gas at `pressure` (Pa) with symmetry number `symmetry`, spin from its
        multiplicity. Anything else: Helmholtz energy of its harmonic modes. Raises DomainError with imaginary modes.
        """
        if self.imaginary.any():
            raise DomainError(f"{self.atoms.symbols} has imaginary modes and no free energy; relax it first")
        quanta = self.frequencies * INVERSE_CM
        if self.atoms.pbc.any() or self.rigid not in _GEOMETRY:
            return float(HarmonicThermo(list(quanta), self.energy).get_helmholtz_energy(temperature, verbose=False))
        charge = total_charge(self.atoms)
        gas = IdealGasThermo(
            vib_energies=list(quanta),
            geometry=_GEOMETRY[self.rigid],  # type: ignore[arg-type]
            potentialenergy=self.energy,
            atoms=self.atoms,
            symmetrynumber=symmetry,
            spin=(spin_multiplicity(self.atoms, charge) - 1) / 2,
        )
        return float(gas.get_gibbs_energy(temperature, pressure, verbose=False))

    def frames(self, mode: int, amplitude: float = 0.5, count: int = 20) -> list[ase.Atoms]:
        """One period of `mode` as structures for a viewer; `amplitude` in Å, along the mode's unit vector."""
        found = []
        for phase in np.arange(count) / count * 2 * np.pi:
            moved = self.atoms.copy()
            moved.positions = self.atoms.positions + amplitude * np.sin(phase) * self.modes[mode]
            found.append(moved)
        return found

    def __str__(self) -> str:
        head = "mode   1/cm" + ("" if self.ir is None else "    km/mol")
        rows = [
            f"{k:4d} {abs(f):8.1f}{'i' if f < 0 else ' '}" + ("" if self.ir is None else f"{self.ir[k]:9.1f}")
            for k, f in enumerate(self.frequencies)
        ]
        verdict = "a minimum" if self.minimum else "NOT a minimum"
        tail = f"zero-point energy {self.zero_point_energy:.4f} eV; {verdict}, largest force {self.fmax:.4f} eV/Å"
        return "\n".join([head, *rows, tail])
