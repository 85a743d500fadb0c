"""Verlet skin: a neighbour list with a margin, good until an atom has moved half of it or the cell has eaten it up.

Paper: Computer "Experiments" on Classical Fluids. I. Thermodynamical Properties of Lennard-Jones Molecules
(doi:10.1103/PhysRev.159.98), where lists kept for some steps come from.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.atoms.all_pairs import complete_cell
from surrogates.physics.errors import DomainError
from surrogates.simulation.arguments import is_number


class Skin:
    """Edges for one batch after another; found anew only when the old ones may have missed a pair.

    Args:
        r_max: the model's cutoff, Å; 0 for a surrogate that needs no edges.
        width: margin, Å; 0 searches at every call.
    Edges longer than `r_max` are taken out, so the batch that comes back is to the bit the one of a fresh search.
    """

    def __init__(self, r_max: float, width: float = 0.5) -> None:
        if not is_number(width) or width < 0:
            raise DomainError(f"skin={width!r} Å; a skin is 0 (search at every step) or wider, 0.3 to 1 pays off")
        self.r_max, self.width = float(r_max), float(width)
        self.searches = 0
        self._wide: AtomsBatch | None = None
        self._images: Tensor | None = None  # of its edges, made when the cell changes

    def __call__(self, atoms: AtomsBatch) -> AtomsBatch:
        """The batch with its edges up to `r_max`."""
        if self.r_max <= 0:
            return atoms
        if self._wide is None or not self._holds(self._wide, atoms):
            self._wide = atoms.with_edges(self.r_max + self.width)
            self._images = None
            self.searches += 1
        edges, shift = self._wide.edges, self._shifts(self._wide, atoms)
        if self.width > 0:
            receiver, sender = edges
            vectors = atoms.positions.index_select(0, sender) - atoms.positions.index_select(0, receiver) + shift
            near = (vectors.detach().square().sum(1) < self.r_max**2).nonzero().squeeze(1)
            edges, shift = edges.index_select(1, near), shift.index_select(0, near)
        return replace(atoms, edges=edges, shift=shift, r_max=self.r_max)

    def _holds(self, old: AtomsBatch, new: AtomsBatch) -> bool:
        """Whether no pair within `r_max` now was beyond `r_max + width` then.

        With positions x' = (x + d) D, where D takes the old cell to the new one, |r'| >= s (|r| - 2 max |d|), s being
        the smallest singular value of D.
        """
        if old.positions.shape != new.positions.shape or old.positions.device != new.positions.device:
            return False
        if not all(torch.equal(getattr(old, name), getattr(new, name)) for name in ("numbers", "structure", "pbc")):
            return False
        if len(new.positions) == 0:
            return True
        here = new.positions.detach()
        if torch.equal(old.cell, new.cell):
            moved = (here - old.positions).square().sum(1)
            return bool(moved.max() <= (self.width / 2) ** 2)
        before, after = _box(old), _box(new)
        deform = torch.linalg.solve(before, after)
        back = torch.linalg.inv(deform).index_select(0, new.structure)
        moved = (torch.einsum("ni,nij->nj", here, back) - old.positions).norm(dim=1)
        worst = moved.new_zeros(new.n_structures).scatter_reduce(0, new.structure, moved, "amax")
        smallest = torch.linalg.svdvals(deform)[:, -1]
        return bool((smallest * (self.r_max + self.width - 2 * worst) >= self.r_max).all())

    def _shifts(self, old: AtomsBatch, new: AtomsBatch) -> Tensor:
        """S @ cell in the present cell, with the images S of the old edges."""
        if torch.equal(old.cell, new.cell):
            return old.shift
        owner = new.structure.index_select(0, old.edges[0])
        if self._images is None:
            inverse = torch.linalg.inv(_box(old)).index_select(0, owner)
            self._images = torch.einsum("ek,ekl->el", old.shift, inverse).round()
        return torch.einsum("ek,ekl->el", self._images, _box(new).index_select(0, owner))


def _box(atoms: AtomsBatch) -> Tensor:
    """Invertible cells: completed where rows along open directions are missing."""
    cell = atoms.cell.detach()
    return torch.where((torch.linalg.det(cell) != 0)[:, None, None], cell, complete_cell(cell, atoms.pbc))
