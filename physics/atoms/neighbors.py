"""Neighbour lists of periodic and open structures.

vesin finds the pairs on the CPU (periodic, skewed and small cells with self-images, mixed boundary conditions).
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def neighbor_list(
    positions: Float[Tensor, "atoms 3"],
    structure: Int[Tensor, "atoms"],
    cell: Float[Tensor, "structures 3 3"],
    pbc: Bool[Tensor, "structures 3"],
    r_max: float,
) -> tuple[Int[Tensor, "2 edges"], Float[Tensor, "edges 3"]]:
    """Directed edges (i, j), i receives, of all pairs with |x_j - x_i + shift| < r_max (Å), and their shifts (Å)."""
    from vesin import NeighborList

    search = NeighborList(cutoff=r_max, full_list=True)
    counts = torch.bincount(structure, minlength=cell.shape[0]).tolist()
    edges, shifts, first = [], [], 0
    for k, n in enumerate(counts):
        points = positions[first : first + n].detach().double().cpu().numpy()
        box = cell[k].detach().double().cpu().numpy()
        i, j, s = search.compute(points=points, box=box, periodic=pbc[k].cpu().numpy(), quantities="ijS")
        edges.append(torch.stack([torch.as_tensor(i.astype("int64")), torch.as_tensor(j.astype("int64"))]) + first)
        shifts.append(torch.as_tensor(s.astype("float64")) @ cell[k].detach().double().cpu())
        first += n
    device = positions.device
    return torch.cat(edges, 1).to(device), torch.cat(shifts).to(device=device, dtype=positions.dtype)
