"""Verlet skin: a neighbour list with a margin, good until an atom has moved half of it.

Paper: Computer "Experiments" on Classical Fluids. I. Thermodynamical Properties of Lennard-Jones Molecules
(doi:10.1103/PhysRev.159.98), where lists kept for some steps come from.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from surrogates.datasets.batch import AtomsBatch
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

    def __call__(self, atoms: AtomsBatch) -> AtomsBatch:
        """The batch with its edges up to `r_max`."""
        if self.r_max <= 0:
            return atoms
        if self._wide is None or not self._holds(self._wide, atoms):
            self._wide = atoms.with_edges(self.r_max + self.width)
            self.searches += 1
        edges, shift = self._wide.edges, self._wide.shift
        if self.width > 0:
            receiver, sender = edges
            vectors = atoms.positions.index_select(0, sender) - atoms.positions.index_select(0, receiver) + shift
            near = (vectors.detach().square().sum(1) < self.r_max**2).nonzero().squeeze(1)
            edges, shift = edges.index_select(1, near), shift.index_select(0, near)
        return replace(atoms, edges=edges, shift=shift, r_max=self.r_max)

    def _holds(self, old: AtomsBatch, new: AtomsBatch) -> bool:
        if old.positions.shape != new.positions.shape or old.positions.device != new.positions.device:
            return False
        for name in ("numbers", "structure", "cell", "pbc"):
            if not torch.equal(getattr(old, name), getattr(new, name)):
                return False
        moved = (new.positions.detach() - old.positions).square().sum(1)
        return bool(moved.max() <= (self.width / 2) ** 2) if len(moved) else True
