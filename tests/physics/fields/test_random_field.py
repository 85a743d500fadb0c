"""Gaussian random fields: the covariance they state, walls, and independence of the resolution."""

import math

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.fields import Grid, gaussian_random_field


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_periodic_coefficients_have_the_stated_variance():
    """Burgers' of arXiv:2010.08895, N(0, 625 (-Lap + 25)^-2): |u_k|^2 = 625 (4 pi^2 k^2 / L^2 + 25)^-2 / 2 twice."""
    length = 1.5
    u = gaussian_random_field(Grid(64, length), 4000, alpha=2, tau=5, sigma=25, generator=seeded())
    power = torch.fft.rfft(u, norm="forward").abs().square().mean(0)
    k = torch.arange(33)
    expected = 625 * ((2 * math.pi * k / length) ** 2 + 25) ** -2.0
    assert power[0] < 1e-25, "the mean is zero"
    assert power[32] < 1e-25, "Nyquist's mode has no sine and is left out"
    torch.testing.assert_close(power[1:32], expected[1:32].double(), rtol=0.12, atol=0)


def test_the_default_scale_is_that_of_the_authors_programs():
    grid = Grid((32, 32))
    usual = gaussian_random_field(grid, 2, alpha=2.5, tau=7, generator=seeded())
    torch.testing.assert_close(
        usual, gaussian_random_field(grid, 2, alpha=2.5, tau=7, sigma=7**1.5, generator=seeded())
    )


def test_fields_are_isotropic():
    u = gaussian_random_field(Grid((24, 24)), 3000, alpha=3, tau=5, generator=seeded())
    power = torch.fft.fftn(u, dim=(1, 2), norm="forward").abs().square().mean(0)
    for a, b in (((1, 2), (2, 1)), ((3, 0), (0, 3)), ((1, 2), (1, -2)), ((0, 5), (3, 4))):
        assert abs(power[a] / power[b] - 1) < 0.15


def test_walled_fields_are_cosines_without_slope_at_the_walls():
    """Darcy's of arXiv:2010.08895, N(0, (-Lap + 9)^-2) with zero Neumann conditions."""
    from scipy.fft import dctn

    n = 16
    u = gaussian_random_field(Grid((n, n), 1.0, False), 4000, alpha=2, tau=3, sigma=1, generator=seeded())
    power = torch.tensor(dctn(u.numpy(), axes=(1, 2), norm="ortho") / n).square().mean(0)
    k = torch.arange(n, dtype=torch.float64)
    expected = (math.pi**2 * (k[:, None] ** 2 + k**2) + 9) ** -2
    assert power[0, 0] < 1e-25
    expected[0, 0] = power[0, 0] = 1.0
    torch.testing.assert_close(power, expected, rtol=0.15, atol=0)


@pytest.mark.parametrize("periodic", [True, False, (True, False)])
def test_the_low_frequencies_do_not_depend_on_the_resolution(periodic):
    def coefficients(shape):
        grid = Grid(shape, (1.0, 2.0), periodic)
        u = gaussian_random_field(grid, 3, alpha=2.5, tau=7, generator=seeded(3))
        x, y = grid.points()
        probes = [
            torch.cos(2 * math.pi * m * x) * torch.cos(math.pi * n * y) for m, n in ((1, 0), (0, 2), (3, 2), (5, 1))
        ]
        return torch.stack([(u * probe).mean((1, 2)) for probe in probes])

    few, many = coefficients((16, 24)), coefficients((48, 40))
    assert few.abs().min() > 1e-5
    torch.testing.assert_close(few, many, atol=1e-14, rtol=0)


def test_the_generator_moves_on_alike_whatever_is_drawn():
    one, two = seeded(), seeded()
    gaussian_random_field(Grid(16), 1, alpha=2, tau=1, generator=one)
    gaussian_random_field(Grid((8, 8)), 5, alpha=2, tau=1, generator=two)
    assert torch.equal(one.get_state(), two.get_state())
    again = gaussian_random_field(Grid(16), 1, alpha=2, tau=1, generator=one)
    assert not torch.equal(again, gaussian_random_field(Grid(16), 1, alpha=2, tau=1, generator=seeded()))


def test_a_mean_a_dtype_and_three_dimensions():
    u = gaussian_random_field(
        Grid((8, 6, 5), 1.0, (True, False, True)), 2, alpha=3, tau=0, mean=2, generator=seeded(), dtype=torch.float32
    )
    assert u.shape == (2, 8, 6, 5)
    assert u.dtype == torch.float32
    torch.testing.assert_close(u.mean((1, 2, 3)), torch.full((2,), 2.0), atol=1e-6, rtol=0)


@pytest.mark.parametrize("bad", [{"samples": 0}, {"tau": -1}, {"alpha": math.nan}])
def test_bad_numbers_are_named(bad):
    given = {"samples": 1, "alpha": 2, "tau": 3, **bad}
    with pytest.raises(DomainError, match="random fields with alpha"):
        gaussian_random_field(Grid(8), **given, generator=seeded())
