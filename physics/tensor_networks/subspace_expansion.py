"""Strictly single-site DMRG algorithm with subspace expansion (arXiv:1501.05504): one site at a time, yet bonds grow.

Before a site's tensor is cut, the states that the Hamiltonian's open terms lead to are laid beside it, times alpha, and
zeros beside the next tensor: the state stays the same, its basis becomes larger. alpha follows the paper's rule: more
while what the cut costs is below a third of what the eigensolver gains, less above (section V.A).
"""

from __future__ import annotations

import torch
from torch import Tensor

from surrogates.physics.tensor_networks.blocks import Half
from surrogates.physics.tensor_networks.truncate import Split, split_by_gram

_SHARE = 0.3
_LEAST, _MOST = 1e-9, 1.0


def expanded(half: Half, t: Tensor, alpha: float, noise: Tensor | None, *, right: bool) -> Tensor:
    """t as a matrix with the new states beside it: (l d, r + new) on the way right, (l + new, d r) left."""
    flat = t.flatten(0, 1) if right else t.flatten(1)
    parts = [flat]
    if alpha > 0:
        moved = [(x @ flat if right else flat @ x) for x in half.dense.values()]
        moved += [torch.matmul(o, t).view(flat.shape) for o in half.local.values()]
        parts += [alpha * x for x in moved]
    if noise is not None:
        parts.append(noise.view(flat.shape))
    return torch.cat(parts, dim=1 if right else 0)


def cut(whole: Tensor, size: int, *, chi: int, cutoff: float, right: bool) -> tuple[Tensor, Tensor, float]:
    """(site's isometry, what is taken to the next tensor, weight of the state itself that was cut).

    `size` columns (rows) of the expanded matrix are the state.
    """
    found: Split = split_by_gram(whole, chi_max=chi, cutoff=cutoff, absorb="right" if right else "left")
    if right:
        kept, taken = found.left, found.right[:, :size]
    else:
        kept, taken = found.right, found.left[:size]
    old = whole[:, :size] if right else whole[:size]
    weight = torch.linalg.vector_norm(taken) ** 2 / torch.linalg.vector_norm(old) ** 2
    return kept, taken, max(0.0, 1 - float(weight))


def next_alpha(alpha: float, gain: float, loss: float) -> float:
    """By what the solver gained at this site and the last cut had lost."""
    if gain <= 0:
        return alpha
    factor = 0.9 if loss > _SHARE * gain else 1.1
    return min(_MOST, max(_LEAST, alpha * factor))
