"""Symmetric couplings: equivariant, orthonormal, complete, and no more than complete."""

from itertools import permutations, product

import numpy as np
import pytest
import torch
from e3nn import o3
from scipy.spatial.transform import Rotation

from surrogates.equivariance.couplings import symmetric_couplings, wigner_3j
from surrogates.equivariance.irreps import natural_irreps
from surrogates.equivariance.wigner import wigner_d

BOTH = ((0, 1), (1, -1), (1, 1), (2, 1))  # with a pseudovector


def test_wigner_3j_is_that_of_e3nn_with_a_fixed_sign():
    for l1, l2, l3 in ((1, 1, 2), (2, 2, 2), (1, 1, 1), (1, 2, 2), (2, 3, 2)):
        ours, theirs = wigner_3j(l1, l2, l3), o3.wigner_3j(l1, l2, l3, dtype=torch.float64).numpy()
        if (l1 + l2 + l3) % 2:
            assert ours[np.abs(ours) > 1e-6][0] > 0
            theirs = theirs * np.sign((ours * theirs).sum())
        np.testing.assert_allclose(ours, theirs, atol=1e-14)


def full_tensors(inputs, output, degree) -> np.ndarray:
    """Couplings as symmetric tensors (paths, 2L + 1, dim, ..., dim)."""
    found = symmetric_couplings(inputs, output, degree)
    dim = sum(2 * l + 1 for l, _ in inputs)
    column = {tuple(m): k for k, m in enumerate(found.monomials.tolist())}
    orders = np.array([column[tuple(sorted(i))] for i in product(range(dim), repeat=degree)])
    counts = np.bincount(orders)
    return (found.coefficients / counts)[:, :, orders].reshape(*found.coefficients.shape[:2], *[dim] * degree)


def chains(inputs, output, degree) -> list[np.ndarray]:
    """Every Clebsch-Gordan chain ((l1 x l2)_L2 x l3)_L as a tensor (2L + 1, dim, ..., dim), none left out."""
    dim = sum(2 * l + 1 for l, _ in inputs)
    ends = np.cumsum([2 * l + 1 for l, _ in inputs])
    start = [(irrep, np.eye(dim)[end - 2 * irrep[0] - 1 : end]) for irrep, end in zip(inputs, ends, strict=True)]
    grown = start
    for _ in range(degree - 1):
        grown = [
            ((l3, p1 * p2), np.einsum("a...,bj,abc->c...j", left, right, wigner_3j(l1, l2, l3)))
            for ((l1, p1), left), ((l2, p2), right) in product(grown, start)
            for l3 in range(abs(l1 - l2), l1 + l2 + 1)
        ]
    return [tensor for irrep, tensor in grown if irrep == output]


def symmetrised(tensor: np.ndarray) -> np.ndarray:
    axes = list(permutations(range(1, tensor.ndim)))
    return sum(tensor.transpose(0, *a) for a in axes) / len(axes)


def number_of_chains(l_max: int, output: tuple[int, int]) -> int:
    grown = [(l, (-1) ** l) for l in range(l_max + 1)]
    for _ in range(2):
        steps = product(grown, natural_irreps(l_max))
        grown = [(l3, p1 * p2) for (l1, p1), (l2, p2) in steps for l3 in range(abs(l1 - l2), l1 + l2 + 1)]
    return grown.count(output)


def rank(rows: np.ndarray) -> int:
    return int((np.linalg.svd(rows, compute_uv=False) > 1e-9).sum())


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("inputs", [natural_irreps(2), BOTH], ids=["natural", "both parities"])
@pytest.mark.parametrize("output", [(0, 1), (1, -1), (1, 1), (2, 1)])
def test_span_is_that_of_all_clebsch_gordan_chains(inputs, output, degree):
    ours = full_tensors(inputs, output, degree)
    all_chains = np.array([symmetrised(t).ravel() for t in chains(inputs, output, degree)])
    if not len(all_chains) or rank(all_chains) == 0:
        assert len(ours) == 0
        return
    flat = ours.reshape(len(ours), -1)
    assert rank(all_chains) == len(ours)  # nothing redundant
    assert rank(np.concatenate([flat, all_chains])) == len(ours)  # nothing missing


def test_numbers_of_couplings_known_from_the_literature():
    """Of 23 (51) chains of three factors up to l = 3 that give a scalar (vector), 8 (12) are independent."""
    inputs = natural_irreps(3)
    for output, redundant, independent in (((0, 1), 23, 8), ((1, -1), 51, 12)):
        assert number_of_chains(3, output) == redundant
        assert len(symmetric_couplings(inputs, output, 3).coefficients) == independent


@pytest.mark.parametrize("output", [(0, 1), (1, -1), (2, 1)])
def test_orthonormal_in_every_component(output):
    tensors = full_tensors(natural_irreps(2), output, 3)
    for m in range(2 * output[0] + 1):
        rows = tensors[:, m].reshape(len(tensors), -1)
        np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-12)


@pytest.mark.parametrize("output", [(0, 1), (1, 1), (2, 1)])
def test_equivariant_under_improper_rotations(output):
    turn = -torch.as_tensor(Rotation.random(random_state=3).as_matrix())
    inputs, outputs = wigner_d(BOTH, turn).numpy(), wigner_d([output], turn).numpy()
    tensors = full_tensors(BOTH, output, 2)
    assert len(tensors)
    moved = np.einsum("pMij,ia,jb->pMab", tensors, inputs, inputs)
    np.testing.assert_allclose(moved, np.einsum("MN,pNab->pMab", outputs, tensors), atol=1e-12)
