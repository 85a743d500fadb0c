"""Meshes of scikit-fem as samples: VTK's order of nodes, right side out, boundaries as sets of nodes."""

import numpy as np
import pytest
from skfem import MeshQuad, MeshTet1, MeshTet2, MeshTri1, MeshTri2

from surrogates.datasets.adapters.scikit_fem import from_skfem
from surrogates.physics.errors import DomainError

SIDES = {3: ((0, 1), (1, 2), (2, 0)), 4: ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))}


@pytest.mark.parametrize("kind", [MeshTri1, MeshTri2, MeshTet1, MeshTet2])
def test_nodes_are_in_vtk_order(kind):
    flat = kind in (MeshTri1, MeshTri2)
    straight = (MeshTri1 if flat else MeshTet1)().refined(2)
    straight = straight.with_boundaries({"left": lambda x: x[0] == 0})
    mesh = straight if kind is type(straight) else kind.from_mesh(straight).with_boundaries(straight.boundaries)
    sample = from_skfem(mesh, fields={"x": mesh.doflocs[0].copy()}, group="a")
    ((name, cells),) = sample.cells.items()
    corners = 3 if flat else 4
    p = sample.points[cells]
    assert np.linalg.det(p[:, 1:corners] - p[:, :1]).min() > 0
    for k, (a, b) in enumerate(SIDES[corners]):
        if cells.shape[1] > corners:
            np.testing.assert_allclose(p[:, corners + k], (p[:, a] + p[:, b]) / 2, atol=1e-14)
    assert np.array_equal(sample.tags["left"], sample.points[:, 0] == 0)
    assert np.array_equal(sample.fields["x"], sample.points[:, 0])
    assert sample.unused.size == 0
    assert name.startswith("triangle" if flat else "tetra")


def test_other_meshes_are_refused():
    with pytest.raises(DomainError, match="MeshQuad1"):
        from_skfem(MeshQuad())
