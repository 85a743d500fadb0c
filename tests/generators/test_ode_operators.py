"""The DeepONet paper's operators: known solutions, orders, seeds, and its function spaces."""

import numpy as np
import pytest

from surrogates.datasets.generators.function_spaces import ChebyshevSeries, GaussianProcess, Polynomials, Splines
from surrogates.datasets.generators.ode_operators import (
    antiderivative,
    gravity_pendulum,
    integrate,
    nonlinear_ode,
    triples,
)
from surrogates.datasets.generators.source_diffusion_reaction import nodes, solve_source, source_diffusion_reaction
from surrogates.physics.errors import DomainError

X = np.linspace(0, 1, 37)


def constant(c):
    return Polynomials(np.array([[c]]))


def riccati(s, u):
    return -(s**2) + u


@pytest.mark.parametrize("space", [GaussianProcess(), ChebyshevSeries()])
def test_integrals_are_exact(space):
    functions = space.draw(4, np.random.default_rng(0))
    # Gauss-Legendre on every interval between knots integrates cubics exactly, and the series almost
    nodes_, weights = np.polynomial.legendre.leggauss(4)
    knots = np.linspace(0, 1, 1000)
    h = np.diff(knots)
    inside = (knots[:-1, None] + h[:, None] * (nodes_ + 1) / 2).ravel()
    pieces = (functions(inside).reshape(4, 999, 4) * weights).sum(2) * h / 2
    np.testing.assert_allclose(functions.integral(knots)[:, 1:], pieces.cumsum(1), atol=1e-13)


@pytest.mark.parametrize("space", [GaussianProcess(0.3, 50), ChebyshevSeries(5)])
def test_own_points_are_common_points(space):
    functions = space.draw(3, np.random.default_rng(0))
    own = np.tile(X, (3, 1))
    for f in (functions.__call__, functions.integral):
        np.testing.assert_allclose(f(own), f(X), atol=1e-12)
    np.testing.assert_allclose(functions.some([2])(X)[0], functions(X)[2], atol=1e-14)


def test_the_gaussian_process_has_its_covariance():
    u = GaussianProcess(length=0.2, resolution=100).draw(5000, np.random.default_rng(0))(X)
    expected = np.exp(-((X[:, None] - X) ** 2) / (2 * 0.2**2))
    assert np.abs(u.T @ u / len(u) - expected).max() < 5 / np.sqrt(len(u))


def test_chebyshev_functions_are_bounded_by_their_terms():
    functions = ChebyshevSeries(terms=7, bound=2.0).draw(50, np.random.default_rng(0))
    assert np.abs(functions.coefficients).max() <= 2
    cosine = sum(functions.coefficients[:, k, None] * np.cos(k * np.arccos(2 * X - 1)) for k in range(7))
    np.testing.assert_allclose(functions(X), cosine, atol=1e-12)


def test_a_constant_force_gives_the_hyperbolic_tangent():
    found = integrate(riccati, constant(4.0), X)[0, 0]
    np.testing.assert_allclose(found, 2 * np.tanh(2 * X), atol=1e-13)


def test_a_small_swing_is_a_sine():
    data = gravity_pendulum(3, 37, k=9.0, space=ChebyshevSeries(terms=1, bound=1e-5))
    u = data.stack("u")[:, :1]
    np.testing.assert_allclose(data.stack("s")[:, 0], u * (1 - np.cos(3 * X)) / 9, atol=1e-15)
    np.testing.assert_allclose(data.stack("v")[:, 0], u * np.sin(3 * X) / 3, atol=1e-15)


def test_the_pendulum_keeps_its_energy_under_a_constant_torque():
    data = gravity_pendulum(5, 37, k=30.0, space=ChebyshevSeries(terms=1, bound=50.0))
    s, v, u = data.stack("s")[:, 0], data.stack("v")[:, 0], data.stack("u")[:, :1]
    energy = v**2 / 2 + 30 * (1 - np.cos(s)) - u * s
    assert np.abs(v).max() > 5
    np.testing.assert_allclose(energy, 0, atol=1e-9)


def test_the_order_is_six():
    functions = ChebyshevSeries(6).draw(3, np.random.default_rng(1))
    fine = integrate(riccati, functions, X, steps=320)
    errors = np.array([np.abs(integrate(riccati, functions, X, steps=n) - fine).max() for n in (10, 20, 40)])
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), 6, atol=0.4)


def test_twice_the_steps_change_nothing_that_matters():
    functions = GaussianProcess().draw(5, np.random.default_rng(2))
    assert np.abs(integrate(riccati, functions, X) - integrate(riccati, functions, X, steps=2 * 999)).max() < 1e-11


def test_solutions_that_run_away_are_drawn_anew():
    data = nonlinear_ode(20, 11, space=ChebyshevSeries(terms=1, bound=6.0))
    assert data.provenance["redrawn"] > 0
    assert data.stack("u").min() > -((np.pi / 2) ** 2)  # s' = -s^2 - c^2 ends at c x = pi / 2
    assert np.isfinite(data.stack("s")).all()
    with pytest.raises(DomainError, match="ran away"):
        nonlinear_ode(2, 11, space=_Falling())


class _Falling:
    def draw(self, samples, generator):
        return Polynomials(np.full((samples, 1), -9.0))


def test_data_sets_have_the_function_as_constant_and_repeat_with_their_seed():
    one, two, other = antiderivative(12, 50), antiderivative(12, 50), antiderivative(12, 50, seed=1)
    assert one.hash == two.hash != other.hash
    assert one.constants == ("u",)
    assert one.axes[0][-1] == 1
    u, s = one.stack("u"), one.stack("s")[:, 0]
    spline = GaussianProcess().draw(12, np.random.default_rng(0))
    np.testing.assert_allclose(u, spline(one.axes[0]), atol=1e-14)
    np.testing.assert_allclose(s, spline.integral(one.axes[0]), atol=1e-14)
    assert len(one.split(0.5, 0.5)[0]) == 6


@pytest.mark.parametrize("operator", ["antiderivative", "nonlinear_ode", "gravity_pendulum"])
def test_triples_lie_on_the_solutions(operator):
    data = triples(operator, 5, 9, queries=3, seed=4)
    assert data.u.shape == (5, 9)
    rng = np.random.default_rng(4)
    y = rng.uniform(size=(5, 3))
    np.testing.assert_array_equal(y, data.y)
    functions = GaussianProcess().draw(5, rng)
    rates = {
        "antiderivative": lambda s, u: u + 0 * s,
        "nonlinear_ode": riccati,
        "gravity_pendulum": lambda s, u: np.stack([s[1], u - np.sin(s[0])]),
    }
    for k in range(5):
        alone = integrate(rates[operator], functions.some([k]), y[k], components=1 + (operator == "gravity_pendulum"))
        np.testing.assert_allclose(data.s[k], alone[0, 0], atol=1e-11)


def test_triples_of_many_functions_come_in_chunks(monkeypatch):
    monkeypatch.setattr("surrogates.datasets.generators.ode_operators._CHUNK", 4)
    data = triples("nonlinear_ode", 10, 40, queries=40)
    rng = np.random.default_rng(0)
    rng.uniform(size=(10, 40))
    u = np.concatenate([GaussianProcess().draw(n, rng)(np.linspace(0, 1, 40)) for n in (4, 4, 2)])
    np.testing.assert_allclose(data.u, u, atol=1e-14)
    order = data.y.argsort(1)
    y, s = np.take_along_axis(data.y, order, 1), np.take_along_axis(data.s, order, 1)
    slopes = np.abs(np.diff(s, axis=1) / np.diff(y, axis=1))
    assert slopes.max() < 20  # a row that had another function's solution would jump


def test_diffusion_without_reaction_is_a_sine_series():
    times, d = np.linspace(0, 1, 20), 0.01
    sine = solve_source(np.sin(np.pi * nodes())[None], X, times, d, 0.0)[0]
    growth = (1 - np.exp(-d * np.pi**2 * times)) / (d * np.pi**2)
    np.testing.assert_allclose(sine, growth[:, None] * np.sin(np.pi * X), atol=1e-13)
    flat = solve_source(np.ones((1, 65)), X, times, d, 0.0)[0, -1]  # does not vanish at the walls
    m = np.pi * np.arange(1, 20_001, 2)
    series = 4 / m * (1 - np.exp(-d * m**2)) / (d * m**2) * np.sin(np.outer(X, m))
    np.testing.assert_allclose(flat, series.sum(1), atol=1e-11)


def test_the_reaction_is_of_fourth_order_and_agrees_with_another_method():
    from scipy.integrate import solve_ivp

    source, times, k = GaussianProcess().draw(2, np.random.default_rng(3)), np.linspace(0, 1, 5), 0.6
    fine = solve_source(source(nodes(32)), X, times, 0.05, k, substeps=128)
    errors = [np.abs(solve_source(source(nodes(32)), X, times, 0.05, k, substeps=n) - fine).max() for n in (4, 8, 16)]
    assert np.log2(errors[1] / errors[2]) > 3.5
    n = 2000  # central differences: second order in 1/n
    x = np.linspace(0, 1, n + 1)
    u = source(x)[0, 1:-1]

    def rate(_, s):
        padded = np.concatenate([[0], s, [0]])
        return 0.05 * n**2 * (padded[2:] - 2 * s + padded[:-2]) + k * s**2 + u

    from scipy.sparse import diags

    pattern = diags([1.0, 1.0, 1.0], [-1, 0, 1], shape=(n - 1, n - 1))
    other = solve_ivp(rate, (0, 1), np.zeros(n - 1), method="BDF", rtol=1e-7, atol=1e-9, jac_sparsity=pattern).y[:, -1]
    np.testing.assert_allclose(
        solve_source(source(nodes()), x[1:-1], times, 0.05, k, substeps=64)[0, -1], other, atol=2e-5
    )


def test_the_diffusion_reaction_data_set_is_as_in_the_paper():
    data = source_diffusion_reaction(4)
    assert data.stack("s").shape == (4, 100, 100)
    assert data[0].parameters == {"D": 0.01, "k": 0.01}
    s = data.stack("s")
    assert np.abs(s[:, 0]).max() == 0
    assert np.abs(s[..., [0, -1]]).max() < 1e-12
    assert data.hash == source_diffusion_reaction(4).hash
    x, t = data.axes[0], data.times
    slope = (s[:, 2:] - s[:, :-2]) / (t[2] - t[0])
    bend = (s[:, 1:-1, 2:] - 2 * s[:, 1:-1, 1:-1] + s[:, 1:-1, :-2]) / (x[1] - x[0]) ** 2
    inner = s[:, 1:-1, 1:-1]
    residual = slope[..., 1:-1] - 0.01 * bend - 0.01 * inner**2 - data.stack("u")[:, None, 1:-1]
    assert np.abs(residual[:, 20:]).max() < 2e-2 * np.abs(data.stack("u")).max()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: antiderivative(0),
        lambda: triples("integral"),
        lambda: GaussianProcess(length=0),
        lambda: ChebyshevSeries(terms=0),
        lambda: source_diffusion_reaction(2, frames=1),
        lambda: source_diffusion_reaction(2, reaction=1e4, space=ChebyshevSeries(terms=1, bound=30.0)),
    ],
)
def test_what_cannot_be_made_is_refused(ask):
    with pytest.raises(DomainError):
        ask()


def test_splines_pass_through_their_values():
    values = np.random.default_rng(0).normal(size=(3, 20))
    np.testing.assert_allclose(Splines(values)(np.linspace(0, 1, 20)), values, atol=1e-13)
