"""Equivariant polynomials of a feature, channel by channel: the hot loop of many-body message passing.

With all permutation-symmetric couplings U, sum U[..., i, j, k] A_i A_j A_k needs each product A_i A_j A_k (i <= j <= k)
only once, and only where some coupling is not zero; what is left is one matrix product with the table of couplings.
Components come first and channels last, so that a product of components is a product of contiguous rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.kernels.constant import Constant

Table = tuple[np.ndarray, np.ndarray]  # monomials (monomials, degree) and coefficients (rows, monomials)


class SymmetricPolynomials(nn.Module):
    """Values of homogeneous polynomials, rows of `tables` summed over degrees.

    Args:
        tables: one (monomials, coefficients) per degree 1, 2, ... up to 3, all with the same number of rows.
    """

    pairs: Tensor
    triples: Tensor

    def __init__(self, tables: Sequence[Table]) -> None:
        super().__init__()
        needed = [_used(table) for table in tables]
        pairs, triples = _factorise(needed)
        self.register_buffer("pairs", torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T.contiguous(), False)
        self.register_buffer("triples", torch.tensor(triples, dtype=torch.long).reshape(-1, 2).T.contiguous(), False)
        self.tables = [Constant(columns) for columns in _columns(tables, needed, pairs)]

    def forward(self, a: Float[Tensor, "components atoms channels"]) -> Float[Tensor, "rows atoms channels"]:
        _, n, channels = a.shape
        out = self.tables[0].like(a) @ a.reshape(len(a), -1)
        if self.pairs.numel():
            second = a.index_select(0, self.pairs[0]) * a.index_select(0, self.pairs[1])
            out = torch.addmm(out, self.tables[1].like(a), second.view(len(second), -1))
        if self.triples.numel():
            third = second.index_select(0, self.triples[0]) * a.index_select(0, self.triples[1])
            out = torch.addmm(out, self.tables[2].like(a), third.view(len(third), -1))
        return out.view(-1, n, channels)


def _used(table: Table) -> list[tuple[int, ...]]:
    monomials, coefficients = table
    return [tuple(m) for m in monomials[np.abs(coefficients).max(axis=0, initial=0.0) > 1e-12].tolist()]


def _factorise(needed: list[list[tuple[int, ...]]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs (i, j), and triples as (index of a pair, k): each triple reuses a pair that is there, where it can."""
    pairs = {(i, j): k for k, (i, j) in enumerate(needed[1])} if len(needed) > 1 else {}
    triples = []
    for i, j, k in needed[2] if len(needed) > 2 else []:
        splits = [((i, j), k), ((i, k), j), ((j, k), i)]
        pair, rest = next((split for split in splits if split[0] in pairs), splits[0])
        triples.append((pairs.setdefault(pair, len(pairs)), rest))
    return list(pairs), triples


def _columns(
    tables: Sequence[Table], needed: list[list[tuple[int, ...]]], pairs: list[tuple[int, int]]
) -> list[Tensor]:
    """The coefficients of each degree, columns in the order in which `forward` makes the monomials."""
    orders = [[tuple(m) for m in tables[0][0].tolist()], pairs, needed[2] if len(needed) > 2 else []]
    found = []
    for (monomials, coefficients), order in zip(tables, orders, strict=False):
        column_of = {tuple(m): k for k, m in enumerate(monomials.tolist())}
        found.append(torch.from_numpy(coefficients[:, [column_of[m] for m in order]].copy()))
    return found
