"""Symmetric contraction: many-body features from one-body features of each atom.

Paper: MACE (arXiv:2206.07697), eq. 10: B = sum over couplings of w[element, coupling, channel] (U A^nu).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.equivariance.couplings import symmetric_couplings
from surrogates.equivariance.irreps import ChannelIrreps, Irrep, rows_of
from surrogates.kernels.constant import Constant
from surrogates.kernels.symmetric_contraction import SymmetricPolynomials


class SymmetricProduct(nn.Module):
    """Products of up to `correlation` copies of A with themselves, weighted by element, coupling and channel.

    Weights are normal with variance 1 / (couplings of the same degree and output). An output irrep that no coupling
    reaches is zero.

    Args:
        inputs: irreps of A.
        outputs: irreps of the result; channels as those of A.
        correlation: highest power of A, 1 to 3.
        n_elements: number of elements.
        couplings: numbers of paths, by output irrep and degree, where the couplings are not computed but stored: in
            buffers `coefficients_{output}_{degree}` of shape (paths, 2L + 1, monomials), zero until they are filled;
            monomials in the order of `combinations_with_replacement(range(components), degree)`. Then any correlation.
    """

    path: Tensor

    def __init__(
        self,
        inputs: tuple[Irrep, ...],
        outputs: ChannelIrreps,
        correlation: int,
        n_elements: int,
        couplings: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        degrees = range(1, correlation + 1)
        self.n_stored = 0 if couplings is None else correlation
        if couplings is not None:
            counts = [list(count) for count in couplings]
            self._store(inputs, outputs, counts)
            self._weigh(counts, outputs, n_elements)
            return
        found = [[symmetric_couplings(inputs, irrep, n) for n in degrees] for irrep in outputs.irreps]
        counts = [[len(c.coefficients) for c in couplings] for couplings in found]
        tables = []
        for n in range(correlation):  # rows: output irrep, component, path
            rows = [_rows([c.coefficients for c in couplings], n) for couplings in found]
            tables.append((found[0][n].monomials, np.concatenate(rows)))
        self.polynomials = SymmetricPolynomials(tables)
        self._weigh(counts, outputs, n_elements)

    def _weigh(self, counts: list[list[int]], outputs: ChannelIrreps, n_elements: int) -> None:
        """Make the weights of `counts` paths, by output irrep and degree, and the sum over paths."""
        path, component = rows_of(outputs.irreps, [sum(c) for c in counts])
        spread = torch.tensor([c**-0.5 for count in counts for c in count for _ in range(c)])
        self.weight = nn.Parameter(torch.randn(n_elements, len(spread), outputs.channels) * spread[:, None])
        self.collect = Constant(torch.nn.functional.one_hot(component, outputs.dim).T)
        self.register_buffer("path", path, persistent=False)

    def forward(
        self, a: Float[Tensor, "components atoms channels"], element: Int[Tensor, "atoms"]
    ) -> Float[Tensor, "components_out atoms channels"]:
        weights = self.weight.index_select(0, element).transpose(0, 1).index_select(0, self.path)
        weighted = (self._stored_rows(a) if self.n_stored else self.polynomials(a)) * weights
        return (self.collect.like(a) @ weighted.flatten(1)).view(-1, *a.shape[1:])

    def _store(self, inputs: tuple[Irrep, ...], outputs: ChannelIrreps, counts: list[list[int]]) -> None:
        self.sizes = outputs.sizes
        dim = sum(2 * l + 1 for l, _ in inputs)
        for degree in range(1, self.n_stored + 1):
            monomials = torch.tensor(list(combinations_with_replacement(range(dim), degree)), dtype=torch.long)
            self.register_buffer(f"monomials_{degree}", monomials.reshape(-1, degree).T.contiguous(), persistent=False)
            for k, size in enumerate(outputs.sizes):
                zeros = torch.zeros(counts[k][degree - 1], size, monomials.shape[0], dtype=torch.float64)
                self.register_buffer(f"coefficients_{k}_{degree}", zeros)

    def _stored_rows(self, a: Tensor) -> Tensor:
        """Values of the stored polynomials: rows by output irrep, component, path (degree after degree)."""
        found: list[list[Tensor]] = [[] for _ in self.sizes]
        for degree in range(1, self.n_stored + 1):
            factors = getattr(self, f"monomials_{degree}")
            monomials = a.index_select(0, factors[0])
            for factor in factors[1:]:
                monomials = monomials * a.index_select(0, factor)
            for k, parts in enumerate(found):
                coefficients = getattr(self, f"coefficients_{k}_{degree}").to(a.dtype)
                parts.append(torch.einsum("pcm,mx->cpx", coefficients, monomials.flatten(1)))
        rows = [torch.cat(parts, dim=1).flatten(0, 1) for parts in found]
        return torch.cat(rows).view(-1, *a.shape[1:])


def _rows(coefficients: list[np.ndarray], degree: int) -> np.ndarray:
    """Rows (component, path) of one output irrep with the paths of all degrees, those of other degrees zero."""
    n_monomials = coefficients[degree].shape[2]
    parts = [c if k == degree else np.zeros((*c.shape[:2], n_monomials)) for k, c in enumerate(coefficients)]
    return np.concatenate(parts).transpose(1, 0, 2).reshape(-1, n_monomials)
