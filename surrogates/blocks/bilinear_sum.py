"""Weighted bilinear sums over neighbours: one fused kernel where native code runs, message by message elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.blocks.low_rank import LowRank
from surrogates.kernels.constant import Constant
from surrogates.kernels.edge_code import EdgeCode
from surrogates.kernels.edge_sum import by_receiver, edge_sum
from surrogates.kernels.fused import usable


class BilinearSum(nn.Module):
    """A_i = sum_j w_ij (couplings: Y(r_ij) x h_j), without weights of its own.

    Args:
        code: which component of h and which numbers Y of an edge make which component of A.
        values: the couplings, as `code` counts them.
    """

    def __init__(self, code: EdgeCode, values: Sequence[float]) -> None:
        super().__init__()
        self.code = code
        self.couplings = Constant(torch.tensor(values, dtype=torch.float64))
        self.table = Constant(_table(code, values))
        rows = [(path.block, row, path.place, p) for p, path in enumerate(code.paths) for row in range(path.rows)]
        self._path = [p for *_, p in sorted(rows)]
        self._rows = [b - a for a, b in pairwise(code.offsets)]

    def forward(
        self,
        h: Float[Tensor, "components atoms channels"],
        numbers: Float[Tensor, "edges numbers"],
        weights: Float[Tensor, "edges weights"] | LowRank,
        edges: Int[Tensor, "2 edges"],
    ) -> list[Tensor]:
        """Blocks of A, each (components, atoms, paths * channels); `weights` by path, then channel."""
        factors = (weights.left, weights.right) if isinstance(weights, LowRank) else (weights,)
        found = self._native if usable(h, numbers, *factors) else self._eager
        flat = found(h, numbers, weights, edges)
        atoms, channels = h.shape[1:]
        parts = flat.split([n * atoms * channels for n in self._rows])
        each = zip(parts, self._rows, self.code.counts, strict=True)
        return [part.view(rows // n, atoms, n * channels) for part, rows, n in each]

    def _native(self, h: Tensor, numbers: Tensor, weights: Tensor | LowRank, edges: Tensor) -> Tensor:
        neighbors, order = by_receiver(edges, h.shape[1])
        left, right = (weights.left, weights.right) if isinstance(weights, LowRank) else (weights, None)
        if order is not None:
            numbers, left = numbers.index_select(0, order), left.index_select(0, order)
        return edge_sum(h, numbers, left, right, neighbors, self.code, self.couplings)

    def _eager(self, h: Tensor, numbers: Tensor, weights: Tensor | LowRank, edges: Tensor) -> Tensor:
        receiver, sender = edges
        w = (weights.full() if isinstance(weights, LowRank) else weights).unflatten(1, (-1, h.shape[2]))
        coupling = torch.einsum("es,srk->erk", numbers, self.table.like(numbers))
        path = torch.tensor(self._path, device=h.device)
        messages = torch.bmm(coupling, h.index_select(1, sender).transpose(0, 1)) * w.index_select(1, path)
        summed = messages.new_zeros(h.shape[1], *messages.shape[1:]).index_add(0, receiver, messages)
        parts = zip(summed.split(self._rows, dim=1), self.code.counts, strict=True)
        return torch.cat([part.unflatten(1, (-1, n)).transpose(0, 1).flatten() for part, n in parts])


def _table(code: EdgeCode, values: Sequence[float]) -> Tensor:
    """The couplings as (numbers of an edge, rows by block, component and path, components of h)."""
    table = torch.zeros(code.n_harmonics, code.offsets[-1], code.n_in, dtype=torch.float64)
    for path in code.paths:
        for row, i, terms in path.entries:
            at = code.offsets[path.block] + row * code.counts[path.block] + path.place
            for number, index in terms:
                table[number, at, path.first + i] = values[index]
    return table
