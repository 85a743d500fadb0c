"""Diffusion-reaction between walls and around obstacles: exact modes, orders, balances, an independent integrator."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from surrogates.physics.errors import DomainError
from surrogates.physics.fields import imex
from surrogates.physics.fields.diffusion_reaction import fisher_kpp_reaction
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.walled_diffusion_reaction import Medium, pdebench_medium, solve
from surrogates.physics.fields.walled_laplacian import BoxLaplacian, MaskedLaplacian, walled_laplacian
from surrogates.physics.fields.walls import Dirichlet, Neumann, Robin, Walls


def inert(values, parameters):
    return torch.zeros_like(values)


def test_order_conditions_of_the_additive_pair():
    """All conditions to order 4 for both tables, coupled, and to order 3 for the companion weights."""
    explicit, implicit = np.zeros((6, 6)), 0.25 * np.eye(6)
    implicit[0, 0] = 0.0
    for i in range(5):
        explicit[i + 1, : i + 1] = imex.EXPLICIT[i]
        implicit[i + 1, : i + 1] = imex.IMPLICIT[i]
    c = explicit.sum(axis=1)
    assert np.allclose(implicit.sum(axis=1), c, atol=1e-14)
    b, other = np.array(imex.WEIGHTS), np.array(imex.COMPANION)
    for weights, order in ((b, 4), (other, 3)):
        assert abs(weights @ np.ones(6) - 1) < 1e-13
        assert abs(weights @ c - 1 / 2) < 1e-13
        assert abs(weights @ c**2 - 1 / 3) < 1e-13
        for a in (explicit, implicit):
            assert abs(weights @ a @ c - 1 / 6) < 1e-13
        if order == 4:
            assert abs(weights @ c**3 - 1 / 4) < 1e-13
            for a in (explicit, implicit):
                assert abs((weights * c) @ a @ c - 1 / 8) < 1e-13
                assert abs(weights @ a @ c**2 - 1 / 12) < 1e-13
                for second in (explicit, implicit):
                    assert abs(weights @ a @ second @ c - 1 / 24) < 1e-13
    assert abs(other @ c**3 - 1 / 4) > 1e-4


def test_fourth_order_in_time():
    """u' = -u^2 - 50 (u - 0.5), the second part implicit."""
    ends = []
    for n in (8, 16, 512):
        u = torch.ones(1, dtype=torch.float64)
        for _ in range(n):
            u, _ = imex.additive_step(
                u, 0.5 / n, lambda x: -x * x, lambda x: -50 * (x - 0.5), lambda r, h: (r + 25 * h) / (1 + 50 * h)
            )
        ends.append(u.item())
    assert math.log2(abs(ends[0] - ends[2]) / abs(ends[1] - ends[2])) > 3.5


@pytest.mark.parametrize(
    ("walls", "phase", "k"), [(Neumann(0.0), 0.0, math.pi), (Dirichlet(0.0), math.pi / 2, math.pi)]
)
def test_a_mode_between_walls_decays_as_it_must(walls, phase, k):
    """cos(k x - phase) cos(k y - phase) is an eigenvector of the discrete Laplacian too: compare with its own rate."""
    errors = []
    for n in (8, 16):
        grid = Grid((n, n), 1.0, False)
        x, y = grid.points()
        mode = torch.cos(k * x - phase) * torch.cos(k * y - phase)
        times = [0.0, 0.5, 1.0]
        solved = solve(mode[None, None], Medium((0.1,), inert), grid=grid, times=times, walls=walls, tolerance=1e-7)
        rate = 0.1 * 2 * (2 * n * math.sin(k / n / 2)) ** 2
        for frame, t in enumerate(times):
            torch.testing.assert_close(solved.values[0, frame, 0], mode * math.exp(-rate * t), rtol=0, atol=1e-6)
        errors.append(abs(math.exp(-rate) - math.exp(-0.2 * k * k)))
    assert math.log2(errors[0] / errors[1]) > 1.9


def test_heat_settles_to_the_profile_of_its_walls():
    """Dirichlet on the left, Robin on the right: a straight line, u' = transfer (value - u) at the right end."""
    grid = Grid(20, 2.0, False)
    walls = Walls(((Dirichlet(1.0), Robin(3.0, 5.0)),))
    start = torch.zeros(1, 1, 20, dtype=torch.float64)
    solved = solve(start, Medium((1.0,), inert), grid=grid, times=[0.0, 60.0], walls=walls)
    (x,) = grid.axes()
    slope = 3.0 * (5.0 - 1.0) / (1 + 3.0 * 2.0)
    torch.testing.assert_close(solved.values[0, 1, 0], 1 + slope * x, rtol=1e-6, atol=1e-6)


def test_fishers_wave():
    """Ablowitz and Zeppetella's exact front, u = (1 + exp((x - 5 t/sqrt 6)/sqrt 6))^-2, second order in h."""
    errors = []
    for n in (60, 120):
        grid = Grid(n, 60.0, False)
        (x,) = grid.axes()

        def front(t, x=x):
            return (1 + torch.exp((x - 15 - 5 * t / math.sqrt(6)) / math.sqrt(6))) ** -2

        medium = Medium((1.0,), fisher_kpp_reaction, {"rate": 1.0})
        solved = solve(front(0.0)[None, None], medium, grid=grid, times=[0.0, 8.0], tolerance=1e-5)
        errors.append((solved.values[0, 1, 0] - front(8.0)).abs().max().item())
    assert errors[1] < 3e-3
    assert math.log2(errors[0] / errors[1]) > 1.9


def obstacles() -> torch.Tensor:
    mask = torch.ones(14, 12, dtype=torch.bool)
    mask[4:7, 5:8] = False
    mask[10:, :2] = False
    return mask


def test_nothing_is_lost_around_obstacles():
    """Closed walls and obstacles keep the total to round-off; a flux of 0.3 brings 0.3 times its length."""
    grid, mask = Grid((14, 12), (1.4, 1.2), False), obstacles()
    start = torch.rand(2, 1, 14, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    medium = Medium((torch.tensor([0.05, 0.2]).double(),), inert)
    closed = solve(start, medium, grid=grid, times=[0, 1, 2], mask=mask, tolerance=1e-5)
    before = start[:, 0, mask].sum(dim=1)
    torch.testing.assert_close(closed.values[:, 2, 0][:, mask].sum(dim=1), before, rtol=1e-13, atol=0)
    assert (closed.values[:, :, 0][..., ~mask] == 0).all()
    assert closed.values[1, 2, 0][mask].std() < 0.5 * start[1, 0][mask].std()
    fed = Walls((Neumann(0.0), (Neumann(0.0), Neumann(0.3))))
    open_ = solve(start, medium, grid=grid, times=[0, 2], walls=fed, mask=mask, tolerance=1e-5)
    gain = (open_.values[:, 1, 0][:, mask].sum(dim=1) - before) * 0.01
    torch.testing.assert_close(gain, torch.tensor([0.05, 0.2]).double() * 0.3 * 1.4 * 2, rtol=1e-9, atol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_the_medium_of_pdebench_against_an_independent_integrator(masked):
    grid = Grid((14, 12), (2.0, 1.8), False)
    mask = obstacles() if masked else None
    inside = (obstacles() if masked else torch.ones(14, 12, dtype=torch.bool)).numpy()
    start = torch.randn(2, 2, 14, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.5
    solved = solve(start, pdebench_medium(), grid=grid, times=[0.0, 0.5, 3.0], mask=mask, tolerance=1e-6)

    def rates(_, y):
        u, v = y.reshape(2, 14, 12)
        spread = []
        for f, d in ((u, 1e-3), (v, 5e-3)):
            out = np.zeros_like(f)
            for axis, h in ((0, 2.0 / 14), (1, 0.15)):
                both = np.diff(f, axis=axis) / h**2
                cells = np.moveaxis(inside, axis, 0)
                open_face = np.moveaxis(cells[1:] & cells[:-1], 0, axis)
                both = both * open_face
                pad = [(0, 0), (0, 0)]
                pad[axis] = (1, 1)
                out += np.diff(np.pad(both, pad), axis=axis)
            spread.append(d * out)
        return (np.stack([u - u**3 - 5e-3 - v + spread[0], u - v + spread[1]]) * inside).ravel()

    for k in range(2):
        first = (start[k].numpy() * inside).ravel()
        other = solve_ivp(rates, (0, 3), first, t_eval=[0.5, 3.0], rtol=1e-10, atol=1e-12, method="DOP853")
        np.testing.assert_allclose(
            solved.values[k, 1:].numpy().reshape(2, -1) * np.tile(inside.ravel(), 2), other.y.T, atol=3e-5
        )


def test_box_and_mask_solve_the_same_system():
    grid = Grid((7, 6, 5), (1.0, 1.3, 0.7), (False, False, True))
    walls = Walls(((Dirichlet(0.3), Robin(2.0, -1.0)), (Neumann(0.4), Neumann(0.0)), None), mask=Neumann(0.0))
    right = torch.randn(3, 7, 6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    c = torch.tensor([0.01, 0.5, 0.01], dtype=torch.float64)
    box = walled_laplacian(grid, walls, None, right)
    masked = walled_laplacian(grid, walls, torch.ones(7, 6, 5, dtype=torch.bool), right)
    assert isinstance(box, BoxLaplacian)
    assert isinstance(masked, MaskedLaplacian)
    x = box.shifted(right, c)
    torch.testing.assert_close(x - c[:, None, None, None] * box.apply(x), right, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(masked.shifted(right, c), x, rtol=1e-12, atol=1e-12)


def test_samples_are_solved_as_one_by_one():
    grid = Grid((10, 10), 2.0, False)
    start = torch.randn(3, 2, 10, 10, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    start[1] *= 4
    k = torch.tensor([5e-3, 0.1, 0.2], dtype=torch.float64)
    together = solve(start, pdebench_medium(k), grid=grid, times=[0.0, 0.3, 0.6], tolerance=1e-4)
    assert together.steps.unique().numel() > 1
    for i in range(3):
        alone = solve(start[i : i + 1], pdebench_medium(k[i]), grid=grid, times=[0.0, 0.3, 0.6], tolerance=1e-4)
        torch.testing.assert_close(alone.values[0], together.values[i], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"initial": torch.full((1, 1, 6), math.nan).double()}, "sample 0: field 0 is not finite at cell"),
        ({"initial": torch.zeros(1, 1, 5).double()}, "grid.shape"),
        ({"medium": Medium((1.0, 1.0), inert)}, "one for each"),
        ({"medium": Medium((-1.0,), inert)}, "negative"),
        ({"medium": Medium((torch.ones(2),), inert)}, "one per sample"),
        ({"medium": Medium((1.0,), lambda u, p: 1 + u * u), "tolerance": 1e-2}, "sample 0 at time 1.56.*blows up"),
        ({"times": [1.0, 0.0]}, "increasing"),
        ({"walls": [Neumann(0.0), Neumann(0.0)]}, "walls for 2 fields of 1"),
        ({"tolerance": 0.0}, "between 0 and 1"),
    ],
)
def test_bad_input(change, message):
    given = {"initial": torch.zeros(1, 1, 6).double(), "medium": Medium((1.0,), inert), "times": [0.0, 3.0]} | change
    initial, medium = given.pop("initial"), given.pop("medium")
    with pytest.raises(DomainError, match=message):
        solve(initial, medium, grid=Grid(6, 1.0, False), **given)
