"""Cells that relax together with their atoms: reference positions and the logarithm of the deformation gradient.

The coordinates of a structure are X and a symmetric U with x = X F^T, cell = cell_0 F^T, F = exp(U): those of ASE's
FrechetCellFilter (and of JuLIP before it), without its turning of the cell. What is minimised is the enthalpy
H = E + p V, whose exact gradient is

    -dH/dX = f F,    -dH/dU = -L(U^T, V (stress + p) F^{-T}),

with L the Frechet derivative of the exponential. U enters a minimiser as three more rows s U, forces -dH/dU / s, with
s = sqrt(N) (V/N)^(1/3): the curvature V C / s^2 along a strain is then that of a bond, whatever the number of atoms N.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.atoms.strain import deformation_gradient, log_strain_gradient, projector

LARGEST = 1.0  # of a logarithmic strain; a cell stretched by more than e has run away


@dataclass(frozen=True)
class Deformation:
    """Cells on their way.

    Args:
        positions: X, Å. cell: cell_0, Å. log_strain: U. allowed: projectors of flattened strains onto those that may
            change. scale: s, Å. pressure: p, eV/Å^3. structure: of each atom.
    """

    positions: Float[Tensor, "atoms 3"]
    cell: Float[Tensor, "structures 3 3"]
    log_strain: Float[Tensor, "structures 3 3"]
    allowed: Float[Tensor, "structures 9 9"]
    scale: Float[Tensor, "structures"]
    pressure: float
    structure: Int[Tensor, "atoms"]

    @classmethod
    def start(cls, atoms: AtomsBatch, directions: Sequence[Tensor], pressure: float) -> Deformation:
        """Undeformed; `directions` are the strains that each structure may make."""
        count = torch.bincount(atoms.structure, minlength=atoms.n_structures)
        each = torch.linalg.det(atoms.cell).abs() / count
        return cls(
            atoms.positions,
            atoms.cell,
            torch.zeros_like(atoms.cell),
            torch.stack([projector(d) for d in directions]).to(atoms.cell),
            count.sqrt() * each ** (1 / 3),
            pressure,
            atoms.structure,
        )

    @property
    def rows(self) -> Float[Tensor, "rows 3"]:
        """What a minimiser moves: X of all atoms, then s U of all structures, Å."""
        return torch.cat([self.positions, (self.scale[:, None, None] * self.log_strain).flatten(0, 1)])

    @property
    def owner(self) -> Int[Tensor, "rows"]:
        """The structure of each row."""
        each = torch.arange(len(self.cell), device=self.structure.device)
        return torch.cat([self.structure, each.repeat_interleave(3)])

    def members(self, atoms: Int[Tensor, "kept_atoms"], structures: Int[Tensor, "kept"]) -> Int[Tensor, "kept_rows"]:
        """The rows of these atoms and structures."""
        three = torch.arange(3, device=structures.device)
        return torch.cat([atoms, (len(self.structure) + 3 * structures[:, None] + three).reshape(-1)])

    def keep(self, atoms: Int[Tensor, "kept_atoms"], structures: Int[Tensor, "kept"], structure: Tensor) -> Deformation:
        """Only these atoms and structures; `structure` is that of each atom left."""
        per_structure = ("cell", "log_strain", "allowed", "scale")
        kept = {name: getattr(self, name).index_select(0, structures) for name in per_structure}
        return replace(self, positions=self.positions.index_select(0, atoms), structure=structure, **kept)

    def batch(self, atoms: AtomsBatch) -> AtomsBatch:
        """`atoms` where these coordinates put them."""
        turned = deformation_gradient(self.log_strain).mT
        moved = torch.einsum("ni,nij->nj", self.positions, turned.index_select(0, self.structure))
        return replace(atoms, positions=moved, cell=self.cell @ turned)

    def enthalpy(self, energy: Float[Tensor, "structures"]) -> Float[Tensor, "structures"]:
        """E + p V, eV."""
        cell = self.cell @ deformation_gradient(self.log_strain).mT
        return energy + self.pressure * torch.linalg.det(cell).abs()

    def forces(
        self, forces: Float[Tensor, "atoms 3"], stress: Float[Tensor, "structures 3 3"]
    ) -> tuple[Float[Tensor, "rows 3"], Float[Tensor, "structures"]]:
        """-dH of each row, eV/Å; and the largest component of (dH/dU)/V along the allowed strains, eV/Å^3.

        For an undeformed cell the latter is that of stress + p.
        """
        deform = deformation_gradient(self.log_strain)
        volume = torch.linalg.det(self.cell @ deform.mT).abs()[:, None, None]
        eye = torch.eye(3, dtype=stress.dtype, device=stress.device)
        by_deformation = (stress + self.pressure * eye) @ torch.linalg.inv(deform).mT  # by volume
        gradient = log_strain_gradient(self.log_strain, by_deformation)
        gradient = torch.einsum("skl,sl->sk", self.allowed, gradient.flatten(1)).unflatten(1, (3, 3))
        on_atoms = torch.einsum("ni,nij->nj", forces, deform.index_select(0, self.structure))
        on_cell = -volume * gradient / self.scale[:, None, None]
        return torch.cat([on_atoms, on_cell.flatten(0, 1)]), gradient.abs().amax((1, 2))

    def moved(self, positions: Float[Tensor, "atoms 3"], move: Float[Tensor, "rows 3"]) -> Deformation:
        """With new reference positions, and the strain moved by the last rows of `move`."""
        step = move[len(self.structure) :].reshape(-1, 9) / self.scale[:, None]
        step = torch.einsum("skl,sl->sk", self.allowed, step).unflatten(1, (3, 3))
        return replace(self, positions=positions, log_strain=self.log_strain + step)

    def runaway(self) -> list[int]:
        """Structures whose cells have been stretched or squeezed beyond reason."""
        return (self.log_strain.abs().amax((1, 2)) > LARGEST).nonzero().squeeze(1).tolist()
