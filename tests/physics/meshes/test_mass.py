"""Mass matrices against textbooks and scikit-fem, and the border of meshes."""

import numpy as np
import pytest
from skfem import Basis, BilinearForm, ElementHex1, ElementTetP2, ElementTriP2, MeshHex, MeshTet, MeshTet2

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.boundary import boundary_nodes, euler_characteristic
from surrogates.physics.meshes.mass import consistent_mass, lumped_mass, measure
from surrogates.physics.meshes.outline import Ellipse, Plate
from surrogates.physics.meshes.quadratic import quadratic
from surrogates.physics.meshes.triangulate import triangulate

MASS = BilinearForm(lambda u, v, _: u * v)
SIX = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0], [0.5, 0.5], [0, 0.5]], dtype=float)
SIDES = {
    "line": [[0], [2]],
    "line3": [[0], [2], [1]],
    "quad": [[0, 0], [2, 0], [2, 3], [0, 3]],
    "wedge": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 4], [1, 0, 4], [0, 1, 4]],
    "pyramid": [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.2, 0.3, 3]],
}
SIZES = {"line": 2, "line3": 2, "quad": 6, "wedge": 2, "pyramid": 1}


def test_six_node_triangle_of_the_textbook():
    cells = {"triangle6": np.arange(6)[None]}
    expected = np.array(
        [
            [6, -1, -1, 0, -4, 0],
            [-1, 6, -1, 0, 0, -4],
            [-1, -1, 6, -4, 0, 0],
            [0, 0, -4, 32, 16, 16],
            [-4, 0, 0, 16, 32, 16],
            [0, -4, 0, 16, 16, 32],
        ]
    )
    np.testing.assert_allclose(consistent_mass(SIX, cells).toarray(), expected / 360, atol=1e-15)
    np.testing.assert_allclose(lumped_mass(SIX, cells) * 114, [3, 3, 3, 16, 16, 16], rtol=1e-12)


@pytest.mark.parametrize("kind", SIDES)
def test_size_of_single_cells(kind):
    points, cells = np.array(SIDES[kind], dtype=float), {kind: np.arange(len(SIDES[kind]))[None]}
    assert measure(points, cells) == pytest.approx(SIZES[kind])
    assert lumped_mass(points, cells).sum() == pytest.approx(SIZES[kind])
    assert lumped_mass(points, cells).min() > 0
    matrix = consistent_mass(points, cells).toarray()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-15)
    assert matrix.sum() == pytest.approx(SIZES[kind])
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_curved_triangles_tetrahedra_and_bricks_as_in_scikit_fem():
    plate = Plate(2, 1, (Ellipse((1, 0.5), (0.3, 0.2), 0.5),))
    mesh = quadratic(triangulate(plate, 0.4, near=0.3), plate)
    basis = Basis(mesh, ElementTriP2(), intorder=8)
    rows = np.concatenate([basis.nodal_dofs[0], basis.facet_dofs[0]])
    cells = {"triangle6": np.concatenate([mesh.t.T, mesh.t2f.T + mesh.t.max() + 1], axis=1)}
    ours = consistent_mass(mesh.doflocs.T, cells)
    np.testing.assert_allclose(ours.toarray(), MASS.assemble(basis)[rows][:, rows].toarray(), atol=1e-15)
    tets = MeshTet2.from_mesh(MeshTet())
    basis = Basis(MeshTet(), ElementTetP2(), intorder=5)
    rows = np.concatenate([basis.nodal_dofs[0], basis.edge_dofs[0]])
    ten = np.concatenate([tets.t.T, tets.t2e.T + 8], axis=1)  # sides 01 12 02 03 13 23, as in VTK
    ours = consistent_mass(tets.doflocs.T, {"tetra10": ten})
    np.testing.assert_allclose(ours.toarray(), MASS.assemble(basis)[rows][:, rows].toarray(), atol=1e-15)
    bricks = MeshHex()
    vtk = bricks.t.T[:, [0, 1, 4, 2, 3, 5, 7, 6]]
    corners = bricks.p.T[vtk[0]]
    np.testing.assert_allclose(np.linalg.norm(np.diff(corners[[0, 1, 2, 3, 0]], axis=0), axis=1), 1)
    ours = consistent_mass(bricks.p.T, {"hexahedron": vtk})
    np.testing.assert_allclose(ours.toarray(), MASS.assemble(Basis(bricks, ElementHex1())).toarray(), atol=1e-15)


def test_refinement_does_not_change_a_norm():
    norms = []
    for size in (0.3, 0.15):
        mesh = quadratic(triangulate(Plate(1, 1), size), Plate(1, 1))
        cells = {"triangle6": np.concatenate([mesh.t.T, mesh.t2f.T + mesh.t.max() + 1], axis=1)}
        u = mesh.doflocs[0] ** 2
        norms.append(u @ (consistent_mass(mesh.doflocs.T, cells) @ u))
    np.testing.assert_allclose(norms, 1 / 5, rtol=1e-12)


def test_surfaces_in_space_and_lines_at_borders():
    tilted = np.column_stack([SIX, 2 * SIX[:, 0]])
    cells = {"triangle6": np.arange(6)[None], "line3": np.array([[0, 1, 3]])}
    assert measure(tilted, cells) == pytest.approx(0.5 * np.sqrt(5))  # the line has no area
    with pytest.raises(DomainError, match="no extent"):
        lumped_mass(SIX * [1, 0], cells)
    with pytest.raises(DomainError, match="no mass matrix"):
        lumped_mass(SIX, {"polygon": np.arange(6)[None]})


def test_borders_and_holes():
    plate = Plate(2, 1, (Ellipse((1, 0.5), (0.3, 0.2), 0.5),))
    mesh = quadratic(triangulate(plate, 0.3, near=0.2), plate)
    six = {"triangle6": np.concatenate([mesh.t.T, mesh.t2f.T + mesh.t.max() + 1], axis=1)}
    facets = mesh.boundary_facets()
    expected = np.unique(np.concatenate([mesh.facets[:, facets].ravel(), facets + mesh.t.max() + 1]))
    np.testing.assert_array_equal(np.flatnonzero(boundary_nodes(six, mesh.doflocs.shape[1])), expected)
    assert euler_characteristic(six) == 0
    assert euler_characteristic({"triangle6": np.arange(6)[None]}) == 1
    bricks = MeshHex().refined(1)
    vtk = {"hexahedron": bricks.t.T[:, [0, 1, 4, 2, 3, 5, 7, 6]]}
    inner = np.flatnonzero(~boundary_nodes(vtk, bricks.p.shape[1]))
    np.testing.assert_allclose(bricks.p[:, inner], 0.5)
    assert euler_characteristic(vtk) == 1
    tets = MeshTet().refined(2)
    expected = tets.boundary_nodes()
    assert len(expected) < tets.p.shape[1]
    np.testing.assert_array_equal(np.flatnonzero(boundary_nodes({"tetra": tets.t.T}, tets.p.shape[1])), expected)
    assert euler_characteristic({"tetra": tets.t.T}) == 1
    assert not boundary_nodes({"vertex": np.array([[0]])}, 3).any()
