"""What a sum over neighbours is divided by where atoms have very different numbers of them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class LearnedDensity(nn.Module):
    """Each atom's own density, 1 + sum_j tanh((w . radial_ij)^2), instead of one mean number for all atoms.

    Args:
        n_radial: radial functions per edge, zero at the cutoff; or to be multiplied by `cutoff`.
    """

    def __init__(self, n_radial: int = 8) -> None:
        super().__init__()
        self.arguments = {"n_radial": n_radial}
        self.weight = nn.Parameter(torch.randn(n_radial, 1))

    def forward(
        self,
        radial: Float[Tensor, "edges n_radial"],
        receiver: Int[Tensor, "edges"],
        n_atoms: int,
        cutoff: Float[Tensor, "edges 1"] | None = None,
    ) -> Float[Tensor, "atoms 1"]:
        density = torch.tanh((radial @ (self.weight / math.sqrt(len(self.weight)))) ** 2)
        density = density if cutoff is None else density * cutoff
        return 1 + density.new_zeros(n_atoms, 1).index_add(0, receiver, density)
