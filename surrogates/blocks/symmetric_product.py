"""Symmetric contraction: many-body features from one-body features of each atom.

Paper: MACE (arXiv:2206.07697), eq. 10: B = sum over couplings of w[element, coupling, channel] (U A^nu).
"""

from __future__ import annotations

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
    """

    path: Tensor

    def __init__(self, inputs: tuple[Irrep, ...], outputs: ChannelIrreps, correlation: int, n_elements: int) -> None:
        super().__init__()
        degrees = range(1, correlation + 1)
        found = [[symmetric_couplings(inputs, irrep, n) for n in degrees] for irrep in outputs.irreps]
        counts = [[len(c.coefficients) for c in couplings] for couplings in found]
        n_paths = [sum(c) for c in counts]
        path, component = rows_of(outputs.irreps, n_paths)
        tables = []
        for n in range(correlation):  # rows: output irrep, component, path
            rows = [_rows([c.coefficients for c in couplings], n) for couplings in found]
            tables.append((found[0][n].monomials, np.concatenate(rows)))
        self.polynomials = SymmetricPolynomials(tables)
        spread = torch.tensor([c**-0.5 for count in counts for c in count for _ in range(c)])
        self.weight = nn.Parameter(torch.randn(n_elements, len(spread), outputs.channels) * spread[:, None])
        self.collect = Constant(torch.nn.functional.one_hot(component, outputs.dim).T)
        self.register_buffer("path", path, persistent=False)

    def forward(
        self, a: Float[Tensor, "components atoms channels"], element: Int[Tensor, "atoms"]
    ) -> Float[Tensor, "components_out atoms channels"]:
        weights = self.weight.index_select(0, element).transpose(0, 1).index_select(0, self.path)
        weighted = self.polynomials(a) * weights
        return (self.collect.like(a) @ weighted.flatten(1)).view(-1, *a.shape[1:])


def _rows(coefficients: list[np.ndarray], degree: int) -> np.ndarray:
    """Rows (component, path) of one output irrep with the paths of all degrees, those of other degrees zero."""
    n_monomials = coefficients[degree].shape[2]
    parts = [c if k == degree else np.zeros((*c.shape[:2], n_monomials)) for k, c in enumerate(coefficients)]
    return np.concatenate(parts).transpose(1, 0, 2).reshape(-1, n_monomials)
