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
from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.kernels.fused import usable
from surrogates.kernels.symmetric_contraction import Polynomials, symmetric_contraction, values

_FEW_ELEMENTS = 4  # up to so many, coefficients of elements that no atom has cost less than to find out


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

    def __init__(
        self,
        inputs: tuple[Irrep, ...],
        outputs: ChannelIrreps,
        correlation: int,
        n_elements: int,
        couplings: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        self.outputs, self.correlation, self.stored = outputs, correlation, couplings is not None
        self.dim_in = sum(2 * l + 1 for l, _ in inputs)
        if couplings is None:
            found = [[symmetric_couplings(inputs, o, n) for n in self._degrees()] for o in outputs.irreps]
            counts = [[len(c.coefficients) for c in of_output] for of_output in found]
            self._polynomials = Polynomials([[c.coefficients for c in o] for o in found], self._monomials())
        else:
            counts = [list(count) for count in couplings]
            self._store(counts)
            self._made_from: object = None
        spread = torch.tensor([c**-0.5 for count in counts for c in count for _ in range(c)])
        self.weight = nn.Parameter(torch.randn(n_elements, len(spread), outputs.channels) * spread[:, None])

    def forward(
        self, a: Float[Tensor, "components atoms channels"], element: Int[Tensor, "atoms"]
    ) -> Float[Tensor, "components_out atoms channels"]:
        polynomials = self.polynomials()
        weight: Tensor = self.weight
        if not usable(a, weight):
            return values(polynomials, a, weight.index_select(0, element))
        if len(weight) > _FEW_ELEMENTS:
            present, element = element.unique(return_inverse=True)
            weight = weight.index_select(0, present)
        return symmetric_contraction(a, polynomials.table.like(a) @ weight, element, polynomials)

    def polynomials(self) -> Polynomials:
        """What is multiplied with the weights; made again when stored coefficients have changed."""
        if self.stored:
            buffers = [[self._coefficients(k, n) for n in self._degrees()] for k in range(len(self.outputs.irreps))]
            every = [b for of_output in buffers for b in of_output]
            counted = not any(b.is_inference() for b in every)  # tensors of inference mode count no changes
            version = [(b.data_ptr(), b._version) for b in every] if counted else None
            if version is None or version != self._made_from:
                arrays = [[b.detach().double().cpu().numpy() for b in of_output] for of_output in buffers]
                self._polynomials, self._made_from = Polynomials(arrays, self._monomials()), version
        return self._polynomials

    def _degrees(self) -> range:
        return range(1, self.correlation + 1)

    def _monomials(self) -> list[np.ndarray]:
        found = [list(combinations_with_replacement(range(self.dim_in), n)) for n in self._degrees()]
        return [np.array(m).reshape(-1, n) for m, n in zip(found, self._degrees(), strict=True)]

    def _store(self, counts: list[list[int]]) -> None:
        for n, monomials in zip(self._degrees(), self._monomials(), strict=True):
            for k, size in enumerate(self.outputs.sizes):
                zeros = torch.zeros(counts[k][n - 1], size, len(monomials), dtype=torch.float64)
                self.register_buffer(f"coefficients_{k}_{n}", zeros)

    def _coefficients(self, output: int, degree: int) -> Tensor:
        return self.get_buffer(f"coefficients_{output}_{degree}")
