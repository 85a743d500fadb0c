"""Space-group symmetry that a simulation keeps: ASE's FixSymmetry as exact projections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
import torch
from ase.constraints import FixSymmetry
from jaxtyping import Bool, Float, Int
from torch import Tensor

from surrogates.physics.errors import DomainError, MissingExtra

_SYMPREC = 0.01  # Å, ASE's own default
_ORTHOGONAL = 1e-3  # what a rotation in the present cell may miss


@dataclass(frozen=True)
class Symmetry:
    """The operations of one structure's space group.

    Args:
        rotations: Cartesian. maps: where each operation takes each atom.
    Strains that commute with every rotation keep the group, so a projection made in the first cell holds in all later
    ones; ASE projects every step anew to first order in the step.
    """

    rotations: Float[Tensor, "operations 3 3"]
    maps: Int[Tensor, "operations atoms"]

    def vectors(self, values: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The part of a vector field (forces, displacements, momenta) that has the symmetry."""
        turned = torch.einsum("gab,ib->gia", self.rotations.to(values), values).reshape(-1, 3)
        return torch.zeros_like(values).index_add(0, self.maps.reshape(-1), turned) / len(self.maps)

    def freedoms_of(self, atoms: Bool[Tensor, "atoms"]) -> int:
        """Dimension of the space of symmetric vector fields on a set of whole orbits: the trace of `vectors` there."""
        fixed = ((self.maps == torch.arange(len(atoms), device=self.maps.device)) & atoms).sum(1)
        return round(float((fixed * self.rotations.diagonal(dim1=1, dim2=2).sum(1)).mean()))

    def strains(self) -> Float[Tensor, "9 9"]:
        """Projector of flattened strains onto those with the symmetry of the point group."""
        pairs = torch.einsum("gac,gbd->gabcd", self.rotations, self.rotations)
        return pairs.mean(0).reshape(9, 9)


def symmetry_of(constraint: Any, atoms: ase.Atoms, device: torch.device) -> Symmetry:
    """What a FixSymmetry holds. Raises DomainError when the cell of `atoms` has lost these rotations."""
    columns = atoms.cell.array.T
    rotations = columns @ np.asarray(constraint.rotations) @ np.linalg.inv(columns)
    miss = np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max()
    if miss > _ORTHOGONAL:
        raise DomainError(
            f"{atoms.symbols}: the cell no longer has the symmetry that its FixSymmetry holds (rotations miss by "
            f"{miss:.1e}); make the constraint anew from this structure"
        )
    left, _, right = np.linalg.svd(rotations)
    rotations = left @ right  # the nearest orthogonal ones
    maps = torch.as_tensor(np.array(constraint.symm_map), dtype=torch.long, device=device)
    return Symmetry(torch.as_tensor(rotations, device=device), maps)


def keep_symmetry(atoms: Sequence[ase.Atoms]) -> None:
    """Refine each structure in place to the space group it has within 0.01 Å, and add FixSymmetry to its constraints.

    Raises MissingExtra without spglib, DomainError for a structure that is not periodic in three directions.
    """
    try:
        import spglib  # noqa: F401
    except ImportError as error:
        raise MissingExtra("spglib", "crystals") from error
    for k, a in enumerate(atoms):
        if not a.pbc.all():
            raise DomainError(
                f"structure {k} ({a.symbols}): fix_symmetry needs a crystal that is periodic in three directions; "
                f"pbc is {a.pbc.tolist()}; set fix_symmetry=False"
            )
        held = list(a.constraints)
        a.set_constraint()
        a.set_constraint([*held, FixSymmetry(a, symprec=_SYMPREC)])
