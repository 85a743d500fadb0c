"""What may be done to a structure: turned, mirrored, moved, relabelled, repeated. Batches without edges in and out."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch


def singles(atoms: AtomsBatch) -> list[AtomsBatch]:
    """One batch of one structure for each structure; edges are dropped, since moving atoms would leave them stale."""
    atoms = replace(atoms, edges=atoms.edges[:, :0], shift=atoms.shift[:0], r_max=0.0)
    return [_single(atoms, k) for k in range(atoms.n_structures)]


def _single(atoms: AtomsBatch, k: int) -> AtomsBatch:
    mine = atoms.structure == k
    whole = {name: getattr(atoms, name)[k : k + 1] for name in ("cell", "pbc", "charge", "multiplicity")}
    zeros = torch.zeros_like(atoms.structure[mine])
    return replace(atoms, numbers=atoms.numbers[mine], positions=atoms.positions[mine], structure=zeros, **whole)


def turned(atoms: AtomsBatch, matrix: Float[Tensor, "3 3"]) -> AtomsBatch:
    """Positions and cell under an orthogonal matrix: a rotation, or with determinant -1 a reflection."""
    return replace(atoms, positions=atoms.positions @ matrix.mT, cell=atoms.cell @ matrix.mT)


def moved(atoms: AtomsBatch, step: Float[Tensor, "atoms 3"] | Float[Tensor, "3"]) -> AtomsBatch:
    """Positions plus `step`, Å."""
    return replace(atoms, positions=atoms.positions + step)


def images(atoms: AtomsBatch) -> AtomsBatch:
    """One structure with atoms replaced by other periodic images of themselves, a different one for each of nine."""
    k = torch.arange(atoms.numbers.shape[0], device=atoms.positions.device)
    cells = torch.stack([k % 2, k % 3 - 1, k // 3 % 3 - 1], dim=1).to(atoms.cell.dtype)
    return moved(atoms, (cells * atoms.pbc[0]) @ atoms.cell[0])


def relabelled(atoms: AtomsBatch, order: Int[Tensor, "atoms"]) -> AtomsBatch:
    """One structure with its atoms listed in another order."""
    return replace(atoms, numbers=atoms.numbers[order], positions=atoms.positions[order])


def repeated(atoms: AtomsBatch, times: int = 2) -> AtomsBatch:
    """One structure as its supercell, `times` along each periodic direction; copies follow each other whole."""
    n = [times if periodic else 1 for periodic in atoms.pbc[0].tolist()]
    steps = torch.cartesian_prod(*(torch.arange(k, device=atoms.cell.device) for k in n)).to(atoms.cell.dtype)
    shifts = steps @ atoms.cell[0]
    factor = torch.tensor(n, dtype=atoms.cell.dtype, device=atoms.cell.device)
    return replace(
        atoms,
        numbers=atoms.numbers.repeat(len(shifts)),
        positions=(shifts[:, None] + atoms.positions).reshape(-1, 3),
        structure=atoms.structure.repeat(len(shifts)),
        cell=atoms.cell * factor[:, None],
        charge=atoms.charge * len(shifts),
    )


def cluster(atoms: AtomsBatch) -> AtomsBatch:
    """One structure taken out of its cell: no periodic directions, no cell."""
    return replace(atoms, cell=torch.zeros_like(atoms.cell), pbc=torch.zeros_like(atoms.pbc))


def side_by_side(first: AtomsBatch, second: AtomsBatch, gap: float) -> AtomsBatch:
    """Two clusters as one structure, the second moved along x until their nearest atoms are at least `gap` Å apart."""
    away = torch.zeros(3, dtype=first.positions.dtype, device=first.positions.device)
    away[0] = first.positions[:, 0].max() - second.positions[:, 0].min() + gap
    return replace(
        first,
        numbers=torch.cat([first.numbers, second.numbers]),
        positions=torch.cat([first.positions, second.positions + away]),
        structure=torch.cat([first.structure, second.structure]),
        charge=first.charge + second.charge,
    )


def volume(atoms: AtomsBatch) -> float:
    """Volume of one structure's cell, Å^3; 0 unless it is periodic in three directions."""
    return torch.linalg.det(atoms.cell[0]).abs().item() if bool(atoms.pbc.all()) else 0.0
