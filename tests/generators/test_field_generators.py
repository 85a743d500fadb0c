"""Generators of fields: each solves what it says, from the seed alone, whoever computes it."""

import numpy as np
import pytest
import torch

from surrogates.datasets.generators import (
    GaussianField,
    Range,
    advection,
    burgers,
    darcy,
    diffusion_reaction,
    euler,
    generate_fields,
    heat,
    kdv,
    kuramoto_sivashinsky,
    navier_stokes,
)
from surrogates.physics.errors import DomainError
from surrogates.physics.fields import Equation, Grid, residual
from surrogates.physics.fields import navier_stokes as vorticity
from surrogates.physics.fields.burgers import cole_hopf
from surrogates.physics.fields.darcy import residual as darcy_residual


def relative(found, exact):
    axes = tuple(range(1, exact.ndim))
    return (np.square(found - exact).sum(axes) / np.square(exact).sum(axes)).max() ** 0.5


def test_burgers_is_the_papers_and_solved_exactly():
    data = burgers(samples=8, points=256, seed=3)
    assert (len(data), data.names, data.periodic, data.parameter_names) == (8, ("u",), (True,), ("nu",))
    u = torch.as_tensor(data.stack("u"))
    exact = cole_hopf(u[:, :1], Grid(256), 0.1, 1.0)
    assert relative(u[:, 1:].numpy(), exact.numpy()) < 1e-5  # modes above the kept ones are dropped


def test_initial_states_have_the_papers_covariance():
    """N(0, 625 (-Laplace + 25)^-2): the variance at a point is 2 sum 625 / ((2 pi k)^2 + 25)^2."""
    u = burgers(samples=512, points=32, times=[0.0, 1e-9]).stack("u")[:, 0]
    k = np.arange(1, 16)
    terms = 625 / ((2 * np.pi * k) ** 2 + 25) ** 2
    np.testing.assert_allclose(np.square(u).mean(), 2 * terms.sum(), rtol=0.05)
    power = np.square(np.abs(np.fft.rfft(u, axis=1) / 32)).mean(0)[1:4]
    np.testing.assert_allclose(power, terms[:3], rtol=0.15)


def test_a_sample_is_the_same_in_sets_of_any_size_and_grid():
    few, many = burgers(70, 16, nu=(0.05, 0.2)), burgers(130, 16, nu=(0.05, 0.2))
    np.testing.assert_array_equal(few.stack("u")[:64, 0], many.stack("u")[:64, 0])
    np.testing.assert_array_equal(few.parameter("nu"), many.parameter("nu")[:70])
    fine = heat(4, 64, seed=5).every(2).stack("u")[:, 0]
    coarse = heat(4, 32, seed=5).stack("u")[:, 0]
    low = [np.fft.rfft(u, axis=1)[:, :8] for u in (fine, coarse)]
    low[0] = np.fft.rfft(heat(4, 64, seed=5).stack("u")[:, 0], axis=1)[:, :8] / 2
    np.testing.assert_allclose(low[0], low[1], atol=1e-10)
    assert burgers(8, 32, seed=1).hash != burgers(8, 32, seed=2).hash


def test_parameters_are_drawn_from_their_ranges_and_recorded():
    nu = burgers(256, 8, nu=Range(1e-2, 1.0, log=True), times=[0, 1e-9]).parameter("nu")
    assert 1e-2 <= nu.min() < 0.02
    assert 0.5 < nu.max() <= 1
    assert abs(np.log(nu).mean() - np.log(0.1)) < 0.3
    flow = navier_stokes(8, 16, nu=(1e-3, 1e-2), amplitude=(0.05, 0.2), times=[0, 0.1])
    assert flow.parameter_names == ("nu", "amplitude")
    np.testing.assert_allclose(
        np.abs(flow.stack("forcing")).max((1, 2)) / np.sqrt(2), flow.parameter("amplitude"), rtol=0.02
    )


def test_heat_and_advection_are_exact():
    data = heat(3, 32, kappa=0.02)
    u = np.fft.fft(data.stack("u"), axis=2)
    k = 2 * np.pi * np.fft.fftfreq(32, 1 / 32)
    np.testing.assert_allclose(u[:, 1], u[:, 0] * np.exp(-0.02 * k**2), atol=1e-10)
    data = advection(3, 16, velocity=0.25, dim=2)
    np.testing.assert_allclose(data.stack("u")[:, 1], np.roll(data.stack("u")[:, 0], (4, 4), (1, 2)), atol=1e-10)


@pytest.mark.parametrize("forcing", ["fno", "symmetric", None])
def test_navier_stokes_satisfies_its_equation(forcing):
    times = np.linspace(0.0, 0.3, 16)
    data = navier_stokes(2, 24, nu=1e-2, forcing=forcing, times=times, solve_points=48, tolerance=1e-8)
    w = torch.as_tensor(data.stack("w"))[:, :, None]
    force = torch.as_tensor(data.stack("forcing"))[:, None] if forcing else None
    miss = residual(vorticity(), w, times.tolist(), Grid((24, 24)), {"nu": 1e-2}, force)[:, 6:10]
    assert float(miss.abs().max() / w.abs().max()) < 2e-3
    if forcing:
        without = residual(vorticity(), w, times.tolist(), Grid((24, 24)), {"nu": 1e-2})[:, 6:10]
        assert float(without.abs().max()) > 20 * float(miss.abs().max())


def test_symmetric_forcing_has_the_symmetry_of_a_quarter_turn():
    force = navier_stokes(1, 16, forcing="symmetric", times=[0, 0.01]).stack("forcing")[0]
    turned = np.roll(np.rot90(force), 1, axis=0)  # about the point at the origin
    np.testing.assert_allclose(turned, force, atol=1e-14)


def test_kdv_keeps_its_mean_square():
    wave = kdv(4, 128, length=64.0, times=[0, 2, 4]).stack("u")
    np.testing.assert_allclose(np.square(wave).mean(2), np.square(wave[:, :1]).mean(2).repeat(3, 1), rtol=1e-4)


@pytest.mark.slow
def test_kuramoto_sivashinsky_settles_on_its_attractor():
    chaos = kuramoto_sivashinsky(4, 64, length=32.0, times=[0, 1], settle=20.0).stack("u")
    np.testing.assert_allclose(chaos.mean(2), 0, atol=1e-10)
    assert (np.sqrt(np.square(chaos).mean(2)) > 0.4).all()  # on the attractor the amplitude is about 1.3


def test_darcy_solves_its_equation_on_any_domain():
    mask = np.ones((16, 16), bool)
    mask[4:9, 5:12] = False
    for inside in (None, mask):
        data = darcy(3, 16, seed=1, mask=inside)
        a, u = torch.as_tensor(data.stack("a")), torch.as_tensor(data.stack("u")[:, 0])
        miss = darcy_residual(
            u, a, 1.0, Grid((16, 16), periodic=False), mask=None if inside is None else torch.tensor(mask)
        )
        assert float(miss.abs().max()) < 1e-8
        assert set(np.unique(a)) == {3.0, 12.0}
    assert (data.stack("u")[:, 0][:, ~mask] == 0).all()
    np.testing.assert_array_equal(data[0].mask, mask)
    smooth = darcy(64, 16, kind="lognormal").stack("a")
    np.testing.assert_allclose([np.log(smooth).mean(), np.log(smooth).std()], [np.log(6), np.log(2)], rtol=0.1)


def test_darcy_on_a_finer_grid_is_nearer_to_the_limit():
    limit = darcy(4, 9, kind="lognormal", refine=9).stack("u")
    errors = [relative(darcy(4, 9, kind="lognormal", refine=r).stack("u"), limit) for r in (1, 3)]
    assert errors[1] < errors[0] / 3


@pytest.mark.parametrize("start", ["noise", "smooth"])
def test_diffusion_reaction_obeys_its_mean(start):
    """Walls let nothing through, so d/dt mean(u) = mean(u - u^3 - k - v) and d/dt mean(v) = mean(u - v)."""
    mask = np.ones((12, 12), bool)
    mask[3:6, 4:8] = False
    times = 1.0 + np.linspace(0, 0.2, 5)
    data = diffusion_reaction(3, 12, k=(0.0, 0.1), times=[0.0, *times], mask=mask, start=start)
    u, v = (data.stack(name)[:, 1:, mask] for name in ("u", "v"))
    rates = {"u": u - u**3 - data.parameter("k")[:, None, None] - v, "v": u - v}
    for name, values in (("u", u), ("v", v)):
        change = values[:, -1].mean(1) - values[:, 0].mean(1)
        weights = np.array([7, 32, 12, 32, 7]) / 90 * 0.2  # Boole's rule
        np.testing.assert_allclose(change, rates[name].mean(2) @ weights, atol=1e-5)
    assert (data.stack("u")[:, :, ~mask] == 0).all()
    assert (data.parameter_names, data.periodic) == (("k", "diffusion_u", "diffusion_v"), (False, False))


def test_shock_tubes_conserve_and_stay_physical():
    data = euler(4, 32, times=[0, 0.1], pieces=3, boundary="periodic", gamma=(1.3, 1.6))
    for name in ("density", "energy", "momentum"):
        total = data.stack(name).reshape(4, 2, -1).sum(2)
        np.testing.assert_allclose(total[:, 1], total[:, 0], atol=1e-10)
    assert data.ranks == {"density": 0, "momentum": 1, "energy": 0}
    assert (data.stack("density") > 0).all()
    assert len(set(data.parameter("gamma"))) == 4


BURGERS = Equation(
    "mine",
    dim=1,
    fields=("u",),
    parameters=("nu",),
    linear=lambda k, p: p["nu"] * k.laplacian,
    nonlinear=lambda k, u, p: -0.5 * k.d(0) * k.spectrum(k.values(u) ** 2),
)


def test_a_users_own_equation():
    data = generate_fields(
        BURGERS, 4, grid=Grid(64), times=[0, 1], initial=GaussianField(2.0, 5.0, 25.0), parameters={"nu": 0.1}
    )
    np.testing.assert_allclose(
        relative(data.stack("u"), burgers(4, 64).stack("u")) > 1e-3, True
    )  # another name's draws
    u = torch.as_tensor(data.stack("u"))
    assert relative(u[:, 1:].numpy(), cole_hopf(u[:, :1], Grid(64), 0.1, 1.0).numpy()) < 1e-4


def test_initial_states_may_be_a_function_or_given():
    def waves(grid, samples, generator):
        phase = torch.rand(samples, 1, generator=generator, dtype=torch.float64)
        return torch.sin(2 * torch.pi * (grid.axes()[0] + phase))

    made = generate_fields(BURGERS, 3, grid=Grid(32), times=[0, 0.1], initial=waves, parameters={"nu": 0.1})
    np.testing.assert_allclose(np.abs(made.stack("u")[:, 0]).max(1), 1, atol=0.01)
    states = torch.as_tensor(made.stack("u")[:, :1])
    given = generate_fields(BURGERS, 3, grid=Grid(32), times=[0, 0.1], initial=states, parameters={"nu": 0.1})
    np.testing.assert_allclose(given.stack("u"), made.stack("u"), atol=1e-9)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"parameters": {}}, r"given the parameters \[\]; it needs exactly \['nu'\]"),
        ({"parameters": {"nu": float("inf")}}, "nu=inf; give a number, a pair"),
        ({"parameters": {"nu": (2.0, 1.0)}}, "must not exceed"),
        ({"grid": Grid((8, 8))}, "1 dimensions"),
        ({"grid": Grid(8, periodic=False)}, "periodic grid"),
        ({"samples": 0}, "at least one"),
        ({"workers": 0}, "workers=0"),
        ({"initial": lambda grid, samples, generator: torch.zeros(3, 8)}, r"shape \(3, 8\)"),
        ({"initial": torch.zeros(3, 1, 8)}, r"shape \(3, 1, 8\).*\(2, 1, 8\)"),
        ({"equation": "surrogates.physics.fields:nothing"}, "cannot be imported"),
        ({"equation": "surrogates.physics.fields:solve"}, "cannot be called for an equation"),
        ({"refine": 0}, "refine=0"),
    ],
)
def test_bad_requests_end_in_one_clear_error(change, text):
    right = {"equation": BURGERS, "samples": 2, "grid": Grid(8), "times": [0, 1], "parameters": {"nu": 0.1}}
    with pytest.raises(DomainError, match=text):
        generate_fields(**(right | change))


def test_negative_diffusion_is_refused_before_anything_is_solved():
    for make in (
        lambda: burgers(2, 16, nu=-0.1),
        lambda: heat(2, 16, kappa=(-1, 1)),
        lambda: navier_stokes(2, 8, nu=-1),
    ):
        with pytest.raises(DomainError, match="is negative"):
            make()


def test_a_bad_state_names_its_sample():
    states = torch.zeros(70, 1, 8, dtype=torch.float64)
    states[66] = torch.nan
    with pytest.raises(DomainError, match=r"sample 2.*count from 64"):
        generate_fields(BURGERS, 70, grid=Grid(8), times=[0, 1], initial=states, parameters={"nu": 0.1})
