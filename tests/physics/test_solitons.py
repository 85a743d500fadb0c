"""Solitons solve their equations, one by one and through each other; limits far from a collision."""

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.kdv import soliton
from surrogates.physics.solutions import solitons


def d(u, x, *axes):
    for axis in axes:
        (gradient,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        u = gradient[:, axis : axis + 1]
    return u


def points(dim):
    x = torch.randn(6, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x.requires_grad_()


@pytest.mark.parametrize(("alpha", "beta"), [(6, 1), (1.0, 0.3)])
def test_three_solitons_solve_kdv(alpha, beta):
    x = points(2)
    u = solitons.kdv([1.0, 1.7, 2.2], [0.3, -1.0, 0.2], alpha=alpha, beta=beta)(x)
    terms = [d(u, x, 1), alpha * u * d(u, x, 0), beta * d(u, x, 0, 0, 0)]
    assert sum(terms).abs().max() < 1e-10 < 1e-2 * max(term.abs().max() for term in terms)


def test_one_soliton_is_that_of_the_grid():
    grid = Grid((64,), lengths=(40.0,))
    (x,) = grid.axes()
    moved = solitons.kdv([1.2], [-3.0])(torch.stack([x, torch.full_like(x, 0.7)], dim=1).double())
    theirs = soliton(grid, 0.7, kappa=0.6, centre=-3.0)[0, 0]
    near = (x - (-3.0 + 1.44 * 0.7)).abs() < 10
    torch.testing.assert_close(moved[near, 0], theirs.double()[near], rtol=1e-5, atol=1e-7)


def test_three_line_solitons_solve_kp():
    x = points(3)
    u = solitons.kadomtsev_petviashvili([(1.0, 0.5), (2.3, 0.2), (0.3, 0.1)], [0.0, 0.3, -0.2])(x)
    whole = d(u, x, 0, 2) + 6 * (d(u, x, 0) ** 2 + u * d(u, x, 0, 0)) + d(u, x, 0, 0, 0, 0) + 3 * d(u, x, 1, 1)
    assert whole.abs().max() < 1e-10 < 1e-2 * d(u, x, 0, 2).abs().max()


def test_two_kinks_solve_kdv_in_two_dimensions():
    x = points(3)
    u = solitons.kdv_2d([(1.0, 0.5), (1.3, 0.8)], [0.0, 0.3])(x)
    mixed = d(u, x, 0, 1) * d(u, x, 0) + d(u, x, 1) * d(u, x, 0, 0)
    whole = d(u, x, 1, 2) + d(u, x, 0, 0, 0, 1) + 3 * mixed - d(u, x, 0, 0) + 2 * d(u, x, 1, 1)
    assert whole.abs().max() < 1e-10 < 1e-2 * d(u, x, 1, 2).abs().max()


def test_far_away_nothing_overflows():
    far = torch.tensor([[1e4, 3.0], [-1e4, -2.0]], dtype=torch.float64)
    assert solitons.kdv([1.0, 2.0], [0.0, 1.0])(far).abs().max() == 0


def test_impossible_solitons_are_refused():
    with pytest.raises(DomainError, match="one or two"):
        solitons.kdv_2d([(1.0, 0.5)] * 3, [0.0] * 3)
    with pytest.raises(DomainError, match="no regular"):
        solitons.kadomtsev_petviashvili([(1.0, 0.5), (1.3, -0.2)], [0.0, 0.0])
    with pytest.raises(DomainError, match="l = 0"):
        solitons.kdv_2d([(1.0, 0.0)], [0.0])
    with pytest.raises(DomainError, match="other than 0"):
        solitons.kadomtsev_petviashvili([(0.0, 1.0)], [0.0])
    with pytest.raises(DomainError, match="one centre"):
        solitons.kdv([1.0, 2.0], [0.0])
    with pytest.raises(DomainError, match=r"\(n, 2\)"):
        solitons.kdv([1.0], [0.0])(torch.zeros(4, 3))
