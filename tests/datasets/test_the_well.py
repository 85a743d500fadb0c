"""The Well's layout: what we write is by its specification, what others write by it is read, damage is found."""

import json
import pickle

import h5py
import numpy as np
import pytest

from surrogates.datasets import Fields, read_fields
from surrogates.datasets.adapters import stored_fields, whole_files
from surrogates.physics.errors import DomainError, FileError

RANDOM = np.random.default_rng(0)


@pytest.fixture
def fields():
    shape = (5, 3, 8, 6)
    u, v, w = (RANDOM.normal(size=shape + (2,) * rank) for rank in range(3))
    return Fields.from_arrays(
        {"u": u, "v": v.astype("f4"), "w": w},
        times=[0.0, 0.5, 2.0],
        periodic=(True, False),
        parameters={"nu": np.arange(5.0), "k": 3.0},
        constants={"a": u[:, 0], "g": v[0, 0]},
        mask=np.arange(48).reshape(8, 6) % 5 > 0,
        units={"u": "m/s"},
        provenance={"description": "made here"},
    )


def test_saved_and_opened_it_is_the_same_to_the_bit(fields, tmp_path):
    again = Fields.open(fields.save(tmp_path / "a.h5"))
    assert again.hash == fields.hash
    assert again.row_hashes() == fields.row_hashes()
    assert (again.units, again.provenance) == (fields.units, fields.provenance)
    assert (again.ranks, again.periodic, again.masked) == (fields.ranks, fields.periodic, True)
    assert again[1].fields["v"].dtype == np.float32
    assert again.statistics["w"].mean.tolist() == fields.statistics["w"].mean.tolist()
    thin = pickle.loads(pickle.dumps(again.every(2)[1:]))
    assert Fields.open(thin.save(tmp_path / "b.h5")).hash == fields.every(2)[1:].hash


def test_the_file_is_by_the_specification(fields, tmp_path):
    with h5py.File(fields.save(tmp_path / "a.h5")) as file:
        assert file.attrs["grid_type"] == "cartesian"
        assert (file.attrs["n_spatial_dims"], file.attrs["n_trajectories"]) == (2, 5)
        assert list(file.attrs["simulation_parameters"]) == ["k"]
        assert file.attrs["k"] == 3.0
        assert list(file["dimensions"].attrs["spatial_dims"]) == ["x", "y"]
        assert not file["dimensions/time"].attrs["sample_varying"]
        assert [list(file[g].attrs["field_names"]) for g in ("t0_fields", "t1_fields", "t2_fields")] == [
            ["u", "a", "mask"],
            ["v", "g"],
            ["w"],
        ]
        assert file["t0_fields/u"].shape == (5, 3, 8, 6)
        assert file["t1_fields/g"].shape == (8, 6, 2)  # the same for all samples, so stored once
        assert file["t2_fields/w"].shape == (5, 3, 8, 6, 2, 2)
        told = {k: file["t0_fields/a"].attrs[k] for k in ("sample_varying", "time_varying")}
        assert told == {"sample_varying": True, "time_varying": False}
        assert file["t0_fields/a"].attrs["dim_varying"].tolist() == [True, True]
        kinds = {
            k: (v.attrs["bc_type"], list(v.attrs["associated_dims"])) for k, v in file["boundary_conditions"].items()
        }
        assert kinds == {"x_periodic": ("PERIODIC", ["x"]), "y_wall": ("WALL", ["y"])}
        assert file["scalars/nu"][()].tolist() == [0, 1, 2, 3, 4]
        assert file["t0_fields/u"].attrs["units"] == "m/s"


@pytest.fixture
def foreign(tmp_path):
    """A file as in The Well's documentation, with all that may be left out left out."""

    def make(name="a.hdf5", seed=0):
        random, path = np.random.default_rng(seed), tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as f:
            f.attrs.update({"dataset_name": "shear", "grid_type": "cartesian", "n_spatial_dims": 2})
            f.attrs.update({"n_trajectories": 2, "simulation_parameters": ["Re"], "Re": 1e4})
            f["dimensions/time"], f["dimensions/x"], f["dimensions/y"] = (
                np.arange(3.0),
                np.arange(4) / 4,
                np.arange(6) / 6,
            )
            f["dimensions"].attrs["spatial_dims"] = ["x", "y"]
            for k in ("x", "y"):
                f[f"boundary_conditions/{k}/mask"] = np.ones(4, bool)
                f[f"boundary_conditions/{k}"].attrs.update({"bc_type": "periodic", "associated_dims": [k]})
            layout = {
                "t0_fields/p": ((2, 3, 4, 6), True, True, [True, True]),
                "t0_fields/depth": ((4,), False, False, [True, False]),
                "t0_fields/wall": ((2, 1, 6), True, False, [False, True]),
                "t1_fields/v": ((2, 3, 4, 6, 2), True, True, [True, True]),
                "t2_fields/D": ((3, 4, 6, 4), False, True, [True, True]),
            }
            for key, (shape, sample, time, dims) in layout.items():
                f[key] = random.normal(size=shape).astype("f4")
                f[key].attrs.update({"sample_varying": sample, "time_varying": time, "dim_varying": dims})
            for group in ("t0_fields", "t1_fields", "t2_fields"):
                f[group].attrs["field_names"] = [k.split("/")[1] for k in layout if k.startswith(group)]
            f["scalars/Re"], f["scalars/force"] = np.float32(1e4), np.array([1.0, 2.0, 3.0])
            f["scalars/Re"].attrs.update({"sample_varying": False, "time_varying": False})
            f["scalars/force"].attrs.update({"sample_varying": False, "time_varying": True})
            f["scalars"].attrs["field_names"] = ["Re", "force"]
        return path

    return make


def test_a_foreign_file_with_all_that_may_be_left_out(foreign):
    path = foreign()
    data = read_fields(path)
    with h5py.File(path) as f:
        np.testing.assert_array_equal(data.stack("D")[1], f["t2_fields/D"][()].reshape(3, 4, 6, 2, 2))
        np.testing.assert_array_equal(data[0].constants["depth"], np.repeat(f["t0_fields/depth"][()][:, None], 6, 1))
        np.testing.assert_array_equal(data[1].constants["wall"], np.repeat(f["t0_fields/wall"][1], 4, 0))
        np.testing.assert_array_equal(data.stack("v"), f["t1_fields/v"][()])
    assert data.ranks == {"p": 0, "v": 1, "D": 2, "force": 0, "depth": 0, "wall": 0}
    np.testing.assert_array_equal(data[1].fields["force"], np.ones((3, 4, 6)) * np.array([1, 2, 3])[:, None, None])
    assert (data.periodic, data[0].parameters) == ((True, True), {"Re": 1e4})


def test_a_folder_is_one_data_set(foreign, tmp_path):
    for k, part in enumerate(("train", "valid", "test")):
        foreign(f"data/{part}/shear.hdf5", seed=k)
    data = read_fields(tmp_path / "data")
    assert len(data) == 6
    assert len(set(data.row_hashes())) == 6
    assert [t.row for t in data] == list(range(6))
    assert len(read_fields([tmp_path / "data/train", tmp_path / "data/test"])) == 4


def test_nothing_is_read_before_it_is_looked_at(fields, tmp_path, monkeypatch):
    path = fields.save(tmp_path / "a.h5")
    monkeypatch.setattr(stored_fields, "AT_ONCE", 100)
    asked = []
    read = stored_fields.StoredPart._read
    monkeypatch.setattr(stored_fields.StoredPart, "_read", lambda s, *a: asked.append(a) or read(s, *a))
    data = Fields.open(path)
    data.parameter("nu"), data.axes, data.ranks, data.split(2, 3)
    looked = len(asked)
    data.statistics, data[1:].every(2)
    assert len(asked) == looked  # statistics are stored
    frame = data[2].fields["w"][1:2]
    assert asked[-1] == ("w", 2, slice(1, 2))
    np.testing.assert_array_equal(frame, fields[2].fields["w"][1:2])


@pytest.mark.parametrize("size", [0, 2**26])
def test_damage_is_found(fields, tmp_path, monkeypatch, size):
    """By the header's SHA-256 when a file is small, by HDF5's own checksums when it is too large to read at once."""
    path = fields.save(tmp_path / "a.h5")
    monkeypatch.setattr(whole_files, "PROVED_AT_ONCE", size)
    whole, place = path.read_bytes(), None
    with h5py.File(path) as file:
        place = file["t0_fields/u"].id.get_chunk_info(3).byte_offset + 40
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(FileError, match="damaged"):
        Fields.open(path).stack("u")
    path.write_bytes(whole[:-100])
    with pytest.raises(FileError, match="bytes where its header gives"):
        Fields.open(path)


def test_a_write_that_fails_leaves_what_was_there(fields, tmp_path):
    path = fields.save(tmp_path / "a.h5")
    before = path.read_bytes()

    class Failing(Fields):
        def __getitem__(self, index):
            if index == 3:
                raise OSError(28, "No space left on device")
            return super().__getitem__(index)

    broken = Failing(list(fields))
    with pytest.raises(FileError, match="No space left"):
        broken.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    with pytest.raises(FileError, match=r"ends in \.h5"):
        fields.save(tmp_path / "a.npz")


def test_bad_files_end_in_one_clear_error(foreign, tmp_path):
    def changed(change):
        path = foreign("bad.hdf5")
        with h5py.File(path, "a") as file:
            change(file)
        return path

    with pytest.raises(FileError, match="spherical"):
        read_fields(changed(lambda f: f.attrs.update(grid_type="spherical")))
    with pytest.raises(FileError, match=r"p has shape \(2, 3, 4, 6\)"):
        read_fields(
            changed(lambda f: (f["dimensions"].pop("x"), f["dimensions"].create_dataset("x", data=np.arange(5))))
        )
    with pytest.raises(FileError, match="lacks"):
        read_fields(changed(lambda f: f["dimensions"].pop("time")))
    with pytest.raises(FileError, match="2 samples, n_trajectories is 3"):
        read_fields(changed(lambda f: f.attrs.update(n_trajectories=3)))
    with pytest.raises(DomainError, match=r"p of sample 1 .*frame 2"):
        read_fields(changed(lambda f: f["t0_fields/p"].__setitem__((1, 2, 0, 0), np.nan))).stack("p")
    files = [Fields.from_arrays({"p": np.ones((1, 3, 2, n))}).save(tmp_path / f"{n}.h5") for n in (2, 4)]
    with pytest.raises(DomainError, match=r"2\.h5 and .*4\.h5 differ in points"):
        read_fields(files)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"without \.h5"):
        read_fields(tmp_path / "empty")


def test_a_header_of_a_newer_format_is_named(fields, tmp_path):
    path = fields.save(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes().replace(b"surrogates fields 1 ", b"surrogates fields 9 ", 1))
    with pytest.raises(FileError, match="newer format"):
        Fields.open(path)


def test_what_is_beside_the_numbers_is_plain_json(fields, tmp_path):
    with h5py.File(fields.save(tmp_path / "a.h5")) as file:
        info = json.loads(file["surrogates/info"][()])
    assert info["provenance"] == {"description": "made here"}
    assert set(info["statistics"]) == {"u", "v", "w", "a", "g"}
