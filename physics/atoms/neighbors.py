"""Neighbour lists of open and periodic structures, many at once.

Edges come in lexicographic order of (i, j, S): the same atoms give the same list to the bit, whatever found it.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from surrogates.physics.atoms.all_pairs import all_pairs, complete_cell, images_per_structure

# Measured on one core: testing every pair wins for 4 structures and more with fewer candidates each than this
_FEW_STRUCTURES = 4
_DENSE_CPU = 2_000
# candidates in the whole batch above which cell lists on the CPU beat testing every pair on a GPU
_DENSE_GPU = 500_000_000


def neighbor_list(
    positions: Float[Tensor, "atoms 3"],
    structure: Int[Tensor, "atoms"],
    cell: Float[Tensor, "structures 3 3"],
    pbc: Bool[Tensor, "structures 3"],
    r_max: float,
) -> tuple[Int[Tensor, "2 edges"], Float[Tensor, "edges 3"]]:
    """Directed edges (i, j), i receives, of all pairs with |x_j - x_i + shift| < r_max, and their shifts S @ cell; Å.

    An atom's own images are its neighbours too. Rows of `cell` along open directions are ignored, so they may be zero;
    positions may lie outside the cell. No edges where r_max is 0. Distances are tested in float64 in every dtype.
    """
    points, box = positions.detach().double(), cell.detach().double()
    if r_max <= 0 or len(points) == 0:
        return structure.new_zeros((2, 0)), positions.new_zeros((0, 3))
    box = complete_cell(box, pbc)
    search = all_pairs if _small(structure, box, pbc, r_max) else cell_lists
    edges, images = search(points, structure, box, pbc, r_max)
    shift = torch.einsum("ek,ekl->el", images.double(), box.index_select(0, structure.index_select(0, edges[0])))
    return edges, shift.to(positions.dtype)


def _small(structure: Tensor, cell: Tensor, pbc: Tensor, r_max: float) -> bool:
    """Whether there are so few candidate pairs that testing all of them is the faster way."""
    if not structure.is_cuda and len(cell) < _FEW_STRUCTURES:
        return False
    atoms = torch.bincount(structure, minlength=len(cell))
    candidates = (atoms**2 * images_per_structure(cell, pbc, r_max)).double()
    return bool(candidates.sum() < _DENSE_GPU if structure.is_cuda else candidates.mean() < _DENSE_CPU)


def cell_lists(
    positions: Float[Tensor, "atoms 3"],
    structure: Int[Tensor, "atoms"],
    cell: Float[Tensor, "structures 3 3"],
    pbc: Bool[Tensor, "structures 3"],
    r_max: float,
) -> tuple[Int[Tensor, "2 edges"], Int[Tensor, "edges 3"]]:
    """Edges and their integer images S by cell lists, one structure after the other on the CPU (vesin)."""
    from vesin import NeighborList

    search = NeighborList(cutoff=r_max, full_list=True)
    counts = torch.bincount(structure, minlength=len(cell)).tolist()
    points, boxes, periodic = positions.cpu().numpy(), cell.cpu().numpy(), pbc.cpu().numpy()
    found, first = [], 0
    for k, n in enumerate(counts):
        if n:
            here = points[first : first + n]
            i, j, s = search.compute(points=here, box=boxes[k], periodic=periodic[k], quantities="ijS")
            pairs = torch.stack([torch.as_tensor(i.astype("int64")), torch.as_tensor(j.astype("int64"))])
            found.append(_sorted(pairs + first, torch.as_tensor(s.astype("int64"))))
        first += n
    edges, images = zip(*found, strict=True)
    return torch.cat(edges, 1).to(positions.device), torch.cat(images).to(positions.device)


def _sorted(edges: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Lexicographic by (i, j, S); one integer key a pair, since columns have small ranges."""
    if edges.shape[1] == 0:
        return edges, images.reshape(0, 3)
    columns = torch.cat([edges, images.T])
    low = columns.amin(1, keepdim=True)
    width = (columns.amax(1, keepdim=True) - low + 1).squeeze(1).tolist()
    key = torch.zeros_like(columns[0])
    for column, size in zip(columns - low, width, strict=True):
        key = key * size + column
    order = key.argsort()
    return edges[:, order], images[order]
