"""Meshes in other programs' files: to the bit and back, tags and fields with them, damage and traps refused."""

import numpy as np
import pytest

from surrogates.datasets.adapters.mesh_files import read_mesh, write_mesh
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.physics.errors import DomainError, FileError
from surrogates.physics.meshes import Ellipse, Plate, quadratic, triangulate


def plate(quadratic_cells=True):
    shape = Plate(2, 1, (Ellipse((0.9, 0.45), (0.25, 0.1), 0.6),))
    flat = triangulate(shape, 0.3)
    mesh = quadratic(flat, shape)
    draw = np.random.default_rng(0)
    if quadratic_cells:
        t = mesh.t.T
        middles = len(flat.vertices) + mesh.t2f[[0, 1, 2]].T
        points, cells = mesh.doflocs.T.copy(), {"triangle6": np.hstack([t, middles]).astype(np.int64)}
    else:
        points, cells = flat.vertices, {"triangle": flat.triangles}
    n, m = len(points), len(next(iter(cells.values())))
    kind = next(iter(cells))
    return MeshSample(
        points,
        cells,
        {"stress": draw.standard_normal(n), "displacement": draw.standard_normal((n, 3))},
        {"thickness": {kind: draw.standard_normal(m)}},
        {"left": points[:, 0] == 0},
        {"inner": {kind: draw.random(m) > 0.5}},
    )


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".xdmf", ".msh"])
@pytest.mark.parametrize("curved", [True, False])
def test_points_and_fields_come_back_to_the_bit(tmp_path, suffix, curved):
    sample = plate(curved)
    back = read_mesh(write_mesh(sample, tmp_path / f"plate{suffix}"))
    np.testing.assert_array_equal(back.points, sample.points)
    for kind, cells in sample.cells.items():
        np.testing.assert_array_equal(back.cells[kind], cells)
        np.testing.assert_array_equal(back.cell_fields["thickness"][kind], sample.cell_fields["thickness"][kind])
        np.testing.assert_array_equal(back.cell_tags["inner"][kind], sample.cell_tags["inner"][kind])
    for name, values in sample.fields.items():
        np.testing.assert_array_equal(back.fields[name], values)
    np.testing.assert_array_equal(back.tags["left"], sample.tags["left"])


def test_abaqus_keeps_sets_and_sixteen_digits(tmp_path):
    sample = plate(False)
    back = read_mesh(write_mesh(sample, tmp_path / "plate.inp"))
    np.testing.assert_allclose(back.points, sample.points, rtol=1e-14, atol=1e-16)
    np.testing.assert_array_equal(back.cells["triangle"], sample.cells["triangle"])
    np.testing.assert_array_equal(back.tags["left"], sample.tags["left"])


def test_stl_holds_triangles_only(tmp_path):
    sample = plate(False)
    back = read_mesh(write_mesh(sample, tmp_path / "plate.stl"))
    assert len(back.cells["triangle"]) == len(sample.cells["triangle"])
    with pytest.raises(FileError, match=r"write a \.vtu"):
        write_mesh(plate(True), tmp_path / "curved.stl")


def test_middles_of_sides_stand_where_vtk_wants_them():
    sample = plate(True)
    corners, middles = sample.points[sample.cells["triangle6"][:, :3]], sample.points[sample.cells["triangle6"][:, 3:]]
    halves = (corners + np.roll(corners, -1, axis=1)) / 2
    assert np.abs(middles - halves).max() < 0.02  # curved sides lie beside the chord


def test_physical_groups_of_gmsh_are_tags(tmp_path):
    text = """$MeshFormat
4.1 0 8
$EndMeshFormat
$PhysicalNames
2
1 1 "wall"
2 2 "body"
$EndPhysicalNames
$Entities
0 1 1 0
1 0 0 0 1 0 0 1 1 0
1 0 0 0 1 1 0 1 2 1 1
$EndEntities
$Nodes
1 3 1 3
2 1 0 3
1
2
3
0 0 0
1 0 0
0 1 0
$EndNodes
$Elements
2 2 1 2
1 1 1 1
1 1 2
2 1 2 1
2 1 2 3
$EndElements
"""
    (tmp_path / "one.msh").write_text(text)
    found = read_mesh(tmp_path / "one.msh")
    assert found.tags["wall"].tolist() == [True, True, False]
    assert found.cell_tags["body"]["triangle"].tolist() == [True]
    assert found.dim == 2


def test_neighbours_are_compressed_rows():
    cells = {"triangle": np.array([[0, 1, 2], [1, 3, 2]])}
    sample = MeshSample(np.zeros((5, 2)), cells)
    senders, rows = sample.edges()
    assert [senders[rows[k] : rows[k + 1]].tolist() for k in range(5)] == [[1, 2], [0, 2, 3], [0, 1, 3], [1, 2], []]
    assert senders.dtype == rows.dtype == np.int64
    assert sample.unused.tolist() == [4]
    curved = MeshSample(np.zeros((6, 2)), {"triangle6": np.arange(6)[None]})
    assert len(curved.edges()[0]) == 12


def test_damage_and_traps_are_refused(tmp_path):
    path = write_mesh(plate(), tmp_path / "plate.vtu")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FileError, match="cannot be read as vtu"):
        read_mesh(path)
    (tmp_path / "bomb.vtu").write_text('<!DOCTYPE a [<!ENTITY b "c">]><VTKFile>&b;</VTKFile>')
    with pytest.raises(FileError, match="DOCTYPE"):
        read_mesh(tmp_path / "bomb.vtu")
    trap = write_mesh(plate(), tmp_path / "trap.xdmf")
    trap.write_text(trap.read_text().replace("trap.h5", "../trap.h5"))
    with pytest.raises(FileError, match="outside its folder"):
        read_mesh(trap)
    with pytest.raises(FileError, match="meshes are read from"):
        read_mesh(__file__)


def test_what_does_not_fit_is_named():
    square = {"quad": np.array([[0, 1, 2, 3]])}
    with pytest.raises(DomainError, match=r"stress has shape \(3,\); give \(4,\)"):
        MeshSample(np.zeros((4, 2)), square, {"stress": np.zeros(3)})
    with pytest.raises(DomainError, match="nodes 0 to 2"):
        MeshSample(np.zeros((3, 2)), square)
    with pytest.raises(DomainError, match="kind 'blob' are unknown"):
        MeshSample(np.zeros((3, 2)), {"blob": np.zeros((1, 3), dtype=int)})
    with pytest.raises(DomainError, match="thickness has 2 values on quad cells; the mesh has 1"):
        MeshSample(np.zeros((4, 2)), square, cell_fields={"thickness": {"quad": np.zeros(2)}})
