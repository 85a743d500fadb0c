"""Semilinear parabolic problems: the radial reference against a linear equation, published values against it."""

import math

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.solutions import semilinear
from surrogates.physics.solutions.radial import value_at_origin


def test_the_heat_of_a_gaussian_decays_as_it_should():
    width, dim = 3.0, 12
    linear = semilinear.SemilinearParabolic(
        "heat",
        reaction=lambda u: 0.5 * u,
        terminal=lambda x: torch.exp(-x.square().sum(1, keepdim=True) / (2 * width)),
        published={},
        radial=lambda q: torch.exp(-q / (2 * width)),
    )
    exact = (width / (width + 2 * linear.horizon)) ** (dim / 2) * math.exp(0.5 * linear.horizon)
    errors = [abs(value_at_origin(linear, dim, points=n) - exact) for n in (51, 101)]
    assert errors[1] < 1e-6
    assert errors[0] > 8 * errors[1]  # fourth order


@pytest.mark.parametrize(
    ("problem", "dim", "tolerance"),
    [
        (semilinear.sine_gordon(), 10, 1e-4),
        (semilinear.sine_gordon(), 100, 1e-3),
        (semilinear.semilinear_heat(), 10, 1.5e-3),  # the published value is 0.1 % high
        (semilinear.semilinear_heat(), 100, 5e-4),
    ],
)
def test_published_values_are_within_their_monte_carlo_error(problem, dim, tolerance):
    assert value_at_origin(problem, dim, points=101) == pytest.approx(problem.published[dim], rel=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("make", [semilinear.sine_gordon, semilinear.semilinear_heat])
@pytest.mark.parametrize("dim", [1000, 10_000])
def test_published_values_in_many_dimensions(make, dim):
    problem = make()
    assert value_at_origin(problem, dim) == pytest.approx(problem.published[dim], rel=1e-3)


def test_an_end_state_with_edges_has_no_radial_reference():
    with pytest.raises(DomainError, match="no radial"):
        value_at_origin(semilinear.allen_cahn(), 10)


def test_paths_spread_as_brownian_ones():
    x = semilinear.brownian_points(20_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    late = x[:, 3] > 0.25
    ratio = (x[late, :3].square() / (2 * x[late, 3:])).mean()
    assert abs(float(ratio) - 1) < 5 * math.sqrt(2 / (3 * int(late.sum())))
    assert 0 <= float(x[:, 3].min()) <= float(x[:, 3].max()) <= 0.3


def test_end_states_are_those_of_the_source():
    x = torch.tensor([[1.0, 2.0], [-3.0, -1.0]], dtype=torch.float64)
    assert semilinear.allen_cahn().terminal(x)[:, 0].tolist() == pytest.approx([math.atan(2), math.atan(-1)])
    assert semilinear.sine_gordon().terminal(x)[0, 0] == pytest.approx(5 / 20)
