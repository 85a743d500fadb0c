"""Atoms of one or many structures, as flat tensors.

A batch concatenates the atoms of its structures; `structure` tells which one an atom belongs to. Edges of different
structures never meet, so a model needs no loop and no padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from surrogates.physics.atoms.neighbors import neighbor_list


@dataclass(frozen=True)
class AtomsBatch:
    """Structures as a model sees them, edges included.

    Args:
        numbers: atomic numbers.
        positions: Å.
        structure: index of each atom's structure, ascending.
        cell: rows are lattice vectors, Å; zero rows where there is no cell.
        pbc: periodic directions.
        charge: total charge of each structure, elementary charges.
        multiplicity: spin multiplicity 2S + 1 of each structure.
        edges: (i, j), i receives; empty until `with_edges`.
        shift: S @ cell of each edge, Å, so that r_ij = x_j - x_i + shift.
        r_max: the cutoff that `edges` were built with, Å; 0 means that there are none yet.
    """

    numbers: Int[Tensor, "atoms"]
    positions: Float[Tensor, "atoms 3"]
    structure: Int[Tensor, "atoms"]
    cell: Float[Tensor, "structures 3 3"]
    pbc: Bool[Tensor, "structures 3"]
    charge: Float[Tensor, "structures"]
    multiplicity: Int[Tensor, "structures"]
    edges: Int[Tensor, "2 edges"]
    shift: Float[Tensor, "edges 3"]
    r_max: float = 0.0

    @property
    def n_structures(self) -> int:
        return self.cell.shape[0]

    def vectors(self) -> Float[Tensor, "edges 3"]:
        """r_ij = x_j - x_i + shift of every edge, Å."""
        receiver, sender = self.edges
        return self.positions.index_select(0, sender) - self.positions.index_select(0, receiver) + self.shift

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> AtomsBatch:
        """The same batch on `device`, its floating-point tensors in `dtype`."""
        moved: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                moved[field.name] = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
        return replace(self, **moved)

    def with_edges(self, r_max: float) -> AtomsBatch:
        """The same batch with every pair closer than `r_max` (Å) as two directed edges, periodic images included."""
        edges, shift = neighbor_list(self.positions, self.structure, self.cell, self.pbc, r_max)
        return replace(self, edges=edges, shift=shift, r_max=float(r_max))

    def strained(self, strain: Float[Tensor, "structures 3 3"]) -> AtomsBatch:
        """Positions, cell and shifts times (1 + strain), row vectors; differentiable in `strain`."""
        deform = torch.eye(3, dtype=strain.dtype, device=strain.device) + strain
        per_atom = deform.index_select(0, self.structure)
        per_edge = per_atom.index_select(0, self.edges[0])
        return replace(
            self,
            positions=torch.einsum("ni,nij->nj", self.positions, per_atom),
            cell=self.cell @ deform,
            shift=torch.einsum("ei,eij->ej", self.shift, per_edge),
        )


@dataclass(frozen=True)
class AtomsLabels:
    """Reference values of a batch; None where a data set does not have them.

    Args:
        energy: eV. forces: eV/Å. stress: eV/Å^3, Voigt xx yy zz yz xz xy, ASE's sign. dipole: e Å.
    """

    energy: Float[Tensor, "structures"] | None = None
    forces: Float[Tensor, "atoms 3"] | None = None
    stress: Float[Tensor, "structures 6"] | None = None
    dipole: Float[Tensor, "structures 3"] | None = None

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> AtomsLabels:
        """The same labels on `device` in `dtype`."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return AtomsLabels(**{k: None if v is None else v.to(device=device, dtype=dtype) for k, v in given.items()})


@dataclass(frozen=True)
class LabelledAtoms:
    """A batch with its labels, and which rows of the data set they are (so that an error can name the sample)."""

    atoms: AtomsBatch
    labels: AtomsLabels
    rows: Int[Tensor, "structures"]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> LabelledAtoms:
        """The same on `device` in `dtype`."""
        return LabelledAtoms(self.atoms.to(device, dtype), self.labels.to(device, dtype), self.rows.to(device))


def join(batches: Sequence[AtomsBatch]) -> AtomsBatch:
    """One batch of all structures of `batches`, in order; edges are kept when all were built with one cutoff."""
    atoms = [b.numbers.shape[0] for b in batches]
    count = [b.n_structures for b in batches]
    first_atom = [sum(atoms[:k]) for k in range(len(batches))]
    first = [sum(count[:k]) for k in range(len(batches))]
    cutoffs = {b.r_max for b in batches}
    if len(cutoffs) > 1:
        raise ValueError(
            f"batches were built with different cutoffs {sorted(cutoffs)}; build their edges with one r_max"
        )

    def cat(name: str) -> Tensor:
        return torch.cat([getattr(b, name) for b in batches])

    return AtomsBatch(
        numbers=cat("numbers"),
        positions=cat("positions"),
        structure=torch.cat([b.structure + k for b, k in zip(batches, first, strict=True)]),
        cell=cat("cell"),
        pbc=cat("pbc"),
        charge=cat("charge"),
        multiplicity=cat("multiplicity"),
        edges=torch.cat([b.edges + k for b, k in zip(batches, first_atom, strict=True)], dim=1),
        shift=cat("shift"),
        r_max=batches[0].r_max,
    )
