"""Contraction against the brute-force sum over all components, and its derivatives."""

import numpy as np
import pytest
import torch

from surrogates.equivariance.couplings import symmetric_couplings
from surrogates.equivariance.irreps import natural_irreps
from surrogates.kernels.symmetric_contraction import SymmetricPolynomials


def tables(l_max: int, output: tuple[int, int], correlation: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """All couplings of one output and degree by degree as rows; those of another degree are rows of zeros."""
    found = [symmetric_couplings(natural_irreps(l_max), output, n) for n in range(1, correlation + 1)]
    counts = [len(c.coefficients) * (2 * output[0] + 1) for c in found]
    placed = []
    for n, coupling in enumerate(found):
        rows = np.zeros((sum(counts), len(coupling.monomials)))
        rows[sum(counts[:n]) : sum(counts[: n + 1])] = coupling.coefficients.reshape(counts[n], -1)
        placed.append((coupling.monomials, rows))
    return placed


def by_loops(rows: list[tuple[np.ndarray, np.ndarray]], a: np.ndarray) -> np.ndarray:
    out = np.zeros((len(rows[0][1]), *a.shape[1:]))
    for monomials, coefficients in rows:
        for k, monomial in enumerate(monomials):
            out += coefficients[:, k, None, None] * np.prod(a[monomial], axis=0)
    return out


@pytest.mark.parametrize("correlation", [1, 2, 3])
@pytest.mark.parametrize(("l_max", "output"), [(2, (0, 1)), (2, (1, -1)), (3, (2, 1)), (1, (0, 1))])
def test_equals_the_sum_over_all_monomials(l_max, output, correlation):
    rows = tables(l_max, output, correlation)
    a = np.random.default_rng(0).normal(size=((l_max + 1) ** 2, 3, 2))
    value = SymmetricPolynomials(rows)(torch.from_numpy(a))
    np.testing.assert_allclose(value.numpy(), by_loops(rows, a), atol=1e-10)


def test_two_derivatives():
    polynomials = SymmetricPolynomials(tables(1, (1, -1), 3))
    a = torch.randn(4, 2, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(polynomials, a)
    assert torch.autograd.gradgradcheck(polynomials, a)


def test_only_monomials_that_couple_are_made():
    polynomials = SymmetricPolynomials(tables(2, (0, 1), 3))
    assert polynomials.triples.shape[1] < 60  # of 165: the others are odd under some reflection
