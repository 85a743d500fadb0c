"""Triangles of plates with holes, and plane stress on them: patch test, Kirsch's factor 3, order, equilibrium."""

import math

import numpy as np
import pytest

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.outline import Ellipse, Plate
from surrogates.physics.meshes.plane_stress import plane_stress
from surrogates.physics.meshes.quadratic import quadratic
from surrogates.physics.meshes.triangulate import triangulate

HOLE = Plate(2, 1, (Ellipse((0.9, 0.45), (0.25, 0.1), 0.6),))


def area(mesh):
    corners = mesh.vertices[mesh.triangles]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()


@pytest.mark.parametrize("seed", range(4))
def test_meshes_fill_the_plate_with_good_triangles(seed):
    draw = np.random.default_rng(seed)
    holes = (Ellipse((0.5, 0.5), tuple(draw.uniform(0.08, 0.25, 2)), draw.uniform(0, math.pi)),)
    holes += (Ellipse((1.4, 0.5), tuple(draw.uniform(0.08, 0.25, 2)), draw.uniform(0, math.pi)),)
    plate = Plate(2, 1, holes)
    mesh = triangulate(plate, 0.1, near=0.04)
    assert mesh.angles().min() > 17
    assert {name: len(e) > 1 for name, e in mesh.edges.items()} == dict.fromkeys(
        ("bottom", "right", "top", "left", "hole"), True
    )
    cut = sum(math.pi * math.prod(h.axes) for h in holes)
    assert area(mesh) == pytest.approx(2 - cut, rel=5e-3)
    curved = quadratic(mesh, plate)
    assert np.abs(curved.mapping().detDF(np.full((2, 1), 1 / 3))).sum() / 2 == pytest.approx(2 - cut, rel=5e-4)
    again = triangulate(plate, 0.1, near=0.04)
    assert np.array_equal(mesh.vertices, again.vertices)


def test_patch_of_constant_stress():
    mesh = quadratic(triangulate(HOLE, 0.15), HOLE)
    solid = quadratic(triangulate(Plate(2, 1), 0.2), Plate(2, 1))
    found = plane_stress(
        solid, young=3.0, poisson=0.25, fixed={"left": (0, None), "bottom": (None, 0)}, traction={"right": (0.6, 0)}
    )
    x, y = solid.doflocs
    np.testing.assert_allclose(found.displacement, np.stack([0.2 * x, -0.05 * y], 1), atol=1e-12)
    np.testing.assert_allclose(found.stress, np.broadcast_to([0.6, 0, 0], found.stress.shape), atol=1e-11)
    assert found.energy == pytest.approx(0.5 * 0.6**2 / 3 * 2, rel=1e-12)
    assert mesh.doflocs.shape[1] > solid.doflocs.shape[1]


def test_small_hole_concentrates_three_times_the_stress():
    """Kirsch: 3 and -1 on the rim of a hole in an infinite plate; here 40 radii wide, so 0.3 % more."""
    plate = Plate(10, 10, (Ellipse((5, 5), (0.25, 0.25)),))
    mesh = quadratic(triangulate(plate, 0.6, near=0.022), plate)
    found = plane_stress(
        mesh, young=1, poisson=0.3, fixed={"left": (0, None), "bottom": (None, 0)}, traction={"right": (1, 0)}
    )
    rim = np.abs(np.hypot(*(mesh.doflocs - 5)) - 0.25) < 1e-9
    assert found.stress[rim, 0].max() == pytest.approx(3.01, rel=0.012)
    assert found.stress[rim, 1].min() == pytest.approx(-1.0, abs=0.05)


def test_energy_converges_with_order_four():
    """A plate pulled and bent, its solution smooth but for the corners of the clamp, so measured with rollers."""
    plate, energies = Plate(2, 1, (Ellipse((1, 0.5), (0.3, 0.3)),)), []
    for size in (0.24, 0.12, 0.06):
        mesh = quadratic(triangulate(plate, size), plate)
        free = {"left": (0, None), "bottom": (None, 0)}
        energies.append(plane_stress(mesh, young=1, poisson=0.3, fixed=free, traction={"right": (1, 0)}).energy)
    assert abs(energies[2] - energies[1]) < abs(energies[1] - energies[0]) / 8
    assert energies[2] == pytest.approx(energies[1], rel=1e-3)


def test_reactions_balance_the_load():
    mesh = quadratic(triangulate(HOLE, 0.12), HOLE)
    found = plane_stress(mesh, young=200, poisson=0.3, fixed={"left": (0, 0)}, traction={"right": (1, 0.5)})
    assert found.residual < 1e-10
    turned = plane_stress(mesh, young=200, poisson=0.3, fixed={"left": (0, 0)}, traction={"right": (-2, -1)})
    np.testing.assert_allclose(turned.von_mises, 2 * found.von_mises, rtol=1e-9)


def test_bad_plates_are_named():
    with pytest.raises(DomainError, match="outside the plate"):
        Plate(1, 1, (Ellipse((0.9, 0.5), (0.2, 0.1)),))
    with pytest.raises(DomainError, match="holes 0 and 1 touch"):
        Plate(2, 1, (Ellipse((0.9, 0.5), (0.2, 0.1)), Ellipse((1.1, 0.5), (0.2, 0.1))))
    mesh = quadratic(triangulate(Plate(1, 1), 0.3), Plate(1, 1))
    with pytest.raises(DomainError, match=r"no boundary 'hole'; the mesh has"):
        plane_stress(mesh, young=1, poisson=0.3, fixed={"hole": (0, 0)})
    with pytest.raises(DomainError, match="nothing is fixed"):
        plane_stress(mesh, young=1, poisson=0.3, fixed={}, traction={"right": (1, 0)})
    with pytest.raises(DomainError, match="rigid body"):
        plane_stress(mesh, young=1, poisson=0.3, fixed={"left": (0, None)}, traction={"right": (1, 0.1)})
    with pytest.raises(DomainError, match=r"poisson=0.5"):
        plane_stress(mesh, young=1, poisson=0.5, fixed={"left": (0, 0)})
