"""Each periodic equation against a solution known in closed form, and its order in time."""

import math

import pytest
import torch

from surrogates.physics.fields import (
    Equation,
    Grid,
    advection,
    advection_diffusion,
    burgers,
    fisher_kpp,
    fitzhugh_nagumo,
    gray_scott,
    heat,
    inviscid_flow,
    kdv,
    kuramoto_sivashinsky,
    navier_stokes,
    navier_stokes_drag,
    solve,
)
from surrogates.physics.fields.burgers import cole_hopf
from surrogates.physics.fields.diffusion_reaction import fitzhugh_nagumo_reaction, gray_scott_reaction
from surrogates.physics.fields.kdv import soliton
from surrogates.physics.fields.navier_stokes import (
    diagonal_forcing,
    energy,
    enstrophy,
    kolmogorov_forcing,
    symmetric_forcing,
    velocity,
    vorticity,
)
from surrogates.physics.fields.random_field import gaussian_random_field

TURN = 2 * math.pi


def smooth(grid, samples=2, components=1, seed=0, alpha=6, tau=8):
    """Fields without high modes, of order one."""
    draws = gaussian_random_field(
        Grid(grid.shape), samples * components, alpha=alpha, tau=tau, generator=torch.Generator().manual_seed(seed)
    )
    return (draws / draws.std()).reshape(samples, components, *grid.shape)


CASES = [
    pytest.param(burgers(), Grid(64), {"nu": torch.tensor([0.02, 0.1])}, 0.2, 16, id="burgers"),
    pytest.param(burgers(2), Grid((24, 32), (1.0, 2.0)), {"nu": 0.05}, 0.1, 10, id="burgers-2d"),
    pytest.param(kdv(), Grid(64, 20.0), {"alpha": 6, "beta": 1.0}, 0.1, 16, id="kdv"),
    pytest.param(kuramoto_sivashinsky(), Grid(64, 22.0), {"nu": 1.0}, 1.0, 64, id="ks"),
    pytest.param(kuramoto_sivashinsky(2), Grid((32, 24), 18.0), {"nu": 1.0}, 2.0, 48, id="ks-2d"),
    pytest.param(navier_stokes(), Grid((32, 48)), {"nu": torch.tensor([0.01, 0.001])}, 0.5, 10, id="navier-stokes"),
    pytest.param(inviscid_flow(), Grid((32, 32)), {}, 0.5, 10, id="inviscid"),
    pytest.param(fisher_kpp(3), Grid((12, 10, 9)), {"diffusion": 0.01, "rate": 1.0}, 4.0, 6, id="fisher-3d"),
    pytest.param(
        gray_scott(),
        Grid((24, 24)),
        {"feed": 0.03, "kill": 0.06, "diffusion_a": 2e-3, "diffusion_b": 1e-3},
        1.0,
        8,
        id="gray-scott",
    ),
    pytest.param(
        fitzhugh_nagumo(),
        Grid((24, 24)),
        {"k": 5e-3, "diffusion_u": 1e-3, "diffusion_v": 5e-3},
        1.0,
        8,
        id="fitzhugh-nagumo",
    ),
]


def start_of(equation, grid):
    """Waves of order one; reactants near the middle of their range."""
    fields = smooth(grid, components=equation.components)
    return 0.4 + 0.1 * fields if any("diffusion" in name for name in equation.parameters) else fields


@pytest.mark.parametrize(("equation", "grid", "parameters", "time", "steps"), CASES)
def test_errors_fall_with_the_fourth_power_of_the_step(equation, grid, parameters, time, steps):
    start = start_of(equation, grid)

    def end(n):
        return solve(equation, start, grid=grid, times=[0, time], parameters=parameters, dt=time / n).values[:, -1]

    exact = end(4 * steps)
    coarse, fine = ((end(n) - exact).norm() for n in (steps, 2 * steps))
    assert fine < 2e-3 * exact.norm(), "the steps are in the asymptotic range"
    assert fine > 1e-12 * exact.norm(), "and their error is above rounding"
    assert 3.7 < math.log2(coarse / fine) < 4.8


@pytest.mark.parametrize(("equation", "grid", "parameters", "time", "steps"), CASES)
def test_the_tolerance_is_met_and_a_chosen_step_wastes_little(equation, grid, parameters, time, steps):
    start = start_of(equation, grid)

    def run(tolerance):
        return solve(equation, start, grid=grid, times=[0, time], parameters=parameters, tolerance=tolerance)

    exact, found = run(1e-9), run(1e-5)
    error = (found.values[:, -1] - exact.values[:, -1]).flatten(1).norm(dim=1) / exact.values[:, -1].flatten(1).norm(
        dim=1
    )
    assert error.max() < 4e-5
    assert exact.steps[0] < 20 * found.steps[0], "four digits more at fourth order are a factor of 10"
    assert found.error.max() < 1.1e-5


def test_burgers_meets_the_cole_hopf_solution():
    grid = Grid(256)
    (x,) = grid.axes()
    start = torch.stack([torch.sin(TURN * x) + 0.5 * torch.cos(2 * TURN * x + 1), 0.3 * torch.sin(3 * TURN * x)])[
        :, None
    ]
    exact = cole_hopf(start, grid, 0.05, 0.5)
    found = solve(burgers(), start, grid=grid, times=[0, 0.1, 0.5], parameters={"nu": 0.05}, tolerance=1e-9)
    assert (found.values[:, -1] - exact).abs().max() < 1e-9
    assert torch.equal(found.values[:, 0], start)


def test_vector_burgers_along_one_axis_is_the_scalar_one():
    flat, line = Grid((32, 6)), Grid(32)
    (x,) = line.axes()
    u = torch.sin(TURN * x)
    start = torch.stack([u[:, None].expand(32, 6), torch.zeros(32, 6, dtype=u.dtype)])[None]
    run = {"times": [0, 0.1], "parameters": {"nu": 0.1}, "tolerance": 1e-8}
    two = solve(burgers(2), start, grid=flat, **run).values[0, -1]
    one = solve(burgers(), u[None, None], grid=line, **run).values[0, -1, 0]
    torch.testing.assert_close(two[0], one[:, None].expand(32, 6), atol=1e-8, rtol=0)
    assert two[1].abs().max() < 1e-12


@pytest.mark.parametrize(("alpha", "beta"), [(6, 1), (1, 0.5)])
def test_a_soliton_travels_unchanged(alpha, beta):
    grid = Grid(160, 40.0)
    start = soliton(grid, 0, kappa=0.8, centre=15.0, alpha=alpha, beta=beta)
    exact = soliton(grid, 3.0, kappa=0.8, centre=15.0, alpha=alpha, beta=beta)
    found = solve(kdv(), start, grid=grid, times=[0, 3], parameters={"alpha": alpha, "beta": beta}, tolerance=1e-7)
    assert (exact - start).abs().max() > 0.3 * start.max(), "it has moved"
    assert (found.values[:, -1] - exact).abs().max() < 2e-6 * start.max()
    for name, quantity in kdv().conserved.items():
        assert abs(quantity(found.values[:, -1], grid) / quantity(start, grid) - 1) < 1e-6, name


def test_linear_equations_are_exact_in_one_step():
    grid = Grid((16, 20), (1.0, 3.0))
    x, y = grid.points()

    def wave(time, decay):
        angle = TURN * (2 * (x - 0.7 * time) - 3 * (y + 0.4 * time) / 3)
        return (math.exp(-decay * time) * torch.sin(angle))[None, None]

    k_square = TURN**2 * (2**2 + 1**2)
    run = {"grid": grid, "times": [0, 0.3, 5.0]}
    c = {"c_x": 0.7, "c_y": -0.4}
    moved = solve(advection(2), wave(0, 0), parameters=c, **run).values
    torch.testing.assert_close(moved[:, 2], wave(5.0, 0), atol=1e-12, rtol=0)
    damped = solve(advection_diffusion(2), wave(0, 0), parameters={**c, "kappa": 0.01}, **run).values
    torch.testing.assert_close(damped[:, 1], wave(0.3, 0.01 * k_square), atol=1e-12, rtol=0)
    cooled = solve(heat(2), wave(0, 0), parameters={"kappa": 0.02}, **run).values
    torch.testing.assert_close(cooled[:, 1], math.exp(-0.02 * k_square * 0.3) * wave(0, 0), atol=1e-12, rtol=0)


def test_small_waves_grow_at_the_rate_of_kuramoto_and_sivashinsky():
    for dim, nu in ((1, 1.0), (2, 0.7)):
        grid = Grid((32,) * dim, 20.0)
        k = TURN / 20.0 * 2
        start = 1e-9 * torch.cos(k * sum(grid.points()))[None, None]
        found = solve(kuramoto_sivashinsky(dim), start, grid=grid, times=[0, 3], parameters={"nu": nu}).values[:, -1]
        rate = dim * k**2 - nu * (dim * k**2) ** 2
        torch.testing.assert_close(found, math.exp(3 * rate) * start, atol=1e-15, rtol=1e-6)


def test_energy_of_kuramoto_and_sivashinsky_changes_as_its_balance_says():
    """d/dt <u^2>/2 = <u_x^2> - nu <u_xx^2>: the advection moves none of it."""
    grid, nu = Grid(96, 22.0), 1.0
    times = torch.linspace(30, 30.4, 9, dtype=torch.float64)
    run = {"grid": grid, "parameters": {"nu": nu}, "tolerance": 1e-10}
    start = solve(kuramoto_sivashinsky(), smooth(grid, 1), times=[0, 30], **{**run, "tolerance": 1e-5}).values[:, -1]
    frames = solve(kuramoto_sivashinsky(), start, times=times, **run).values[0, :, 0]
    k = kuramoto_sivashinsky().modes(grid, torch.float64, torch.device("cpu"), padded=True)
    spectrum = k.spectrum(frames)
    gain = k.values(k.d(0) * spectrum).square().mean(1) - nu * k.values(k.laplacian * spectrum).square().mean(1)
    half = 0.5 * frames.square().mean(1)
    h = float(times[1] - times[0])
    simpson = h / 3 * (gain[0] + gain[-1] + 4 * gain[1::2].sum() + 2 * gain[2:-1:2].sum())
    assert abs(half[-1] - half[0]) > 1e-3
    assert abs(half[-1] - half[0] - simpson) < 1e-6


def taylor_green(grid, time, nu, drift=0.0):
    x, y = grid.points()
    return (2 * torch.sin(x) * torch.sin(y) * math.exp(-2 * nu * time - drift * time))[None, None]


def test_a_taylor_green_vortex_decays_in_place():
    grid, nu = Grid((32, 24), TURN), 0.05
    start = taylor_green(grid, 0, nu)
    plain = solve(navier_stokes(), start, grid=grid, times=[0, 2], parameters={"nu": nu}).values[:, -1]
    torch.testing.assert_close(plain, taylor_green(grid, 2, nu), atol=1e-12, rtol=0)
    drag = {"nu": nu, "drag": 0.1}
    slowed = solve(navier_stokes_drag(), start, grid=grid, times=[0, 2], parameters=drag).values[:, -1]
    torch.testing.assert_close(slowed, taylor_green(grid, 2, nu, 0.1), atol=1e-12, rtol=0)


def test_advection_of_vorticity_is_u_dot_grad_w():
    """The two-product form against the plain one, formed on a fine grid."""
    grid = Grid((64, 72), (1.0, 1.5))
    w = solve(heat(2), smooth(grid), grid=grid, times=[0, 1], parameters={"kappa": 1e-3}).values[:, -1]
    k = heat(2).modes(grid, torch.float64, torch.device("cpu"))
    spectrum = k.spectrum(w)
    plain = -(velocity(w, grid) * k.values(k.gradient * spectrum)).sum(1, keepdim=True)
    equation = navier_stokes()
    modes = equation.modes(grid, torch.float64, torch.device("cpu"), padded=True)
    found = modes.values(equation.nonlinear(modes, modes.spectrum(w), {}), grid.shape)
    assert plain.abs().max() > 1
    torch.testing.assert_close(found, plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(vorticity(velocity(w, grid), grid), w - w.mean((2, 3), keepdim=True), atol=1e-9, rtol=0)


def test_inviscid_flow_keeps_energy_and_enstrophy():
    grid = Grid((32, 32))
    start = smooth(grid, alpha=4)
    k = inviscid_flow().modes(grid, torch.float64, torch.device("cpu"))
    kept = k.values(k.spectrum(start))
    frames = solve(inviscid_flow(), kept, grid=grid, times=[0, 2], tolerance=1e-8).values
    assert (frames[:, 1] - frames[:, 0]).norm() > 0.5 * frames[:, 0].norm(), "it has stirred"
    for quantity in (energy, enstrophy):
        torch.testing.assert_close(quantity(frames[:, 1], grid), quantity(kept, grid), rtol=1e-7, atol=0)


def test_a_forced_flow_settles_where_forcing_and_drag_balance():
    """A force that is one Laplacian eigenfunction drives a parallel flow: nu k^2 w + drag w = f."""
    grid, p = Grid((24, 24), TURN), {"nu": 0.5, "drag": 0.5}
    force = kolmogorov_forcing(grid, waves=2)
    rate = 0.5 * 4 + 0.5
    still = torch.zeros(1, 1, 24, 24, dtype=torch.float64)
    run = {"grid": grid, "times": [0, 1.0], "parameters": p}
    found = solve(navier_stokes_drag(), still, forcing=force, **run).values[:, -1]
    torch.testing.assert_close(found, (1 - math.exp(-rate)) / rate * force, atol=1e-8, rtol=0)
    swinging = solve(navier_stokes_drag(), still, forcing=lambda t: math.cos(t) * force, **run).values[:, -1]
    response = (rate * math.cos(1) + math.sin(1) - rate * math.exp(-rate)) / (rate**2 + 1)
    torch.testing.assert_close(swinging, response * force, atol=1e-8, rtol=0)


def test_forcings_are_those_of_the_papers():
    grid = Grid((8, 8), 2.0)
    x, y = (axis / 2 for axis in grid.points())
    expected = 0.1 * (torch.sin(TURN * (x + y)) + torch.cos(TURN * (x + y)))
    torch.testing.assert_close(diagonal_forcing(grid)[0, 0], expected)
    symmetric = symmetric_forcing(grid)[0, 0]
    torch.testing.assert_close(symmetric, 0.1 * (torch.cos(2 * TURN * x) + torch.cos(2 * TURN * y)))
    torch.testing.assert_close(symmetric, torch.rot90(symmetric).roll(1, 0))


@pytest.mark.parametrize("rate", [1.0, 2.5])
def test_a_fisher_wave_travels_at_its_speed(rate):
    """u = (1 + exp(sqrt(r/6D) x - 5 r t / 6))^-2, doi:10.1016/S0092-8240(79)80020-8, as two fronts back to back."""
    d, length = 0.2, 60.0
    grid = Grid(768, length)
    (x,) = grid.axes()

    def fronts(time):
        share = math.sqrt(rate / 6 / d)
        shift = 5 / 6 * rate * time
        distance = (x - length / 2).abs() - 12.0
        return (1 + torch.exp(share * distance - shift)).pow(-2)[None, None]

    p = {"diffusion": d, "rate": rate}
    found = solve(fisher_kpp(), fronts(0), grid=grid, times=[0, 3], parameters=p, tolerance=1e-7).values[:, -1]
    assert (found - fronts(0)).abs().max() > 0.5
    assert (found - fronts(3)).abs().max() < 2e-4


@pytest.mark.parametrize(
    ("equation", "reaction", "start", "parameters"),
    [
        (gray_scott(), gray_scott_reaction, (0.6, 0.3), {"feed": 0.03, "kill": 0.06}),
        (fitzhugh_nagumo(), fitzhugh_nagumo_reaction, (0.8, -0.2), {"k": 0.005}),
    ],
)
def test_uniform_reactants_follow_the_reaction_alone(equation, reaction, start, parameters):
    from scipy.integrate import solve_ivp

    diffusion = {name: 0.01 for name in equation.parameters if name.startswith("diffusion")}
    state = torch.tensor(start, dtype=torch.float64).reshape(1, 2, 1, 1).expand(1, 2, 8, 8)
    run = {"grid": Grid((8, 8)), "times": [0, 4.0], "parameters": {**parameters, **diffusion}, "tolerance": 1e-8}
    found = solve(equation, state, **run).values[0, -1]
    numbers = {name: torch.tensor(value, dtype=torch.float64) for name, value in parameters.items()}

    def slope(t, y):
        return reaction(torch.tensor(y).reshape(1, 2, 1, 1), numbers).flatten().numpy()

    exact = torch.tensor(solve_ivp(slope, (0, 4), start, rtol=1e-11, atol=1e-13).y[:, -1])
    assert (exact - torch.tensor(start)).abs().max() > 0.1
    torch.testing.assert_close(found, exact[:, None, None].expand(2, 8, 8), atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    "equation", [advection(2), advection_diffusion(3), heat(3), burgers(), kuramoto_sivashinsky(), navier_stokes()]
)
def test_what_an_equation_calls_conserved_is(equation):
    grid = Grid((20,) * equation.dim)
    start = 1.0 + smooth(grid, components=equation.components)
    parameters = dict.fromkeys(equation.parameters, 0.01)
    found = solve(equation, start, grid=grid, times=[0, 0.02], parameters=parameters).values[:, -1]
    assert equation.conserved
    for name, quantity in equation.conserved.items():
        torch.testing.assert_close(quantity(found, grid), quantity(start, grid), rtol=1e-9, atol=1e-9, msg=name)


def test_a_users_equation_takes_five_lines():
    """Swift-Hohenberg, u_t = r u - (1 + Lap)^2 u - u^3 (doi:10.1103/PhysRevA.15.319)."""
    rolls = Equation(
        "swift_hohenberg",
        dim=2,
        fields=("u",),
        parameters=("r",),
        linear=lambda k, p: p["r"] - (1 + k.laplacian) ** 2,
        nonlinear=lambda k, u, p: -k.spectrum(k.values(u) ** 3),
        order=3,
    )
    grid = Grid((32, 32), 2 * TURN)
    x, _ = grid.points()
    start = 0.01 * torch.cos(x)[None, None]
    found = solve(rolls, start, grid=grid, times=[0, 200], parameters={"r": 0.1}).values[:, -1]
    amplitude = found.max()
    assert abs(amplitude - math.sqrt(4 * 0.1 / 3)) < 0.002 * amplitude + 5e-4, "rolls saturate at sqrt(4 r / 3)"
