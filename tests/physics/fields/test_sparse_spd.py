"""Conjugate gradients: known laws of the method, its preconditioners, and Darcy finished from a guess."""

import math

import numpy as np
import pytest
import scipy.sparse
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.fields import darcy
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.sparse_spd import conjugate_gradients, incomplete_cholesky, jacobi, ssor
from surrogates.physics.fields.walls import Dirichlet, Neumann, Walls


def dense_systems(samples: int = 3, n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(samples, n, n, generator=generator, dtype=torch.float64)
    b = torch.randn(samples, n, generator=generator, dtype=torch.float64)
    return half @ half.mT + 0.5 * torch.eye(n, dtype=torch.float64), b


def test_as_many_iterations_as_distinct_eigenvalues():
    vectors = torch.linalg.qr(dense_systems(1, 20)[0][0]).Q
    values = torch.tensor([1.0, 2.0, 5.0, 30.0]).double().repeat(5)
    matrix = vectors @ torch.diag(values) @ vectors.T
    b = torch.randn(2, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = conjugate_gradients(lambda x: x @ matrix, b, tolerance=1e-11)
    assert found.iterations.tolist() == [4, 4]
    assert found.converged.all()
    torch.testing.assert_close(found.values, torch.linalg.solve(matrix, b.T).T, rtol=1e-9, atol=1e-9)


def test_the_energy_norm_of_the_error_falls_no_slower_than_its_bound():
    matrix, b = dense_systems()
    exact = torch.linalg.solve(matrix, b)

    def energy(x):
        e = x - exact
        return torch.einsum("si,sij,sj->s", e, matrix, e).sqrt()

    def apply(x):
        return torch.einsum("sij,sj->si", matrix, x)

    kappa = torch.linalg.cond(matrix)
    rate = (kappa.sqrt() - 1) / (kappa.sqrt() + 1)
    before = energy(torch.zeros_like(b))
    last = before
    for k in range(1, 12):
        now = energy(conjugate_gradients(apply, b, tolerance=1e-30, iterations=k).values)
        assert (now <= last * (1 + 1e-9)).all()
        assert (now <= 2 * rate**k * before + 1e-12).all()
        last = now


def test_samples_do_not_disturb_each_other_and_a_solved_start_costs_nothing():
    matrix, b = dense_systems()

    def of(rows):
        return lambda x: torch.einsum("sij,sj->si", matrix[rows], x)

    together = conjugate_gradients(of(slice(None)), b)
    for k in range(3):
        alone = conjugate_gradients(of(slice(k, k + 1)), b[k : k + 1])
        assert alone.iterations[0] == together.iterations[k]
        torch.testing.assert_close(alone.values[0], together.values[k], rtol=1e-12, atol=1e-12)
    start = torch.linalg.solve(matrix, b)
    start[1] = 0.0
    again = conjugate_gradients(of(slice(None)), b, start=start)
    assert again.iterations.tolist() == [0, int(together.iterations[1]), 0]


def test_the_residual_is_the_true_one_and_not_converging_is_a_result():
    matrix, b = dense_systems()
    found = conjugate_gradients(lambda x: torch.einsum("sij,sj->si", matrix, x), b, iterations=2)
    true = (b - torch.einsum("sij,sj->si", matrix, found.values)).norm(dim=1) / b.norm(dim=1)
    torch.testing.assert_close(found.residual, true)
    assert not found.converged.any()
    assert found.history.shape == (3, 3)


def five_point(n: int = 6) -> scipy.sparse.csr_array:
    line = scipy.sparse.diags_array([-np.ones(n - 1), 2.2 * np.ones(n), -1.3 * np.ones(n - 1)], offsets=[-1, 0, 1])
    line = (line + line.T) / 2
    one = scipy.sparse.eye_array(n)
    return (scipy.sparse.kron(line, one) + 1.7 * scipy.sparse.kron(one, line)).tocsr()


def inverse_of(preconditioner, matrix, **options) -> np.ndarray:
    correct = preconditioner([matrix], **options)
    return np.stack([correct(0, row) for row in np.eye(matrix.shape[0])], axis=1)


def test_incomplete_cholesky_is_cholesky_on_the_pattern():
    """IC(0) is the one L L^T that equals A wherever A has an entry."""
    matrix = five_point()
    m = np.linalg.inv(inverse_of(incomplete_cholesky, matrix))
    dense = matrix.toarray()
    np.testing.assert_allclose(m[dense != 0], dense[dense != 0], rtol=1e-10)
    assert np.abs(m - dense).max() > 0.1  # and has fill elsewhere


def test_ssor_and_jacobi_by_their_definitions():
    matrix = five_point()
    dense, omega = matrix.toarray(), 1.3
    diagonal, lower = np.diag(np.diag(dense)), np.tril(dense, -1)
    left = diagonal / omega + lower
    expected = omega / (2 - omega) * left @ np.linalg.inv(diagonal) @ left.T
    np.testing.assert_allclose(np.linalg.inv(inverse_of(ssor, matrix, omega=omega)), expected, atol=1e-10)
    np.testing.assert_allclose(np.linalg.inv(inverse_of(jacobi, matrix)), diagonal, atol=1e-10)
    with pytest.raises(DomainError, match="between 0 and 2"):
        ssor([matrix], omega=2.0)


def test_darcy_is_finished_from_any_start_and_preconditioners_help():
    grid = Grid((24, 24), 1.0, False)
    a = darcy.fno_permeability(grid, 2, generator=torch.Generator().manual_seed(0))
    direct = darcy.solve(a, 1.0, grid)
    counts = {}
    for part in (jacobi, ssor, incomplete_cholesky):
        found = darcy.refine(None, a, 1.0, grid, preconditioner=part, tolerance=1e-10)
        torch.testing.assert_close(found.values, direct, rtol=1e-7, atol=1e-10)
        counts[part.__name__] = int(found.iterations.sum())
    assert max(counts["ssor"], counts["incomplete_cholesky"]) < 0.5 * counts["jacobi"]
    near = darcy.refine(direct * 1.001, a, 1.0, grid, tolerance=1e-6)
    zero = darcy.refine(None, a, 1.0, grid, tolerance=1e-6)
    assert (near.iterations < 0.7 * zero.iterations).all()
    assert (near.residual <= 1e-6).all()
    assert abs(math.log10(zero.history[0, 0].item())) < 1e-12


def test_darcy_is_finished_on_masks_and_closed_domains():
    grid = Grid((12, 10), 1.0, False)
    mask = torch.ones(12, 10, dtype=torch.bool)
    mask[3:6, 4:7] = False
    a = 1 + torch.rand(2, 12, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    f = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    walls = Walls((Dirichlet(0.3), Neumann(0.1)), mask=Neumann(-0.2))
    start = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = darcy.refine(start, a, f, grid, walls=walls, mask=mask, tolerance=1e-11)
    torch.testing.assert_close(found.values, darcy.solve(a, f, grid, walls=walls, mask=mask), rtol=1e-8, atol=1e-9)
    f = f - f[:, mask].mean(dim=1)[:, None, None]
    closed = darcy.refine(start, a, f, grid, walls=Neumann(0.0), mask=mask, tolerance=1e-11)
    exact = darcy.solve(a, f, grid, walls=Neumann(0.0), mask=mask)
    torch.testing.assert_close(closed.values, exact, rtol=1e-8, atol=1e-9)


def test_bad_input():
    matrix, b = dense_systems(2, 4)
    with pytest.raises(DomainError, match="positive definite"):
        conjugate_gradients(lambda x: -torch.einsum("sij,sj->si", matrix, x), b)
    bad = torch.zeros_like(b)
    bad[1, 2] = math.nan
    with pytest.raises(DomainError, match="sample 1: the start is not finite"):
        conjugate_gradients(lambda x: x, b, start=bad)
    with pytest.raises(DomainError, match="positive"):
        conjugate_gradients(lambda x: x, b, tolerance=0.0)
    with pytest.raises(DomainError, match="make them equal"):
        darcy.refine(torch.zeros(1, 5, 5), torch.ones(1, 6, 6).double(), 1.0, Grid((6, 6), 1.0, False))
