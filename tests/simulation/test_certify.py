"""A surrogate first, the solver after it: certified steady fields, and the parareal iteration."""

import math
from itertools import pairwise

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.fields import Grid, burgers, darcy, solve
from surrogates.simulation.certify import certify
from surrogates.simulation.parareal import parareal


def problem():
    grid = Grid((20, 20), 1.0, False)
    a = darcy.fno_permeability(grid, 3, generator=torch.Generator().manual_seed(0))
    return a, darcy.solve(a, 1.0, grid), lambda a, start: darcy.refine(start, a, 1.0, grid, tolerance=1e-7)


def test_a_better_surrogate_saves_more_and_none_changes_the_answer():
    a, exact, solver = problem()
    saved = []
    for wrong in (0.5, 0.01, 1e-5):
        found = certify(lambda _, wrong=wrong: exact * (1 + wrong), a, solver)
        assert found.converged.all()
        assert (found.residual <= 1e-7).all()
        torch.testing.assert_close(found.values, exact, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(found.error, torch.full((3,), wrong).double(), rtol=1e-2, atol=1e-7)
        saved.append(found.saved)
    assert saved == sorted(saved)
    assert saved[0] < 0.2
    assert saved[2] > 0.5
    perfect = certify(lambda _: exact, a, solver)
    assert perfect.iterations.sum() == 0
    assert "3 of 3 certified with 0.0 iterations instead of" in str(perfect)


def test_a_bad_field_harms_nobody():
    a, exact, solver = problem()
    guess = exact.clone()
    guess[1, 3, 3] = math.nan
    found = certify(lambda _: guess, a, solver)
    assert found.unusable.tolist() == [False, True, False]
    assert found.iterations.tolist() == [0, int(found.from_zero[1]), 0]
    torch.testing.assert_close(found.values, exact, rtol=1e-5, atol=1e-8)
    assert "samples [1]" in str(found)
    harmful = certify(lambda _: 100 * torch.randn(exact.shape, generator=torch.Generator().manual_seed(1)), a, solver)
    assert harmful.saved < 0
    assert harmful.converged.all()
    with pytest.raises(DomainError, match="one for each"):
        certify(lambda _: exact[:2], a, solver)


def lorenz(state: torch.Tensor, start: float, end: float, steps: int) -> torch.Tensor:
    """Lorenz's system by the classical Runge-Kutta method."""

    def rate(s):
        x, y, z = s.unbind(-1)
        return torch.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], dim=-1)

    h = (end - start) / steps
    for _ in range(steps):
        k1 = rate(state)
        k2 = rate(state + h / 2 * k1)
        k3 = rate(state + h / 2 * k2)
        k4 = rate(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


def fine(state, start, end):
    return lorenz(state, start, end, 20)


def coarse(state, start, end):
    return lorenz(state, start, end, 2)


STARTS = torch.tensor([[5.0, -5.0, 20.0], [1.0, 2.0, 3.0]], dtype=torch.float64)
TIMES = [0.1 * n for n in range(9)]


def serial():
    states = [STARTS]
    for start, end in pairwise(TIMES):
        states.append(fine(states[-1], start, end))
    return torch.stack(states, dim=1)


@pytest.mark.parametrize("start", [coarse, lambda s, a, b: torch.zeros_like(s), lambda s, a, b: s * 1.3])
def test_after_k_corrections_the_first_k_slices_are_the_fine_ones(start):
    """To the bit, whatever the coarse propagator; so n slices are exact after n."""
    exact = serial()
    for k in (0, 1, 3, 8):
        found = parareal(start, fine, STARTS, TIMES, tolerance=0.0, iterations=k)
        assert torch.equal(found.values[:, : k + 1], exact[:, : k + 1])
        assert k == 8 or not torch.equal(found.values[:, k + 1 :], exact[:, k + 1 :])
    assert (found.defects[-1] == 0).all()
    assert found.converged


def test_the_defect_bounds_the_work_and_few_sweeps_do():
    found = parareal(coarse, fine, STARTS, TIMES, tolerance=1e-7)
    assert found.converged
    assert found.sweeps < 6
    assert found.defects.shape == (found.sweeps, 2)
    assert (found.defects[1:] < found.defects[:-1]).all()
    torch.testing.assert_close(found.values, serial(), rtol=1e-5, atol=1e-5)
    assert found.fine_slices < 8 * found.sweeps
    assert parareal(fine, fine, STARTS, TIMES).sweeps == 1  # a perfect surrogate is certified at once


def test_burgers_with_a_coarse_grid_below_the_spectral_solver():
    grid = Grid(64, 1.0, True)
    (x,) = grid.axes()
    start = torch.sin(2 * math.pi * x)[None, None]

    def run(state, begin, end, grid, tolerance):
        return solve(
            burgers(), state, grid=grid, times=[begin, end], parameters={"nu": 0.02}, tolerance=tolerance
        ).values[:, -1]

    def spectral(state, begin, end):
        return run(state, begin, end, grid, 1e-9)

    def cheap(state, begin, end):
        return run(state[..., ::2].clone(), begin, end, Grid(32, 1.0, True), 1e-3).repeat_interleave(2, dim=-1)

    times = [0.0, 0.1, 0.2, 0.3]
    found = parareal(cheap, spectral, start, times, tolerance=1e-5)
    whole = solve(burgers(), start, grid=grid, times=times, parameters={"nu": 0.02}, tolerance=1e-9).values
    assert found.converged
    torch.testing.assert_close(found.values, whole, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": [0.0]}, "at least two"),
        ({"times": [0.0, 0.2, 0.1]}, "increasing"),
        ({"iterations": -1}, "0 or more"),
        ({"coarse": lambda s, a, b: s * (math.nan if a > 0.15 else 1.0)}, "sample 0: the coarse .* at time 0.3"),
        ({"fine": lambda s, a, b: s[:, :2]}, "the fine propagator makes"),
    ],
)
def test_bad_input(change, message):
    given = {"coarse": coarse, "fine": fine, "initial": STARTS, "times": TIMES} | change
    with pytest.raises(DomainError, match=message):
        parareal(**given)
