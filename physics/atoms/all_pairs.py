"""Neighbours by testing every pair and image: plain tensor operations, on any device, many small structures at once."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_CHUNK = 2_000_000  # candidate pairs tested at a time: about 200 MB


def all_pairs(
    positions: Float[Tensor, "atoms 3"],
    structure: Int[Tensor, "atoms"],
    cell: Float[Tensor, "structures 3 3"],
    pbc: Bool[Tensor, "structures 3"],
    r_max: float,
) -> tuple[Int[Tensor, "2 edges"], Int[Tensor, "edges 3"]]:
    """Edges and their integer images S, in lexicographic order of (i, j, S); `cell` must be invertible.

    With atoms folded into the cell, |x_j - x_i + n @ cell| < r_max needs |n_k| <= ceil(r_max / height_k).
    """
    wraps = _wraps(positions, structure, cell, pbc)
    folded = positions - torch.einsum("nk,nkl->nl", wraps.to(cell.dtype), cell.index_select(0, structure))
    images, first_image, n_images = _images(cell, pbc, r_max)
    offset = torch.einsum("mk,mkl->ml", images.to(cell.dtype), cell.repeat_interleave(n_images, 0))
    atoms = torch.bincount(structure, minlength=len(cell))
    first_atom = atoms.cumsum(0) - atoms
    candidates = (atoms * n_images).index_select(0, structure)  # of each receiver
    found = []
    for begin, end in _chunks(candidates):
        many = candidates[begin:end]
        receiver = torch.arange(begin, end, device=positions.device).repeat_interleave(many)
        local = torch.arange(len(receiver), device=positions.device) - (many.cumsum(0) - many).repeat_interleave(many)
        s = structure.index_select(0, receiver)
        per_pair = n_images.index_select(0, s)
        nth = torch.div(local, per_pair, rounding_mode="floor")
        sender = first_atom.index_select(0, s) + nth
        image = first_image.index_select(0, s) + local - nth * per_pair
        vector = folded.index_select(0, sender) - folded.index_select(0, receiver) + offset.index_select(0, image)
        zero = (images.index_select(0, image) == 0).all(1)
        near = ((vector.square().sum(1) < r_max**2) & ~((receiver == sender) & zero)).nonzero().squeeze(1)
        receiver, sender, image = receiver[near], sender[near], image[near]
        found.append((torch.stack([receiver, sender]), images[image] - wraps[sender] + wraps[receiver]))
    edges, shifts = zip(*found, strict=True)
    return torch.cat(edges, 1), torch.cat(shifts)


def complete_cell(cell: Float[Tensor, "structures 3 3"], pbc: Bool[Tensor, "structures 3"]) -> Tensor:
    """The cell with rows of open directions replaced by unit vectors orthogonal to the periodic ones: invertible."""
    full = cell.clone()
    for k in (~pbc.all(1)).nonzero().squeeze(1).tolist():
        periodic = pbc[k]
        rank = int(periodic.sum())
        if rank == 0:
            full[k] = torch.eye(3, dtype=cell.dtype, device=cell.device)
        else:  # the last rows of V span the complement
            full[k][~periodic] = torch.linalg.svd(cell[k][periodic], full_matrices=True).Vh[rank:]
    return full


def images_per_structure(
    cell: Float[Tensor, "structures 3 3"], pbc: Bool[Tensor, "structures 3"], r_max: float
) -> Int[Tensor, "structures"]:
    """How many periodic images of a pair have to be tested."""
    return (2 * _reach(cell, pbc, r_max) + 1).prod(1)


def _reach(cell: Tensor, pbc: Tensor, r_max: float) -> Tensor:
    height = 1 / torch.linalg.inv(cell).norm(dim=1)  # distance between opposite faces
    return torch.where(pbc, torch.ceil(r_max / height), torch.zeros_like(height)).long()


def _wraps(positions: Tensor, structure: Tensor, cell: Tensor, pbc: Tensor) -> Tensor:
    """How many lattice vectors each atom lies away from its cell."""
    inverse = torch.linalg.inv(cell).index_select(0, structure)
    fractional = torch.einsum("nk,nkl->nl", positions, inverse)
    return torch.where(pbc.index_select(0, structure), fractional.floor(), torch.zeros_like(fractional)).long()


def _images(cell: Tensor, pbc: Tensor, r_max: float) -> tuple[Tensor, Tensor, Tensor]:
    """Integer images of every structure one after the other, where each begins, and how many it has."""
    reach = _reach(cell, pbc, r_max).tolist()
    known: dict[tuple[int, ...], Tensor] = {}
    for n in {tuple(r) for r in reach}:
        axes = [torch.arange(-k, k + 1, device=cell.device) for k in n]
        known[n] = torch.cartesian_prod(*axes)
    per_structure = [known[tuple(r)] for r in reach]
    n_images = torch.tensor([len(x) for x in per_structure], device=cell.device)
    return torch.cat(per_structure), n_images.cumsum(0) - n_images, n_images


def _chunks(candidates: Tensor) -> list[tuple[int, int]]:
    """Ranges of receivers with about `_CHUNK` candidates each."""
    if int(candidates.sum()) <= _CHUNK:
        return [(0, len(candidates))]
    part = torch.div(candidates.cumsum(0), _CHUNK, rounding_mode="floor")
    ends = (part.diff().nonzero().squeeze(1) + 1).tolist()
    return list(zip([0, *ends], [*ends, len(candidates)], strict=True))
