"""Error indicators: no Galerkin residual of the solver's own field, second order, one ratio to the true error."""

import numpy as np
import pytest
from skfem import Basis, ElementTriP2, Functional

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.from_cells import mesh_of_triangles
from surrogates.physics.meshes.heat import steady_heat
from surrogates.physics.meshes.indicator import heat_indicator, plane_stress_indicator
from surrogates.physics.meshes.outline import Ellipse, Plate
from surrogates.physics.meshes.plane_stress import plane_stress
from surrogates.physics.meshes.quadratic import quadratic
from surrogates.physics.meshes.triangulate import triangulate

SIDES = {"left": 0, "right": 0, "bottom": 0, "top": 0}
HOLED = Plate(2, 1, (Ellipse((1, 0.5), (0.25, 0.2), 0.3),))
PULLED = {
    "young": 2.0,
    "poisson": 0.3,
    "fixed": {"left": (0, None), "bottom": (None, 0)},
    "traction": {"right": (1.0, 0.0)},
}


def holed(size):
    return quadratic(triangulate(HOLED, size, near=size / 3), HOLED)


@pytest.fixture(scope="module")
def coarse():
    mesh = holed(0.2)
    return mesh, plane_stress(mesh, **PULLED)


def mode(p):
    return np.sin(np.pi * p[:, 0]) * np.sin(np.pi * p[:, 1])


def heated(size):
    """Indicator of the solution, and its true error in energy."""
    mesh = quadratic(triangulate(Plate(1, 1), size), Plate(1, 1))
    problem = {"conductivity": 3, "fixed": SIDES, "source": lambda p: 6 * np.pi**2 * mode(p)}
    found = steady_heat(mesh, **problem)
    basis = Basis(mesh, ElementTriP2(), intorder=6)
    u = np.zeros(basis.N)
    u[np.concatenate([basis.nodal_dofs[0], basis.facet_dofs[0]])] = found.temperature

    def square(w):
        (x, y), p = w.x, np.pi
        dx, dy = np.cos(p * x) * np.sin(p * y), np.sin(p * x) * np.cos(p * y)
        return 3 * ((w["u"].grad[0] - p * dx) ** 2 + (w["u"].grad[1] - p * dy) ** 2)

    error = np.sqrt(Functional(square).assemble(basis, u=basis.interpolate(u)))
    return heat_indicator(mesh, found.temperature, **problem), error


def test_heat_indicator_follows_the_true_error():
    (one, first), (two, second) = heated(0.2), heated(0.1)
    assert first / second == pytest.approx(4, rel=0.1)
    assert one.total / two.total == pytest.approx(4, rel=0.1)
    assert one.total / first == pytest.approx(two.total / second, rel=0.05)
    assert max(one.galerkin, two.galerkin) < 1e-13
    assert one.total == pytest.approx(np.sqrt(np.square(one.cells).sum()))
    assert one.galerkin < 1e-13
    assert one.prescribed == 0


def test_the_solvers_own_field_has_no_galerkin_residual_and_a_small_indicator(coarse):
    mesh, found = coarse
    said = plane_stress_indicator(mesh, found.displacement, **PULLED)
    assert said.galerkin < 1e-12
    assert said.prescribed == 0
    fine = holed(0.1)
    finer = plane_stress_indicator(fine, plane_stress(fine, **PULLED).displacement, **PULLED)
    assert said.relative > 2.2 * finer.relative
    at = mesh.doflocs.mean(axis=1)
    centre = mesh.doflocs[:, mesh.t].mean(axis=1).T
    worst = centre[np.argsort(said.cells)[-5:]]
    assert np.linalg.norm(worst - at, axis=1).max() < 0.45  # at the hole


def test_a_patch_of_constant_stress_has_nothing_left():
    mesh = quadratic(triangulate(Plate(2, 1), 0.3), Plate(2, 1))
    x, y = mesh.doflocs
    problem = {"young": 3.0, "poisson": 0.25, "fixed": {"left": (0, None), "bottom": (None, 0)}}
    exact = np.stack([0.2 * x, -0.05 * y], axis=1)
    said = plane_stress_indicator(mesh, exact, **problem, traction={"right": (0.6, 0)})
    assert said.total < 1e-12
    assert said.galerkin < 1e-12
    forgot = plane_stress_indicator(mesh, exact, **problem)  # a traction that is not there
    energy = np.sqrt(2 * 0.5 * 0.6**2 / 3 * 2)
    sides = mesh.facets[:, mesh.boundaries["right"]]
    length = np.abs(np.diff(y[sides], axis=0)).ravel()
    expected = np.sqrt(np.sum(length**2) * 0.6**2 / (3.0 / 1.25)) / energy
    assert forgot.relative == pytest.approx(expected, rel=1e-9)


def test_wrong_fields_are_seen(coarse):
    mesh, found = coarse
    u = found.displacement
    honest = plane_stress_indicator(mesh, u, **PULLED)
    noise = np.random.default_rng(0).normal(size=u.shape) * 0.02 * np.abs(u).max()
    rough, scaled, moved = (plane_stress_indicator(mesh, v, **PULLED) for v in (u + noise, 1.2 * u, u + 0.1))
    assert rough.relative > 3 * honest.relative
    assert rough.galerkin > 0.05
    assert scaled.galerkin > 0.01
    assert moved.prescribed > 0.02
    place = np.flatnonzero(np.linalg.norm(mesh.doflocs.T - [1.6, 0.8], axis=1) < 0.2)[0]
    dented = u.copy()
    dented[place] += 0.05 * np.abs(u).max()
    assert plane_stress_indicator(mesh, dented, **PULLED).nodes.argmax() == place


def test_bad_input_is_refused(coarse):
    mesh, found = coarse
    with pytest.raises(DomainError, match="displacement has shape"):
        plane_stress_indicator(mesh, found.displacement[:-1], **PULLED)
    with pytest.raises(DomainError, match="no boundary 'lid'"):
        plane_stress_indicator(mesh, found.displacement, **{**PULLED, "traction": {"lid": (0, 1)}})
    with pytest.raises(DomainError, match="conductivity"):
        heat_indicator(mesh, found.von_mises, conductivity=0, fixed={})


def test_triangles_of_any_file_become_the_solvers_mesh(coarse):
    mesh, found = coarse
    cells = np.concatenate([mesh.t.T, mesh.t2f.T + mesh.t.max() + 1], axis=1)  # scikit-fem's corners, its middles
    points, order = mesh.doflocs.T, np.random.default_rng(0).permutation(mesh.doflocs.shape[1])
    place = np.argsort(order)
    tags = {"left": points[order][:, 0] == 0, "bottom": points[order][:, 1] == 0, "top": points[order][:, 1] == 1}
    tags["right"] = points[order][:, 0] == 2
    again, where = mesh_of_triangles(points[order], place[cells], tags)
    np.testing.assert_array_equal(again.doflocs.T, points[order][where])
    assert {n: len(f) for n, f in again.boundaries.items()} == {
        n: len(mesh.boundaries[n]) for n in ("left", "bottom", "top", "right")
    }
    said = plane_stress_indicator(again, found.displacement[order][where], **PULLED)
    honest = plane_stress_indicator(mesh, found.displacement, **PULLED)
    assert said.relative == pytest.approx(honest.relative, rel=1e-9)
    assert said.galerkin < 1e-12
    straight, ends = mesh_of_triangles(points[: mesh.t.max() + 1], mesh.t.T)
    np.testing.assert_allclose(straight.doflocs.T, points[ends].mean(axis=1))
    with pytest.raises(DomainError, match="belong to no triangle"):
        mesh_of_triangles(np.vstack([points, [[9.0, 9.0]]]), cells)
