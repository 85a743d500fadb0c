"""PySCF as an ASE calculator: Hartree-Fock, Kohn-Sham DFT and MP2 of a molecule, with forces and dipole.

Atoms go in as numbers, never as text: PySCF evaluates atom strings. Restricted orbitals for singlets, unrestricted
ones otherwise. DFT forces include the response of the integration grid, so that they are the energy's derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, SCFError, all_changes

from surrogates.physics.errors import DomainError, MissingExtra
from surrogates.physics.units import BOHR, DEBYE, HARTREE


class PySCF(Calculator):
    """Energy (eV), forces (eV/Å) and dipole (e Å) of one molecule.

    Args:
        method: "HF", "DFT" or "MP2" (all electrons correlated; its dipole is the Hartree-Fock one).
        xc, grid_level: functional and integration grid of DFT.
        basis: name of a Gaussian basis.
        conv_tol: Hartree; self-consistency ends when the energy changes by less.
        max_iterations: of self-consistency; not converging raises ASE's SCFError.
        charge, multiplicity: of the molecule.
    """

    implemented_properties = ["energy", "free_energy", "forces", "dipole"]  # noqa: RUF012 (ASE declares it so)

    def __init__(
        self,
        *,
        method: str = "DFT",
        xc: str = "pbe0",
        basis: str = "def2-svp",
        grid_level: int = 3,
        conv_tol: float = 1e-10,
        max_iterations: int = 100,
        charge: int = 0,
        multiplicity: int = 1,
    ) -> None:
        super().__init__(
            method=method,
            xc=xc,
            basis=basis,
            grid_level=grid_level,
            conv_tol=conv_tol,
            max_iterations=max_iterations,
            charge=charge,
            multiplicity=multiplicity,
        )
        self._density: Any = None  # of the last geometry, where the next one starts

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Fill `results`; SCFError when not converged, DomainError for a crystal or a wrong multiplicity."""
        super().calculate(atoms, properties, system_changes)
        if set(system_changes) - {"positions"}:
            self._density = None
        field = self._converged(self._molecule(self.atoms))
        self._density = field.make_rdm1()
        total, gradient = self._total(field)
        self.results["energy"] = self.results["free_energy"] = float(total) * HARTREE
        self.results["forces"] = -np.asarray(gradient) * HARTREE / BOHR
        self.results["dipole"] = np.asarray(field.dip_moment(unit="Debye", verbose=0)) * DEBYE

    def _molecule(self, atoms: Any) -> Any:
        try:
            from pyscf import gto
        except ImportError as error:
            raise MissingExtra("pyscf", "pyscf") from error
        p: Any = self.parameters
        if atoms.pbc.any():
            raise DomainError(
                f"{atoms.symbols} is periodic; this reference treats molecules, so set pbc to false or name "
                "another reference"
            )
        electrons, unpaired = int(atoms.numbers.sum()) - p.charge, p.multiplicity - 1
        if electrons < unpaired or (electrons - unpaired) % 2:
            raise DomainError(
                f"{atoms.symbols} with charge {p.charge} has {electrons} electrons, which multiplicity "
                f"{p.multiplicity} does not fit; give {'an even' if electrons % 2 else 'an odd'} multiplicity"
            )
        sites = [(int(z), tuple(map(float, x))) for z, x in zip(atoms.numbers, atoms.positions / BOHR, strict=True)]
        return gto.M(atom=sites, unit="Bohr", basis=p.basis, charge=p.charge, spin=unpaired, verbose=0)

    def _converged(self, molecule: Any) -> Any:
        from pyscf import dft, scf

        p: Any = self.parameters
        restricted = p.multiplicity == 1
        if p.method == "DFT":
            field = (dft.RKS if restricted else dft.UKS)(molecule, xc=p.xc)
            field.grids.level = p.grid_level
        else:
            field = (scf.RHF if restricted else scf.UHF)(molecule)
        field.conv_tol = p.conv_tol
        if p.method == "MP2":  # its energy is of first order in an error of the orbitals
            field.conv_tol_grad = 0.01 * p.conv_tol**0.5
        field.max_cycle, field.chkfile = p.max_iterations, None
        field.kernel(dm0=self._density)
        if not field.converged:
            raise SCFError(f"{p.method}/{p.basis} did not converge in {p.max_iterations} iterations")
        return field

    def _total(self, field: Any) -> tuple[float, np.ndarray]:
        """Energy (Hartree) and its gradient (Hartree/Bohr)."""
        method = self.parameters["method"]
        if method == "MP2":
            from pyscf import mp

            correlated = mp.MP2(field).run(verbose=0)
            return correlated.e_tot, correlated.nuc_grad_method().kernel()
        gradient = field.nuc_grad_method()
        if method == "DFT":
            gradient.grid_response = True
        return field.e_tot, gradient.kernel()
