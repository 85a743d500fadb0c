"""Incompressible flow on meshes: Poiseuille exactly, order in space and time, the cylinder of the DFG benchmark."""

import numpy as np
import pytest

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.incompressible_flow import steady_flow, stokes, unsteady_flow
from surrogates.physics.meshes.outline import Ellipse, Plate
from surrogates.physics.meshes.quadratic import quadratic
from surrogates.physics.meshes.triangulate import triangulate

WALLS = {"bottom": (0, 0), "top": (0, 0)}
CHANNEL = Plate(2.2, 0.41, (Ellipse((0.2, 0.2), (0.05, 0.05)),))


def parabola(peak, height):
    return lambda x: np.stack([4 * peak * x[:, 1] * (height - x[:, 1]) / height**2, 0 * x[:, 1]], axis=1)


@pytest.fixture(scope="module")
def channel():
    return quadratic(triangulate(Plate(2, 1), 0.25), Plate(2, 1))


@pytest.mark.parametrize("solve", [stokes, steady_flow])
def test_poiseuille_is_exact(channel, solve):
    flow = solve(channel, nu=0.1, walls={"left": parabola(1, 1), **WALLS})
    np.testing.assert_allclose(flow.velocity, parabola(1, 1)(channel.doflocs.T), atol=1e-13)
    vertices = channel.doflocs[:, : len(flow.pressure)]
    np.testing.assert_allclose(flow.pressure, 0.8 * (2 - vertices[0]), atol=1e-12)


def test_start_up_flow_approaches_poiseuille_at_the_known_rate(channel):
    """The slowest mode decays as exp(-pi^2 nu t); the fluid enters and leaves with the parabola."""
    flow = unsteady_flow(channel, nu=0.5, walls={"left": parabola(1, 1), **WALLS}, times=[0, 2], dt=0.02)
    np.testing.assert_allclose(flow.velocity[-1], parabola(1, 1)(channel.doflocs.T), atol=1e-4)


def test_bdf2_is_of_second_order():
    """A vortex that decays in a closed box, against steps eight times finer."""
    plate = Plate(1, 1)
    mesh = quadratic(triangulate(plate, 0.2), plate)
    x, y = np.pi * mesh.doflocs
    start = np.stack([np.sin(x) ** 2 * np.sin(2 * y), -np.sin(2 * x) * np.sin(y) ** 2], axis=1)
    walls = {"left": (0, 0), "right": (0, 0), **WALLS}
    runs = [
        unsteady_flow(mesh, nu=0.02, walls=walls, times=[0.4], dt=0.4 / n, start=start).velocity[0]
        for n in (20, 40, 160)
    ]
    errors = [np.linalg.norm(run - runs[2]) for run in runs[:2]]
    assert 3.2 < errors[0] / errors[1] < 6
    assert np.linalg.norm(runs[2]) > 0.1 * np.linalg.norm(start)


def test_mass_is_conserved(channel):
    flow = steady_flow(channel, nu=0.01, walls={"left": parabola(1, 1), "bottom": (0.1, 0), "top": (0, 0)})

    def flux(x):
        """Simpson's rule along a side, exact for P2."""
        side = np.flatnonzero(np.isclose(channel.doflocs[0], x))
        side = side[np.argsort(channel.doflocs[1][side])]
        y, u = channel.doflocs[1][side], flow.velocity[side, 0]
        return ((y[2::2] - y[:-2:2]) / 6 * (u[:-2:2] + 4 * u[1::2] + u[2::2])).sum()

    assert flux(0) > 2 / 3
    assert flux(2) == pytest.approx(flux(0), rel=1e-10)


def test_cylinder_at_reynolds_20():
    """DFG 2D-1 (Schaefer and Turek 1996): drag 5.57953523, lift 0.010618948."""
    mesh = quadratic(triangulate(CHANNEL, 0.04, near=0.006, growth=0.15), CHANNEL)
    flow = steady_flow(mesh, nu=1e-3, walls={"left": parabola(0.3, 0.41), **WALLS, "hole": (0, 0)}, forces=["hole"])
    drag, lift = flow.forces["hole"] * 2 / (0.2**2 * 0.1)
    assert drag == pytest.approx(5.57953523, rel=5e-4)
    assert lift == pytest.approx(0.010618948, rel=0.05)


@pytest.mark.slow
def test_cylinder_sheds_vortices_at_reynolds_100():
    """DFG 2D-2: largest drag 3.22 to 3.24, largest lift 0.98 to 1.02, Strouhal number 0.295 to 0.305."""
    mesh = quadratic(triangulate(CHANNEL, 0.04, near=0.0065, growth=0.12), CHANNEL)
    walls = {"left": parabola(1.5, 0.41), **WALLS, "hole": (0, 0)}
    flow = unsteady_flow(mesh, nu=1e-3, walls=walls, times=[0, 6], dt=1 / 2000, forces=["hole"])
    late = flow.steps > 4.5
    drag, lift = (flow.forces["hole"][late] * 2 / 0.1).T
    assert 3.22 <= drag.max() <= 3.24
    assert 0.98 <= lift.max() <= 1.02
    up = np.flatnonzero((lift[:-1] < 0) & (lift[1:] >= 0))
    crossing = up - lift[up] / (lift[up + 1] - lift[up])
    assert 0.295 <= 0.1 / (np.diff(crossing).mean() / 2000) <= 0.305


def test_bad_flows_are_named(channel):
    with pytest.raises(DomainError, match="no boundary 'hole'"):
        stokes(channel, nu=1, walls={"hole": (0, 0)})
    with pytest.raises(DomainError, match=r"a net -0\.667 flows out of a closed domain"):
        stokes(channel, nu=1, walls={"left": parabola(1, 1), "right": (0, 0), **WALLS})
    with pytest.raises(DomainError, match="positive viscosity"):
        steady_flow(channel, nu=0, walls=WALLS)
    with pytest.raises(DomainError, match="multiples of dt"):
        unsteady_flow(channel, nu=1, walls=WALLS, times=[0, 0.15], dt=0.1)
    with pytest.raises(DomainError, match="make dt smaller"):
        unsteady_flow(channel, nu=1e-4, walls={"left": parabola(1, 1), **WALLS}, times=[100], dt=1)
