"""Meshes on disk: to the bit, whatever they hold; damage, strangers and interruptions are told."""

import json
import pickle

import numpy as np
import pytest

from surrogates.datasets import Meshes, MeshSample, mesh_store
from surrogates.physics.errors import DomainError, FileError


def mixed(seed, *, times=None, tags=("left", "hole")):
    """A mesh of triangles and quadrilaterals with everything that a sample can have."""
    draw = np.random.default_rng(seed)
    n = int(draw.integers(8, 15))
    cells = {
        "triangle": draw.integers(0, n, (int(draw.integers(1, 6)), 3)),
        "quad": draw.integers(0, n, (int(draw.integers(1, 4)), 4)),
    }
    lead = () if times is None else (len(times),)
    by_kind = {kind: draw.normal(size=(len(c), 2)) for kind, c in cells.items()}
    return MeshSample(
        draw.normal(size=(n, 2)),
        cells,
        fields={
            "u": draw.normal(size=(*lead, n, 2)),
            "a/b: strange": draw.normal(size=(*lead, n)).astype(np.float32),
            "count": draw.integers(0, 9, (*lead, n, 1, 3)),
        },
        cell_fields={"load": by_kind, "nowhere": {}},
        tags={name: draw.random(n) < 0.5 for name in tags},
        cell_tags={"part": {"quad": draw.random(len(cells["quad"])) < 0.5}},
        parameters={"nu": float(draw.normal()), "rest": float("nan")},
        times=times,
        units={"u": "m", "points": "mm"} if seed % 2 else {"u": "m"},
        group=f"design {seed // 2}",
    )


def same(a, b):
    assert list(a.fields) == list(b.fields)
    assert (a.group, dict(a.units)) == (b.group, dict(b.units))
    np.testing.assert_equal(dict(a.parameters), dict(b.parameters))
    arrays = [
        [s.points, s.times, *s.cells.values(), *s.fields.values(), *s.tags.values()]
        + [v for role in (s.cell_fields, s.cell_tags) for kinds in role.values() for v in kinds.values()]
        for s in (a, b)
    ]
    names = [[list(s.cells), list(s.tags), {n: list(k) for n, k in s.cell_fields.items()}] for s in (a, b)]
    assert names[0] == names[1]
    for x, y in zip(*arrays, strict=True):
        assert (x is None and y is None) or (x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes())


@pytest.fixture(scope="module")
def steady():
    samples = [mixed(k, tags=("left", "hole") if k % 3 else ("left",)) for k in range(7)]
    return Meshes(samples, provenance={"description": "seven", "seed": 3}, units={"u": "m", "nu": "1"})


@pytest.mark.parametrize("name", ["set.h5", "folder"])
def test_a_round_trip_is_exact(steady, tmp_path, name, monkeypatch):
    monkeypatch.setattr(mesh_store, "SHARD", 2500)  # several files in the folder
    steady.save(tmp_path / name)
    found = Meshes.open(tmp_path / name)
    assert found.hash == steady.hash
    assert found.row_hashes() == steady.row_hashes()
    assert (found.provenance, found.units) == (steady.provenance, steady.units)
    for a, b in zip(steady, found, strict=True):
        same(a, b)
    if name == "folder":
        assert len(list((tmp_path / name).glob("part-*.h5"))) > 2
    again = pickle.loads(pickle.dumps(found[[5, 2]]))
    same(again[0], steady[5])
    assert [s.group for s in found.split(3, 4)[1]] == [s.group for s in steady.split(3, 4)[1]]


def test_histories_of_unequal_length(tmp_path, monkeypatch):
    monkeypatch.setattr("surrogates.datasets.mesh_shard._WAITING", 1000)  # written in many pieces
    data = Meshes([mixed(k, times=np.linspace(0, 1, 3 + k)) for k in range(5)])
    data.save(tmp_path / "set.h5")
    for a, b in zip(data, Meshes.open(tmp_path / "set.h5"), strict=True):
        same(a, b)


def test_only_so_much_is_kept_in_memory(steady, tmp_path, monkeypatch):
    steady.save(tmp_path / "set.h5")
    found = Meshes.open(tmp_path / "set.h5")
    assert found[1] is found[1]
    monkeypatch.setattr(mesh_store, "_RECENT", 10)
    list(found)
    assert len(found._samples._recent) == 1


def test_damage_is_found(steady, tmp_path):
    path = steady.save(tmp_path / "set.h5")
    data = path.read_bytes()
    for at in (600, len(data) // 2, len(data) - 10):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(FileError, match="SHA-256"):
            Meshes.open(path)
    path.write_bytes(data[:-9])
    with pytest.raises(FileError, match="bytes where its header gives"):
        Meshes.open(path)
    (tmp_path / "other.h5").write_bytes(b"something")
    with pytest.raises(FileError, match="read_meshes"):
        Meshes.open(tmp_path / "other.h5")
    with pytest.raises(FileError, match="cannot be read"):
        Meshes.open(tmp_path / "none.h5")


def test_a_folder_must_be_what_its_manifest_lists(steady, tmp_path, monkeypatch):
    monkeypatch.setattr(mesh_store, "SHARD", 2500)
    folder = steady.save(tmp_path / "folder")
    with pytest.raises(FileError, match="there already"):
        steady.save(folder)
    first, second = sorted(folder.glob("part-*.h5"))[:2]
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    with pytest.raises(FileError, match="not the file its manifest lists"):
        Meshes.open(folder)
    first.unlink()
    with pytest.raises(FileError, match="missing"):
        Meshes.open(folder)
    first.write_bytes(kept)
    manifest = json.loads((folder / "manifest.json").read_text())
    for change in ({"kind": "fields"}, {"shards": [{"name": "../x.h5", "sha256": ""}]}):
        (folder / "manifest.json").write_text(json.dumps(manifest | change))
        with pytest.raises(FileError, match="not the manifest of a data set of meshes"):
            Meshes.open(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(FileError, match=r"without manifest\.json"):
        Meshes.open(folder)


def test_what_cannot_be_stored(steady, tmp_path):
    with pytest.raises(DomainError, match="keep at least one"):
        Meshes([]).save(tmp_path / "set.h5")
    with pytest.raises(FileError, match="HDF5"):
        steady.save(tmp_path / "set.vtu")
    with pytest.raises(DomainError, match="JSON"):
        Meshes(list(steady), provenance={"a": np.zeros(2)}).save(tmp_path / "set.h5")
    words = MeshSample(np.zeros((1, 2)), {}, fields={"who": np.array(["me"], dtype=object)})
    with pytest.raises(DomainError, match="who"):
        Meshes([words]).save(tmp_path / "set.h5")
    assert not list(tmp_path.iterdir())
