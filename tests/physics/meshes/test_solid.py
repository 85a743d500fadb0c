"""Elastic solids: patch test, a bar under its own weight, a bent beam, and bad input."""

import numpy as np
import pytest
from skfem import MeshTet

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.solid import solid


def box(x, y, z):
    sides = {"left": lambda p: p[0] == 0, "right": lambda p: np.isclose(p[0], x[-1]), "front": lambda p: p[1] == 0}
    return MeshTet.init_tensor(x, y, z).with_boundaries({**sides, "bottom": lambda p: p[2] == 0})


BLOCK = box(np.linspace(0, 2, 3), np.linspace(0, 1, 3), np.linspace(0, 1, 2))
ROLLERS = {"left": (0, None, None), "front": (None, 0, None), "bottom": (None, None, 0)}


def test_patch_of_constant_stress():
    found = solid(BLOCK, young=3, poisson=0.25, fixed=ROLLERS, traction={"right": (0.6, 0, 0)})
    np.testing.assert_allclose(found.displacement, found.points * [0.2, -0.05, -0.05], atol=1e-12)
    np.testing.assert_allclose(found.stress, np.broadcast_to([0.6, 0, 0, 0, 0, 0], found.stress.shape), atol=1e-11)
    np.testing.assert_allclose(found.von_mises, 0.6, atol=1e-11)
    assert found.energy == pytest.approx(0.5 * 0.6**2 / 3 * 2)


def test_bar_under_its_weight_is_quadratic():
    """Hung at its left end face without Poisson's ratio: u = q (2 L x - x^2) / (2 E), exactly in P2."""
    found = solid(BLOCK, young=5, poisson=0, fixed=ROLLERS, body=(0.7, 0, 0))
    x = found.points[:, 0]
    np.testing.assert_allclose(found.displacement[:, 0], 0.7 * (4 * x - x**2) / 10, atol=1e-12)
    assert found.residual < 1e-10


def test_slender_beam_bends_as_timoshenko():
    """Clamped, 10 x 1 x 1, end shear F: F L^3 / (3 E I) + F L / (5/6 G A)."""
    mesh = box(np.linspace(0, 10, 21), np.linspace(0, 1, 3), np.linspace(0, 1, 3))
    found = solid(mesh, young=1e3, poisson=0.0, fixed={"left": (0, 0, 0)}, traction={"right": (0, 0, 1)})
    tip = found.displacement[np.isclose(found.points[:, 0], 10), 2].mean()
    assert tip == pytest.approx(1000 / 3 / 1e3 * 12 + 10 / (5 / 6 * 500), rel=5e-3)


def test_bad_solids_are_named():
    with pytest.raises(DomainError, match="no boundary 'top'"):
        solid(BLOCK, young=1, poisson=0.3, fixed={"top": (0, 0, 0)})
    with pytest.raises(DomainError, match="rigid body"):
        solid(BLOCK, young=1, poisson=0.3, fixed={"left": (0, None, None)}, traction={"right": (1, 0.1, 0)})
