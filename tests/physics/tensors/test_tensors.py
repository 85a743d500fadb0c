"""Tucker, canonical polyadic and tensor-train forms: exact at full rank, bounded when cut, TensorLy's rank rules."""

import math

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.tensors import (
    CP,
    TensorTrain,
    Tucker,
    contract,
    cost,
    cp_als,
    cp_rank,
    hooi,
    train_ranks,
    tt_svd,
    tucker_ranks,
)

SHAPE = (4, 5, 6, 3)


def random(*shape, dtype=torch.complex128, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def decaying(*shape):
    """1 / (1 + i + j + ...): its singular values fall fast, so that a tolerance leaves few of them."""
    grid = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in shape), indexing="ij")
    return 1 / (1 + sum(grid))


def error(approximate, exact):
    return (torch.linalg.vector_norm(approximate - exact) / torch.linalg.vector_norm(exact)).item()


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_full_rank_is_exact(dtype):
    a = random(*SHAPE, dtype=dtype)
    for form in (hooi(a, SHAPE), tt_svd(a, 1000), hooi(a, tolerance=0.0), tt_svd(a, tolerance=0.0)):
        torch.testing.assert_close(form.factors.full(), a, rtol=0, atol=1e-12)
        assert form.error < 1e-13


@pytest.mark.parametrize("tolerance", [0.3, 1e-2, 1e-6])
def test_a_tolerance_holds_and_is_used(tolerance):
    a = decaying(8, 9, 10)
    for form in (hooi(a, tolerance=tolerance), tt_svd(a, tolerance=tolerance)):
        true = error(form.factors.full(), a)
        assert true <= tolerance
        assert form.error == pytest.approx(true, rel=1e-4)
        assert form.factors.n_parameters < a.numel()
    assert tt_svd(a, tolerance=tolerance / 100).factors.n_parameters > form.factors.n_parameters


def test_iteration_improves_on_the_cut_unfoldings():
    a = random(6, 7, 8)
    once, again = hooi(a, (2, 3, 2), sweeps=0), hooi(a, (2, 3, 2))
    assert again.error < once.error - 1e-3
    assert again.error == pytest.approx(error(again.factors.full(), a), rel=1e-10)
    assert again.factors.ranks == (2, 3, 2)


def test_forms_of_known_rank_are_found():
    tucker = Tucker(random(2, 3, 2), tuple(random(d, r, seed=d) for d, r in ((6, 2), (7, 3), (8, 2))))
    assert hooi(tucker.full(), (2, 3, 2)).error < 1e-12
    train = TensorTrain((random(1, 5, 2), random(2, 6, 3), random(3, 7, 2), random(2, 4, 1)))
    found = tt_svd(train.full(), tolerance=1e-10)
    assert found.factors.ranks == (2, 3, 2)
    cp = CP(torch.tensor([3.0, 1.0]).to(torch.complex128), tuple(random(d, 2, seed=d) for d in (5, 6, 7)))
    fit = cp_als(cp.full(), 2, generator=torch.Generator().manual_seed(1))
    assert fit.converged
    assert fit.error < 1e-5
    assert cp_als(cp.full(), 1, generator=torch.Generator().manual_seed(1)).error > 0.1


def test_gauges_keep_the_tensor_and_are_orthonormal():
    tucker = Tucker(random(2, 3, 2), tuple(random(d, r, seed=d) for d, r in ((6, 2), (7, 3), (8, 2))))
    gauge = tucker.orthonormal()
    torch.testing.assert_close(gauge.full(), tucker.full())
    for m in gauge.matrices:
        torch.testing.assert_close(m.mH @ m, torch.eye(m.shape[1], dtype=m.dtype))
    train = TensorTrain((random(1, 5, 4), random(4, 6, 3), random(3, 4, 1)))
    left, right = train.left_orthonormal(), train.right_orthonormal()
    torch.testing.assert_close(left.full(), train.full())
    torch.testing.assert_close(right.full(), train.full())
    for core in left.cores[:-1]:
        flat = core.flatten(0, 1)
        torch.testing.assert_close(flat.mH @ flat, torch.eye(flat.shape[1], dtype=flat.dtype))
    for core in right.cores[1:]:
        flat = core.flatten(1)
        torch.testing.assert_close(flat @ flat.mH, torch.eye(len(flat), dtype=flat.dtype))
    assert train.norm() == pytest.approx(torch.linalg.vector_norm(train.full()).item())
    cp = CP(random(3), tuple(random(d, 3, seed=d) for d in (5, 6, 7)))
    torch.testing.assert_close(cp.normalised().full(), cp.full())


def test_truncation_of_factors_equals_that_of_the_tensor():
    a = decaying(8, 9, 10)
    for form in (hooi(a, a.shape), tt_svd(a, 1000)):
        cut = form.factors.truncate(3)
        assert cut.error == pytest.approx(error(cut.factors.full(), a), rel=1e-6)
        direct = (hooi if isinstance(cut.factors, Tucker) else tt_svd)(a, 3)
        assert cut.error == pytest.approx(direct.error, rel=1e-6)
        assert form.factors.truncate(tolerance=1e-3).error <= 1e-3


def test_parameter_counts_are_what_is_stored():
    a = random(*SHAPE)
    tucker, train = hooi(a, (2, 3, 4, 2)).factors, tt_svd(a, 3).factors
    assert tucker.n_parameters == 2 * 3 * 4 * 2 + 4 * 2 + 5 * 3 + 6 * 4 + 3 * 2
    assert train.n_parameters == 4 * 3 + 3 * 5 * 3 + 3 * 6 * 3 + 3 * 3
    assert cp_als(a, 2, sweeps=1).factors.n_parameters == 2 * (1 + sum(SHAPE))


def test_tucker_rule():
    """The published figures: (64, 64, 64, 33) at 0.1 gives (36, 36, 36, 19), which is 10.3 %."""
    shape = (64, 64, 64, 33)
    ranks = tucker_ranks(shape, 0.1)
    assert ranks == (36, 36, 36, 19)
    stored = math.prod(ranks) + sum(d * r for d, r in zip(shape, ranks, strict=True))
    assert stored / math.prod(shape) == pytest.approx(0.103, abs=5e-4)
    assert tucker_ranks((4, *shape), 0.1, unfactored=(0,))[0] == 4
    assert max(tucker_ranks((8, 8, 8), 1.0)) < 8  # a fraction of 1 leaves no room for factors of full rank
    assert tucker_ranks((8, 8, 8), 1) == (1, 1, 1)
    assert tucker_ranks((8, 8, 8), 0.001) == (1, 1, 1)
    assert tucker_ranks((3, 8), (5, 5)) == (3, 5)


@pytest.mark.parametrize("fraction", [0.5, 0.1, 0.02])
def test_fractions_are_met_up_to_rounding(fraction):
    shape = (32, 32, 24, 12)
    total = fraction * math.prod(shape)
    assert cp_rank(shape, fraction) * sum(shape) == pytest.approx(total, rel=0.01)
    for equal in (False, True):
        bonds = (1, *train_ranks(shape, fraction, equal=equal), 1)
        stored = sum(a * d * b for a, d, b in zip(bonds[:-1], shape, bonds[1:], strict=True))
        assert stored == pytest.approx(total, rel=0.06)
        assert not equal or len(set(bonds[1:-1])) == 1


def test_planned_sums():
    a, b, c = random(9, 40), random(40, 40, seed=1), random(40, seed=2)
    torch.testing.assert_close(contract("ij,jk,k->i", a, b, c), a @ (b @ c))
    assert cost("ij,jk,k->i", (9, 40), (40, 40), (40,)) < 2 * (40 * 40 + 9 * 40) + 10  # matrix times vector, twice


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tucker_ranks((4, 4), 1.5), "above 0 and up to 1.0"),
        (lambda: tucker_ranks((4, 4), (2,)), "or 2 of them"),
        (lambda: cp_rank((4, 4), 0), "whole number from 1 up"),
        (lambda: tt_svd(torch.ones(3, 3)), "neither rank nor tolerance"),
        (lambda: hooi(torch.ones(3, 3), tolerance=1.0), "from 0 up to 1"),
        (lambda: hooi(torch.ones(3, 3), (1, 2, 3)), "one from 1 up for each axis"),
        (lambda: tt_svd(torch.ones(3, 3), (1, 2)), "a train with 1 bonds"),
        (lambda: cp_als(torch.ones(3, 3), 0), "at least one component"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(DomainError, match=message):
        call()
