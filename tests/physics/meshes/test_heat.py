"""Heat conduction on meshes: exact quadratics, decay rates, order in time, balance of a moving source."""

import numpy as np
import pytest

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.heat import MovingSource, steady_heat, transient_heat
from surrogates.physics.meshes.outline import Ellipse, Plate
from surrogates.physics.meshes.quadratic import quadratic
from surrogates.physics.meshes.triangulate import triangulate

SIDES = {"left": 0, "right": 0, "bottom": 0, "top": 0}


@pytest.fixture(scope="module")
def square():
    return quadratic(triangulate(Plate(1, 1), 0.12), Plate(1, 1))


def test_quadratic_temperatures_are_exact(square):
    found = steady_heat(square, conductivity=2, fixed={"left": 1, "right": 1}, source=3)
    x = square.doflocs[0]
    np.testing.assert_allclose(found.temperature, 1 + 0.75 * x * (1 - x), atol=1e-12)
    assert found.residual < 1e-10


def test_ring_between_two_temperatures_has_the_logarithm():
    """Harmonic log r around a hole, given on all boundaries."""
    plate = Plate(2, 2, (Ellipse((1, 1), (0.3, 0.3)),))
    mesh = quadratic(triangulate(plate, 0.2, near=0.08), plate)

    def exact(p):
        return np.log(np.hypot(p[:, 0] - 1, p[:, 1] - 1))

    found = steady_heat(mesh, conductivity=1, fixed={n: exact for n in (*SIDES, "hole")})
    assert np.abs(found.temperature - exact(mesh.doflocs.T)).max() < 2e-3


def test_flux_in_is_flux_out(square):
    found = steady_heat(square, conductivity=4, fixed={"left": 0}, flux={"right": 2})
    np.testing.assert_allclose(found.temperature, 0.5 * square.doflocs[0], atol=1e-12)


def test_lowest_mode_decays_at_its_rate_and_the_rule_is_of_second_order(square):
    def mode(p):
        return np.sin(np.pi * p[:, 0]) * np.sin(np.pi * p[:, 1])

    exact = np.exp(-2 * np.pi**2 * 0.5 * 0.2) * mode(square.doflocs.T)
    runs = [
        transient_heat(square, conductivity=1, capacity=2, fixed=SIDES, times=[0, 0.2], steps=n, start=mode)[-1]
        for n in (4, 8, 64)
    ]
    errors = [np.abs(run - runs[2]).max() for run in runs[:2]]
    assert 3 < errors[0] / errors[1] < 5.5
    assert np.abs(runs[2] - exact).max() < 2e-4


def test_moving_source_leaves_its_energy(square):
    """Insulated but for a far side: the heat in the plate is power times time."""
    spot = MovingSource(power=3, radius=0.08, path=lambda t: (0.3 + 0.2 * t, 0.5))
    frames = transient_heat(square, conductivity=1e-3, capacity=1, fixed={}, times=[0, 0.5, 1], steps=10, source=spot)
    one = np.ones(square.doflocs.shape[1])
    from surrogates.physics.meshes.heat import _Conduction

    energy = [one @ (_Conduction(square).mass @ f) for f in frames]
    np.testing.assert_allclose(energy, [0, 1.5, 3.0], rtol=2e-3, atol=1e-12)
    hottest = square.doflocs[:, frames[-1].argmax()]
    assert np.abs(hottest - [0.5, 0.5]).max() < 0.1


def test_bad_heat_is_named(square):
    with pytest.raises(DomainError, match="a temperature"):
        steady_heat(square, conductivity=1, fixed={})
    with pytest.raises(DomainError, match="no boundary 'hole'"):
        steady_heat(square, conductivity=1, fixed={"hole": 1})
    with pytest.raises(DomainError, match="evenly spaced"):
        transient_heat(square, conductivity=1, capacity=1, fixed=SIDES, times=[0, 1, 3])
