"""A user's folder of meshes: read whole, misfits named and left out, units told, histories put together."""

import json
import warnings
from dataclasses import replace

import meshio
import numpy as np
import pytest

from surrogates.datasets import Meshes, MeshSample, read_meshes
from surrogates.datasets.adapters.mesh_files import write_mesh
from surrogates.physics.errors import DomainError, FileError, SurrogatesWarning


def grid(seed=0, *, n=4, kind="triangle", scale=1.0):
    """A square of n x n points with two fields, on triangles or quadrilaterals."""
    draw = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n))
    points = scale * np.stack([x.ravel(), y.ravel()], axis=1)
    k = np.arange(n * n).reshape(n, n)
    quads = np.stack([k[:-1, :-1], k[:-1, 1:], k[1:, 1:], k[1:, :-1]], axis=-1).reshape(-1, 4)
    cells = quads if kind == "quad" else np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return MeshSample(
        points,
        {kind: cells},
        fields={"u": draw.normal(size=(n * n, 3)), "p": draw.normal(size=n * n)},
        cell_fields={"load": {kind: draw.normal(size=len(cells))}},
        tags={"left": points[:, 0] == 0},
    )


@pytest.fixture
def folder(tmp_path):
    for k in range(5):
        write_mesh(grid(k, n=3 + k), tmp_path / f"plate_{k:03d}.vtu")
    return tmp_path


def left_out(data):
    return {q["file"]: q["reason"] for q in data.quarantined}


def read_quietly(*given, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SurrogatesWarning)
        return read_meshes(*given, **named)


def test_a_folder_is_one_data_set(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = read_meshes(folder, units={"u": "m/s", "points": "m"})
    assert (len(data), data.names, data.cell_names, data.tags) == (5, ("u", "p"), ("load",), ("left",))
    for k, sample in enumerate(data):
        assert sample.row == k
        np.testing.assert_array_equal(sample.fields["u"], grid(k, n=3 + k).fields["u"])
        np.testing.assert_array_equal(sample.points, grid(k, n=3 + k).points)
    assert data.units == {"u": "m/s", "points": "m"}
    assert "field u: 3 components" in data.description
    assert "in m/s" in data.description
    assert "field p: a number" in data.description
    assert "unit not told" in data.description
    assert data.provenance["files"][2] == "plate_002.vtu"
    assert read_meshes(folder, fields=["p"], tags=["left"])[0].fields.keys() == {"p"}
    assert len(read_meshes([folder / "plate_001.vtu", folder / "plate_003.vtu"])) == 2
    assert len(read_meshes(folder / "plate_001.vtu")) == 1


def test_what_was_read_is_stored_and_read_again(folder, tmp_path):
    data = read_meshes(folder)
    data.save(tmp_path / "all.h5")
    assert read_meshes(tmp_path / "all.h5").hash == Meshes.open(tmp_path / "all.h5").hash == data.hash


@pytest.mark.parametrize("suffix", [".vtk", ".msh", ".xdmf", ".inp"])
def test_other_formats(tmp_path, suffix):
    for k in range(2):
        write_mesh(grid(k), tmp_path / f"a{k}{suffix}")
    data = read_meshes(tmp_path)
    assert len(data) == 2
    assert data.tags == ("left",)
    np.testing.assert_allclose(data[1].points, grid(1).points, atol=1e-14)


def misfits(folder):
    """Files that cannot be used, and what is said of each."""
    good = grid(9)
    n, cells = len(good), good.cells["triangle"]
    found = {}

    def wrong(name, sample, reason):
        write_mesh(sample, folder / name)
        found[name] = reason

    whole = (folder / "plate_000.vtu").read_bytes()
    (folder / "broken.vtu").write_bytes(whole[: len(whole) // 2])
    found["broken.vtu"] = "cannot be read as vtu"
    (folder / "empty.vtu").write_bytes(b"")
    found["empty.vtu"] = "the file is empty"
    text = whole.decode("latin-1").replace('NumberOfPoints="9"', 'NumberOfPoints="8"')
    (folder / "length.vtu").write_bytes(text.encode("latin-1"))
    found["length.vtu"] = ""
    wrong("field.vtu", replace(good, fields={"u": good.fields["u"]}), "lacks the field p; it has u")
    wrong("parts.vtu", replace(good, fields={**good.fields, "p": np.zeros((n, 2))}), r"components of p")
    wrong("kind.vtu", grid(9, kind="quad"), "has quad cells, most have triangle")
    mixed = {"triangle": np.delete(cells, [0, 9], axis=0), "quad": np.array([[0, 1, 5, 4]])}
    wrong("mixed.vtu", replace(good, cells=mixed, cell_fields={}), "has quad and triangle cells, most have triangle")
    moved = good.points.copy()
    moved[5] += 1.2
    wrong("inverted.vtu", replace(good, points=moved), "inverted or flat cells")
    more = np.concatenate([good.points, [[0.5, 0.55]]])
    fields = {"u": np.zeros((n + 1, 3)), "p": np.zeros(n + 1)}
    wrong("loose.vtu", replace(good, points=more, fields=fields, tags={}), "1 nodes that belong to no cell")
    wrong(
        "nan.vtu", replace(good, fields={**good.fields, "p": np.full(n, np.nan)}), "16 values of p that are not finite"
    )
    wrong("unit.vtu", grid(9, scale=1000.0), "perhaps in another unit")
    solid = meshio.Mesh(np.eye(4, 3), [("tetra", [[0, 1, 2, 3]])], point_data={"u": np.eye(4, 3), "p": np.zeros(4)})
    solid.write(folder / "solid.vtu")
    found["solid.vtu"] = "3 dimensions, most have 2"
    return found


def test_misfits_are_named_left_out_and_counted(folder):
    expected = misfits(folder)
    for k in range(10, 25):
        write_mesh(grid(k), folder / f"plate_{k:03d}.vtu")
    with pytest.warns(SurrogatesWarning, match=f"{len(expected)} of {len(expected) + 20} meshes were left out"):
        data = read_meshes(folder)
    assert len(data) == 20
    assert all(name.startswith("plate_") for name in data.provenance["files"])
    told = left_out(data)
    assert told.keys() == expected.keys()
    for name, reason in expected.items():
        assert told[name]
        assert any(part in told[name] for part in reason.split("|")), (name, told[name])
        assert str(folder) not in told[name]
    assert f"{len(expected)} files left out" in data.description
    more = read_quietly(folder, drop_unused=True)
    assert "loose.vtu" not in left_out(more)
    (loose,) = (s for s, name in zip(more, more.provenance["files"], strict=True) if name == "loose.vtu")
    assert len(loose) == 16


def test_nothing_left_is_an_error(tmp_path):
    with pytest.raises(FileError, match="a folder without"):
        read_meshes(tmp_path)
    with pytest.raises(FileError, match="no such file or folder"):
        read_meshes(tmp_path / "nowhere")
    (tmp_path / "a.vtu").write_text("no mesh")
    with pytest.raises(FileError, match=r"no usable mesh among 1; a\.vtu: cannot be read"):
        read_meshes(tmp_path)


def test_names_that_no_mesh_has(folder):
    with pytest.raises(DomainError, match="no mesh has the fields stress; there are load, p, u"):
        read_meshes(folder, fields=["stress"])
    with pytest.raises(DomainError, match="no mesh has the tags hole; there are left"):
        read_meshes(folder, tags=["hole"])
    with pytest.raises(DomainError, match="units of q"):
        read_meshes(folder, units={"q": "K"})
    with pytest.raises(DomainError, match="positive time"):
        read_meshes(folder, spacing=0)
    write_mesh(replace(grid(7), tags={}), folder / "untagged.vtu")
    assert left_out(read_quietly(folder, tags=["left"])) == {"untagged.vtu": "lacks the tag left; it has none"}
    assert "tag left: not in 1 meshes, such as untagged.vtu" in read_meshes(folder).description


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_parameters_from_a_table_beside(folder, kind):
    rows = {f"plate_{k:03d}": {"nu": 0.1 * k, "design": f"d{k // 2}"} for k in range(4)} | {
        "ghost": {"nu": 1.0, "design": "d9"}
    }
    if kind == "csv":
        lines = ["nu, file, design", *(f"{r['nu']}, {name}.vtu, {r['design']}" for name, r in rows.items())]
        (folder / "parameters.csv").write_text("\n".join(lines))
    else:
        (folder / "parameters.json").write_text(json.dumps(rows))
    data = read_quietly(folder, group="design", units={"nu": "1"})
    assert data.parameter_names == ("nu",)
    np.testing.assert_allclose(data.parameter("nu"), [0, 0.1, 0.2, 0.3])
    assert [s.group for s in data] == ["design d0", "design d0", "design d1", "design d1"]
    assert left_out(data) == {"plate_004.vtu": f"has no row in parameters.{kind}"}
    assert f"parameters.{kind} has 1 rows without a mesh" in data.description
    with pytest.raises(FileError, match="where a number is wanted"):
        read_meshes(folder)
    with pytest.raises(FileError, match="has no 'batch'"):
        read_meshes(folder, group="batch")


def test_bad_tables(folder):
    for name, text, reason in (
        ("a.csv", "file,nu\nplate_000.vtu,1\nplate_000.vtu,2\n", "two rows for plate_000"),
        ("b.csv", "file,nu\nplate_000.vtu\n", "does not have 2 entries"),
        ("c.csv", "file,nu\n", "has no rows"),
        ("d.json", "[1, 2]", "cannot be read as json"),
        ("e.txt", "file nu", "read from .csv and .json"),
    ):
        (folder / name).write_text(text)
        with pytest.raises(FileError, match=reason):
            read_meshes(folder, parameters=folder / name)


def test_numbered_files_are_histories(tmp_path):
    first = grid(1)
    for run in "ab":
        for k in range(4):
            frame = replace(first, fields={"u": first.fields["u"] + k, "p": first.fields["p"] * k})
            write_mesh(frame, tmp_path / f"run-{run}_{2 * k:04d}.vtu")
    data = read_meshes(tmp_path, spacing=0.1, units={"time": "s"})
    assert len(data) == 2
    assert data.provenance["files"] == ["run-a.vtu", "run-b.vtu"]
    assert data[0].fields["u"].shape == (4, 16, 3)
    np.testing.assert_allclose(data[0].times, [0, 0.2, 0.4, 0.6])
    np.testing.assert_array_equal(data[1].fields["p"][3], 3 * first.fields["p"])
    assert len(read_meshes(tmp_path)) == 8
    (tmp_path / "run-a_0002.vtu").unlink()
    write_mesh(replace(first, points=first.points * 1.01), tmp_path / "run-c_0000.vtu")
    write_mesh(first, tmp_path / "run-c_0001.vtu")
    told = left_out(read_quietly(tmp_path, spacing=0.1))
    assert told["run-a.vtu"].startswith("has frames numbered")
    assert "displacement" in told["run-c.vtu"]


def test_xdmf_collections_are_histories(tmp_path, monkeypatch):
    first = grid(2)
    points = np.pad(first.points, ((0, 0), (0, 1)))
    monkeypatch.chdir(tmp_path)  # meshio writes the numbers there
    with meshio.xdmf.TimeSeriesWriter(tmp_path / "run.xdmf") as writer:
        writer.write_points_cells(points, [("triangle", first.cells["triangle"])])
        for k in range(3):
            writer.write_data(0.5 * k, point_data={"p": first.fields["p"] + k})
    (sample,) = read_meshes(tmp_path)
    np.testing.assert_allclose(sample.times, [0, 0.5, 1.0])
    np.testing.assert_array_equal(sample.fields["p"][2], first.fields["p"] + 2)


def test_boundary_cells_become_tags(tmp_path):
    """gmsh writes lines on named boundaries beside the triangles."""
    base = grid(3)
    points = np.pad(base.points, ((0, 0), (0, 1)))
    cells = [("line", np.array([[0, 1], [1, 2], [2, 3]])), ("triangle", base.cells["triangle"])]
    marks = [np.array([7, 7, 7]), np.full(len(base.cells["triangle"]), 8)]
    mesh = meshio.Mesh(
        points,
        cells,
        point_data={"p": base.fields["p"]},
        cell_data={"gmsh:physical": marks, "gmsh:geometrical": marks},
        field_data={"bottom": np.array([7, 1]), "all": np.array([8, 2])},
    )
    mesh.write(tmp_path / "a.msh", file_format="gmsh22")
    (sample,) = read_meshes(tmp_path)
    assert sample.cells.keys() == {"triangle"}
    assert np.array_equal(np.flatnonzero(sample.tags["bottom"]), [0, 1, 2, 3])
