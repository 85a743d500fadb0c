"""Meshes by gmsh: right side out, in VTK's order, named as told, solved on; files that would run programs refused."""

import math
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from surrogates.physics.errors import DomainError, FileError, TrustError
from surrogates.physics.meshes import plane_stress, solid
from surrogates.physics.meshes.cells import orientations
from surrogates.physics.meshes.gmsh_meshes import LIBRARIES, gmsh_mesh

gmsh_is_there = pytest.mark.skipif(find_spec("gmsh") is None, reason="gmsh is not installed")

HOLE = """
DefineConstant[ r = 0.2 ];
SetFactory("OpenCASCADE");
Rectangle(1) = {0, 0, 0, 2, 1};
Disk(2) = {1, 0.5, 0, r};
BooleanDifference(3) = { Surface{1}; Delete; }{ Surface{2}; Delete; };
Physical Curve("hole") = {5};
Physical Curve("left") = {3};
Physical Curve("right") = {2};
Physical Surface("steel") = {3};
"""


def bar(gmsh):
    """A bar 2 x 1 x 1 along x with named ends."""
    gmsh.model.occ.addBox(0, 0, 0, 2, 1, 1)
    gmsh.model.occ.synchronize()
    for _, face in gmsh.model.getEntities(2):
        x = gmsh.model.occ.getCenterOfMass(2, face)[0]
        if x in (0.0, 2.0):
            gmsh.model.addPhysicalGroup(2, [face], name="left" if x == 0 else "right")


def test_files_that_may_run_programs_are_refused(tmp_path):
    for text in (
        'SystemCall "ls";',
        'Include "other.geo";',
        'Printf("a") > "file";',
        'OnelabRun("a", "b");',
        "Save 'a';",
    ):
        (tmp_path / "a.geo").write_text(f"Point(1) = {{0, 0, 0}};\n{text}\n")
        with pytest.raises(TrustError, match="line 2"):
            gmsh_mesh(tmp_path / "a.geo", dim=2, size=0.1)
    with pytest.raises(FileError, match="no such file"):
        gmsh_mesh(tmp_path / "b.step", dim=3, size=0.1)
    with pytest.raises(FileError, match="geometry is read from"):
        gmsh_mesh(tmp_path / "b.dxf", dim=3, size=0.1)
    with pytest.raises(DomainError, match="order 1 or 2"):
        gmsh_mesh(tmp_path / "b.step", dim=3, size=0.1, order=3)


def test_without_gmsh_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gmsh", None)
    with pytest.raises(ImportError, match=r"surrogates\[mesh\]"):
        gmsh_mesh(bar, dim=3, size=0.5)
    assert "libglu1-mesa" in LIBRARIES


@gmsh_is_there
@pytest.mark.parametrize("order", [1, 2])
def test_a_plate_from_a_file(tmp_path, order):
    (tmp_path / "hole.geo").write_text(HOLE)
    mesh = gmsh_mesh(tmp_path / "hole.geo", dim=2, size=0.1, order=order, numbers={"r": 0.3})
    ((kind, cells),) = mesh.cells.items()
    assert kind == {1: "triangle", 2: "triangle6"}[order]
    assert mesh.points.shape[1] == 2
    assert orientations(mesh.points, cells, kind).min() > 0
    away = np.linalg.norm(mesh.points - [1, 0.5], axis=1)
    assert np.array_equal(mesh.tags["hole"], np.abs(away - 0.3) < 1e-9)
    assert mesh.cell_tags["steel"][kind].all()
    made = mesh.to_skfem()
    assert {"hole", "left", "right"} <= set(made.boundaries)
    if order == 2:
        area = np.abs(made.mapping().detDF(np.full((2, 1), 1 / 3))).sum() / 2
        assert area == pytest.approx(2 - math.pi * 0.09, rel=1e-3)
        found = plane_stress(made, young=1.0, poisson=0.3, fixed={"left": (0, 0)}, traction={"right": (1, 0)})
        assert 3 < found.von_mises.max() < 6
        assert found.residual < 1e-9


@gmsh_is_there
def test_a_bar_from_a_function_is_pulled():
    mesh = gmsh_mesh(bar, dim=3, size=0.5, order=2)
    assert mesh.cells.keys() == {"tetra10"}
    p = mesh.points[mesh.cells["tetra10"]]
    for k, (a, b) in enumerate(((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))):
        np.testing.assert_allclose(p[:, 4 + k], (p[:, a] + p[:, b]) / 2, atol=1e-12)
    found = solid(
        mesh.to_skfem(), young=2.0, poisson=0.0, fixed={"left": (0, 0, 0)}, traction={"right": (1.0, 0.0, 0.0)}
    )
    made = mesh.to_skfem()
    np.testing.assert_allclose(found.displacement[:, 0], made.doflocs[0] / 2, atol=1e-10)


@gmsh_is_there
def test_gmsh_is_left_as_it_was_found(tmp_path):
    import gmsh

    gmsh.initialize(interruptible=False)
    try:
        gmsh.model.add("mine")
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.7)
        gmsh_mesh(bar, dim=3, size=0.5)
        assert gmsh.model.getCurrent() == "mine"
        assert gmsh.option.getNumber("Mesh.MeshSizeMax") == 0.7
    finally:
        gmsh.finalize()
    (tmp_path / "a.step").write_text("nothing")
    with pytest.raises((FileError, DomainError)):
        gmsh_mesh(tmp_path / "a.step", dim=3, size=0.5)
    with pytest.raises(DomainError, match="no cells"):
        gmsh_mesh(lambda g: None, dim=2, size=0.5)
    assert not gmsh.isInitialized()
