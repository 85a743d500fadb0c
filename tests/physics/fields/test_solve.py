"""Grids, kept modes, step control and what goes wrong: one clear error each."""

import math
from dataclasses import replace

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.fields import (
    Equation,
    Grid,
    Spectral,
    advection,
    burgers,
    fisher_kpp,
    fitzhugh_nagumo,
    heat,
    kdv,
    navier_stokes,
    residual,
    solve,
)
from surrogates.physics.fields.etd import coefficients
from surrogates.physics.fields.navier_stokes import diagonal_forcing
from surrogates.physics.fields.residual import difference_matrix

TURN = 2 * math.pi


def waves(grid, samples=1, components=1, seed=0):
    """A few random low waves."""
    g = torch.Generator().manual_seed(seed)
    out = torch.zeros(samples, components, *grid.shape, dtype=torch.float64)
    for _ in range(4):
        m = torch.randint(-2, 3, (grid.dim,), generator=g)
        angle = sum(TURN * int(k) * x / length for k, x, length in zip(m, grid.points(), grid.lengths, strict=True))
        share = torch.randn(samples, components, *[1] * grid.dim, generator=g, dtype=torch.float64)
        out += share * torch.cos(angle + torch.rand((), generator=g))
    return out


# --- grids -----------------------------------------------------------------------------------------------------------


def test_axes_are_points_where_periodic_and_cell_centres_between_walls():
    grid = Grid((4, 2), (2.0, 1.0), (True, False))
    x, y = grid.axes()
    assert x.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert y.tolist() == [0.25, 0.75]
    assert grid.coarser(2).axes()[0].tolist() == [0.0, 1.0]
    assert grid.finer(2).coarser(2) == grid
    assert (grid.dim, grid.volume, grid.spacing) == (2, 2.0, (0.5, 0.5))


@pytest.mark.parametrize(
    "arguments",
    [((4, 4, 4, 4),), ((4, 4), (1.0,)), ((4,), -1.0), ((0,),), ((4,), 1.0, (True, False)), ((4,), math.nan)],
)
def test_an_impossible_grid_is_refused(arguments):
    with pytest.raises(DomainError, match="grid"):
        Grid(*arguments)


def test_a_grid_is_only_made_coarser_by_a_divisor():
    with pytest.raises(DomainError, match="divide every side"):
        Grid((9, 6)).coarser(2)


# --- modes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16,), (15,), (8, 9), (9, 6, 7)])
@pytest.mark.parametrize("padded", [False, True])
def test_values_and_spectra_are_one_another(shape, padded):
    k = Spectral(Grid(shape, 2.0), order=2, padded=padded)
    g = torch.Generator().manual_seed(0)
    values = k.values(k.spectrum(torch.randn(3, 2, *shape, generator=g, dtype=torch.float64)))
    assert values.shape == (3, 2, *k.shape)
    assert values.std() > 0.1
    torch.testing.assert_close(k.values(k.spectrum(values)), values, atol=1e-13, rtol=0)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("n", [24, 25, 26, 27])
def test_products_of_kept_modes_are_free_of_aliasing(order, padded, n):
    """u^p on the product grid against u^p on a grid that holds all of its modes; keeping one mode more is not free."""
    grid = Grid(n)
    k = Spectral(grid, order=order, padded=padded)
    g = torch.Generator().manual_seed(0)
    u = k.spectrum(torch.randn(1, 1, n, generator=g, dtype=torch.float64)) + 0.1
    exact = k.spectrum(k.values(u, (order * n + 2 * n,)) ** order)
    torch.testing.assert_close(k.spectrum(k.values(u) ** order), exact, atol=1e-13, rtol=0)
    if not padded:
        assert (order + 1) * k.limits[0] < n <= (order + 1) * (k.limits[0] + 1)


def test_derivatives_of_a_wave():
    grid = Grid((16, 18), (2.0, 3.0))
    k = Spectral(grid)
    x, y = grid.points()
    a, b = TURN * 2 / 2.0, TURN * 3 / 3.0
    u = k.spectrum(torch.sin(a * x + b * y))
    for times, expected in ((1, b * torch.cos(a * x + b * y)), (2, -b * b * torch.sin(a * x + b * y))):
        torch.testing.assert_close(k.values(k.d(1, times) * u), expected, atol=1e-10, rtol=0)
    torch.testing.assert_close(k.values(k.d(0, 3) * u), -(a**3) * torch.cos(a * x + b * y), atol=1e-9, rtol=0)
    torch.testing.assert_close(
        k.values(k.laplacian * u), -(a * a + b * b) * torch.sin(a * x + b * y), atol=1e-10, rtol=0
    )
    torch.testing.assert_close(k.inverse_laplacian * k.laplacian * u, u, atol=1e-13, rtol=0)


def test_the_weights_of_a_step_are_exact_near_and_far_from_cancellation():
    """Against 60-digit arithmetic, for real, imaginary and mixed z from 1e-9 to 1e3."""
    from mpmath import exp, mp, mpc

    mp.dps = 60
    sizes = torch.tensor([0.0, 1e-9, 1e-5, 1e-2, 0.3, 0.999, 1.001, 3.0, 40.0, 1e3], dtype=torch.float64)
    for direction in (-1.0, 1j, -0.6 + 0.8j):
        z = sizes * direction
        w = coefficients(z[None, None], 1.0)
        for at, size in enumerate(sizes.tolist()):
            x = mpc(direction) * mp.mpf(size)
            if size == 0:
                exact = (0.5, 1 / 6, 1 / 3, 1 / 6)
            else:
                exact = (
                    (exp(x / 2) - 1) / x,
                    (-4 - x + exp(x) * (4 - 3 * x + x**2)) / x**3,
                    2 * (2 + x + exp(x) * (x - 2)) / x**3,
                    (-4 - 3 * x - x**2 + exp(x) * (4 - x)) / x**3,
                )
            for name, value in zip(("q", "f1", "f2", "f3"), exact, strict=True):
                part = getattr(w, name)[0, 0, at]
                found = complex(part if z.is_complex() else part[0])
                assert abs(found - complex(value)) < 4e-15, (name, direction, size)


# --- solving ---------------------------------------------------------------------------------------------------------


def test_samples_do_not_know_each_other_with_a_given_step(monkeypatch):
    import sys

    grid = Grid(48)
    start, nu = waves(grid, 5), torch.linspace(0.05, 0.2, 5, dtype=torch.float64)
    force = 0.5 * waves(grid, 5, seed=1)
    run = {"grid": grid, "times": [0, 0.1, 0.3], "dt": 0.01}
    together = solve(burgers(), start, parameters={"nu": nu}, forcing=force, **run)
    for i in (0, 3):
        alone = solve(burgers(), start[i : i + 1], parameters={"nu": nu[i]}, forcing=force[i : i + 1], **run)
        torch.testing.assert_close(alone.values[0], together.values[i], atol=1e-13, rtol=0)
    monkeypatch.setattr(sys.modules["surrogates.physics.fields.solve"], "CACHE", 96)
    chunked = solve(burgers(), start, parameters={"nu": nu}, forcing=force, **run)
    torch.testing.assert_close(chunked.values, together.values, atol=1e-13, rtol=0)
    assert together.steps.tolist() == [30] * 5
    assert torch.isnan(together.error).all()


def test_a_finer_grid_changes_nothing_once_all_is_resolved():
    fine = Grid(96)
    start = waves(fine)
    run = {"times": [0, 0.2], "parameters": {"nu": 0.2}, "tolerance": 1e-9}
    dense = solve(burgers(), start, grid=fine, **run).values[..., ::2]
    sparse = solve(burgers(), start[..., ::2], grid=fine.coarser(2), **run).values
    torch.testing.assert_close(sparse, dense, atol=1e-7, rtol=0)


def test_float32_stays_float32():
    grid = Grid((16, 16))
    found = solve(
        navier_stokes(), waves(grid).float(), grid=grid, times=[0, 1], parameters={"nu": 0.01}, tolerance=1e-3
    )
    assert found.values.dtype == torch.float32
    exact = solve(navier_stokes(), waves(grid), grid=grid, times=[0, 1], parameters={"nu": 0.01})
    torch.testing.assert_close(found.values.double(), exact.values, atol=1e-2, rtol=0)


def test_a_component_at_zero_does_not_stop_the_step_control():
    grid = Grid((12, 12))
    start = torch.cat([waves(grid), 0 * waves(grid)], dim=1)
    p = {"k": 0.0, "diffusion_u": 1e-3, "diffusion_v": 5e-3}
    found = solve(fitzhugh_nagumo(), start, grid=grid, times=[0, 1], parameters=p, tolerance=1e-6)
    assert 3 < found.steps[0] < 400
    still = solve(fitzhugh_nagumo(), 0 * start, grid=grid, times=[0, 1], parameters=p)
    assert still.values.abs().max() == 0


# --- errors ----------------------------------------------------------------------------------------------------------

GRID = Grid(32)
START = waves(GRID, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": Grid(32, 1.0, False)}, "needs? every axis periodic"),
        ({"grid": Grid((8, 4))}, "burgers has 1 dimensions, the grid"),
        ({"grid": Grid(30)}, r"initial states of shape \(3, 1, 32\)"),
        ({"parameters": {}}, r"needs exactly \['nu'\]"),
        ({"parameters": {"nu": 0.1, "mu": 1.0}}, r"needs exactly \['nu'\]"),
        ({"parameters": {"nu": torch.ones(2)}}, "nu of shape .2,. for 3 samples"),
        ({"parameters": {"nu": math.nan}}, "nu is not finite"),
        ({"times": [0, 1, 1]}, "increasing"),
        ({"initial": START[:0]}, "at least one sample"),
        ({"times": []}, "increasing"),
        ({"dt": 0.0}, "positive time step"),
        ({"tolerance": 0.0}, "between 0 and 1"),
        ({"forcing": torch.zeros(2, 1, 32)}, "forcing of shape"),
        ({"forcing": torch.full((1, 1, 32), math.inf)}, "forcing is not finite"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    given = {"grid": GRID, "times": [0, 0.1], "parameters": {"nu": 0.1}, **change}
    with pytest.raises(DomainError, match=message):
        solve(burgers(), given.pop("initial", START), **given)


def test_a_nan_in_an_initial_state_names_its_sample():
    bad = START.clone()
    bad[2, 0, 5] = math.nan
    with pytest.raises(DomainError, match="sample 2 of the initial states"):
        solve(burgers(), bad, grid=GRID, times=[0, 1], parameters={"nu": 0.1})


def test_an_unstable_step_names_sample_time_limit_and_a_step_that_works():
    start = torch.cat([0.01 * START[:1], 8 * START[1:2]])
    given = {"grid": GRID, "times": [0, 0.5, 1.0], "parameters": {"nu": 0.02}}
    with pytest.raises(
        DomainError, match=r"sample 1: .* between t = 0 and t = 0.5 with dt = 0.1; .* limit .* A safe"
    ) as e:
        solve(burgers(), start, dt=0.1, **given)
    safe = float(str(e.value).split("dt = ")[2].split(";")[0])
    assert 1e-5 < safe < 0.02
    assert torch.isfinite(solve(burgers(), start, dt=safe, **given).values).all()


@pytest.mark.parametrize("dt", [None, 0.05])
def test_a_solution_that_blows_up_is_no_matter_of_steps(dt):
    """u_t = u^2 reaches infinity at t = 1 / u(0)."""
    explosion = Equation(
        "explosion",
        dim=1,
        fields=("u",),
        linear=lambda k, p: 0 * k.laplacian,
        nonlinear=lambda k, u, p: k.spectrum(k.values(u) ** 2),
    )
    start = torch.stack([torch.full((1, 32), 0.1), torch.full((1, 32), 2.0)]).double()
    with pytest.raises(DomainError, match=r"sample 1.*(no step down to|No shorter step helps)"):
        solve(explosion, start, grid=GRID, times=[0, 1], dt=dt, tolerance=1e-4)


def test_heat_run_backwards_is_refused_once_it_overflows():
    kappa = torch.tensor([0.1, 0.1, -10.0])
    with pytest.raises(DomainError, match=r"sample 2: a mode has grown .* t = 9; check the sign"):
        solve(heat(), START, grid=GRID, times=[0, 1e-3, 9], parameters={"kappa": kappa})


def test_an_equation_is_checked_when_it_is_written():
    with pytest.raises(DomainError, match="give their names"):
        replace(burgers(), fields="u")
    with pytest.raises(DomainError, match="4 dimensions"):
        replace(burgers(), dim=4)
    two = replace(fitzhugh_nagumo(), linear=lambda k, p: (k.laplacian,))
    grid, p = Grid((8, 8)), {"k": 0.1, "diffusion_u": 0.1, "diffusion_v": 0.1}
    with pytest.raises(DomainError, match="1 symbols for 2 components"):
        solve(two, waves(grid, components=2), grid=grid, times=[0, 1], parameters=p)
    assert burgers(2).components == 2
    assert burgers(3).ranks == {"u": 1}


# --- residual --------------------------------------------------------------------------------------------------------


def test_differences_are_exact_for_polynomials_on_uneven_times():
    t = torch.tensor([0.0, 0.3, 0.4, 0.9, 1.1, 1.6, 2.0, 2.1, 2.9], dtype=torch.float64)
    for order in (2, 4, 6):
        d = difference_matrix(t, order)
        for power in range(order + 1):
            exact = power * t ** max(power - 1, 0)
            torch.testing.assert_close(d @ t**power, exact, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("equation", "grid", "parameters", "forced"),
    [
        (burgers(), Grid(64), {"nu": torch.tensor([0.05, 0.1])}, False),
        (kdv(), Grid(48, 12.0), {"alpha": 6, "beta": 1}, False),
        (navier_stokes(), Grid((24, 24)), {"nu": 0.01}, True),
        (advection(2), Grid((12, 12)), {"c_x": 1, "c_y": -2}, False),
        (fisher_kpp(2), Grid((32, 32)), {"diffusion": 0.01, "rate": 2}, False),
    ],
)
def test_a_solution_has_no_residual_and_another_equations_has(equation, grid, parameters, forced):
    """It falls with the sixth power of the frames' distance, down to what the modes cut off leave."""
    force = diagonal_forcing(grid) if forced else None
    start = solve(heat(grid.dim), 0.5 * waves(grid, 2), grid=grid, times=[0, 1], parameters={"kappa": 1e-4}).values[
        :, -1
    ]

    def missed(n, wrong=1.0):
        times = torch.linspace(0, 0.02, n + 1, dtype=torch.float64)
        frames = solve(
            equation, start, grid=grid, times=times, parameters=parameters, forcing=force, tolerance=1e-10
        ).values
        given = {name: wrong * torch.as_tensor(value) for name, value in parameters.items()}
        left = residual(equation, frames, times, grid, given, force)
        change = residual(
            replace(equation, nonlinear=None, linear=lambda k, p: 0 * k.laplacian), frames, times, grid, given
        )
        return float(left.norm() / change.norm())

    few, many = missed(8), missed(16)
    assert many < 1e-4
    assert few / many > 30 or many < 1e-5
    assert missed(16, wrong=1.1) > 0.01


def test_a_residual_can_be_minimised():
    grid = Grid(24)
    times = [0.0, 0.01, 0.02, 0.03]
    frames = waves(grid)[:, None].repeat(1, 4, 1, 1).requires_grad_()
    given = {"nu": 0.1}

    def loss(values):
        return residual(burgers(), values, times, grid, given).square().mean()

    (slope,) = torch.autograd.grad(loss(frames), frames)
    direction = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = 1e-5
    with torch.no_grad():
        numeric = (loss(frames + h * direction) - loss(frames - h * direction)) / (2 * h)
    assert abs((slope * direction).sum() - numeric) < 1e-6 * abs(numeric)


def test_residual_refuses_frames_that_do_not_fit():
    with pytest.raises(DomainError, match="values of shape"):
        residual(burgers(), START[:, None], [0.0], GRID, {"nu": 0.1})
