"""Symmetric product: the weighted sum over all Clebsch-Gordan chains, by element."""

from itertools import product

import numpy as np
import torch

from surrogates.blocks.symmetric_product import SymmetricProduct
from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.irreps import channel_irreps, natural_irreps


def chain_values(a: np.ndarray, l_max: int, output: tuple[int, int], degree: int) -> np.ndarray:
    """Values of all chains of products of the components `a` (components,), (chains, 2L + 1)."""
    start = [((l, p), a[l * l : (l + 1) ** 2]) for l, p in natural_irreps(l_max)]
    grown = start
    for _ in range(degree - 1):
        grown = [
            ((l3, p1 * p2), np.einsum("a,b,abc->c", left, right, wigner_3j(l1, l2, l3)))
            for ((l1, p1), left), ((l2, p2), right) in product(grown, start)
            for l3 in range(abs(l1 - l2), l1 + l2 + 1)
        ]
    return np.array([value for irrep, value in grown if irrep == output])


def test_output_is_a_combination_of_all_chains_and_of_them_only():
    """Weights of chains are fitted at some atoms; the same weights then give every component at all other atoms."""
    torch.manual_seed(0)
    outputs = channel_irreps("1x0e + 1x1o")
    block = SymmetricProduct(natural_irreps(2), outputs, 3, 1).double()
    a = torch.randn(9, 60, 1, dtype=torch.float64)
    value = block(a, torch.zeros(60, dtype=torch.long))[:, :, 0].detach().numpy()
    for rows, output in ((slice(0, 1), (0, 1)), (slice(1, 4), (1, -1))):
        basis = np.stack(
            [np.concatenate([chain_values(x, 2, output, n) for n in (1, 2, 3)]) for x in a[:, :, 0].T.numpy()]
        )
        known = slice(0, 40)
        weights = np.linalg.lstsq(
            basis[known].transpose(0, 2, 1).reshape(-1, basis.shape[1]), value[rows, known].T.ravel(), rcond=1e-10
        )[0]
        np.testing.assert_allclose(np.einsum("npM,p->Mn", basis[40:], weights), value[rows, 40:], atol=1e-10)


def test_weights_belong_to_elements_and_channels():
    torch.manual_seed(0)
    block = SymmetricProduct(natural_irreps(1), channel_irreps("3x0e"), 2, 4).double()
    a = torch.randn(4, 1, 1, dtype=torch.float64).expand(4, 4, 3)
    value = block(a, torch.arange(4))[0]
    assert torch.pdist(value).min() > 1e-3  # elements differ
    assert (value[:, :1] - value[:, 1:]).abs().min() > 1e-3  # and so do channels


def test_an_unreachable_output_is_zero():
    block = SymmetricProduct(natural_irreps(1), channel_irreps("2x0e + 2x0o"), 2, 1)
    out = block(torch.randn(4, 5, 2), torch.zeros(5, dtype=torch.long))
    assert torch.equal(out[1], torch.zeros(5, 2))
    assert out[0].abs().max() > 0
