"""PDEBench's layouts: small files written as its programs write them, read as one kind of data set."""

import h5py
import numpy as np
import pytest

from surrogates.datasets import read_fields
from surrogates.physics.errors import DomainError, FileError

RANDOM = np.random.default_rng(0)


def edges(n):
    return (np.arange(n) + 0.5) / n


@pytest.fixture
def write(tmp_path):
    def _write(name, datasets, attributes=()):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            for key, value in datasets.items():
                file.create_dataset(key, data=value)
            file.attrs.update(dict(attributes))
        return path

    return _write


def burgers(**changes):
    u = RANDOM.normal(size=(4, 5, 16)).astype("f4")
    return {"tensor": u, "x-coordinate": edges(16).astype("f4"), "t-coordinate": np.arange(6) * 0.1} | changes


def test_one_tensor_in_one_dimension(write):
    given = burgers()
    data = read_fields(write("1D_Burgers_Sols_Nu0.1.hdf5", given, {"Nu": 0.1}))
    assert (data.names, data.periodic, data.parameter_names) == (("u",), (True,), ("Nu",))
    np.testing.assert_array_equal(data.stack("u"), given["tensor"])
    assert data.stack("u").dtype == np.float32
    np.testing.assert_allclose(data.times, np.arange(5) * 0.1)  # the end of the last step is no frame
    assert data[2].parameters == {"Nu": 0.1}


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_compressible_flow_keeps_its_velocity_a_vector(write, dim):
    shape = (3, 2, *(4, 5, 6)[:dim])
    fields = {k: RANDOM.normal(size=shape) for k in ("density", "pressure", "Vx", "Vy", "Vz")[: 2 + dim]}
    axes = {f"{a}-coordinate": edges(n) for a, n in zip("xyz", shape[2:], strict=False)}
    times = {"t-coordinate": [0.0, 0.5, 1.0]}
    data = read_fields(write(f"{dim}D_CFD_periodic.hdf5", fields | axes | times, {"eta": 0.1, "zeta": 0.2}))
    assert data.ranks == {"density": 0, "pressure": 0, "velocity": 1}
    for k, name in enumerate(("Vx", "Vy", "Vz")[:dim]):
        np.testing.assert_array_equal(data.stack("velocity")[..., k], fields[name])
    assert data.periodic == (True,) * dim
    assert read_fields(write(f"{dim}D_CFD_trans.hdf5", fields | axes | times)).periodic == (False,) * dim


def test_darcy(write):
    a, u = RANDOM.uniform(0.1, 1, (3, 8, 8)), RANDOM.normal(size=(3, 1, 8, 8))
    given = {"nu": a, "tensor": u, "x-coordinate": edges(8), "y-coordinate": edges(8)}
    data = read_fields(write("2D_DarcyFlow_beta1.0_Train.hdf5", given, {"beta": 1.0}))
    assert (data.names, data.constants, data.parameter_names) == (("u",), ("nu",), ("beta",))
    np.testing.assert_array_equal(data.stack("nu"), a)
    assert data.periodic == (False, False)


@pytest.mark.parametrize(("name", "channels", "fields"), [("2D_diff-react", 2, ("u", "v")), ("2D_rdb_NA", 1, ("h",))])
def test_a_group_for_each_sample(write, name, channels, fields):
    values = {f"{k:04d}/data": RANDOM.normal(size=(5, 6, 7, channels)).astype("f4") for k in range(3)}
    grid = {
        f"{k:04d}/grid/{a}": v for k in range(3) for a, v in zip("xyt", (edges(6), edges(7), range(5)), strict=True)
    }
    data = read_fields(write(f"{name}.h5", values | grid))
    assert data.names == fields
    assert data.periodic == (False, False)
    for c, field in enumerate(fields):
        np.testing.assert_array_equal(data[1].fields[field], values["0001/data"][..., c])


def test_incompressible_flow(write):
    velocity, force = RANDOM.normal(size=(2, 3, 6, 5, 2)), RANDOM.normal(size=(2, 6, 5, 2))
    particles = RANDOM.normal(size=(2, 3, 6, 5, 1))
    given = {"velocity": velocity, "particles": particles, "force": force, "t": [[0, 0.1, 0.2]] * 2}
    data = read_fields(write("ns_incom_inhom_2d_512-0.h5", given))
    assert data.ranks == {"velocity": 1, "particles": 0, "force": 1}
    np.testing.assert_array_equal(data.stack("force"), force)
    np.testing.assert_array_equal(data.stack("particles"), particles[..., 0])
    np.testing.assert_allclose(data.times, [0, 0.1, 0.2])


def test_stored_again_it_is_the_same_data(write, tmp_path):
    data = read_fields(write("1D_Advection_beta0.1.hdf5", burgers(), {"beta": 0.1}))
    again = read_fields(data[1:].save(tmp_path / "mine.h5"))
    np.testing.assert_array_equal(again.stack("u"), data.stack("u")[1:])
    assert again.parameter("beta").tolist() == [0.1] * 3


def test_the_reader_may_be_told_what_is_periodic(write):
    path = write("something.hdf5", burgers())
    assert read_fields(path).periodic == (True,)
    assert read_fields(path, periodic=False).periodic == (False,)
    with pytest.raises(DomainError, match="for 1 axes"):
        read_fields(path, periodic=(True, False))


def test_bad_files_end_in_one_clear_error(write, tmp_path):
    path = write("burgers.hdf5", burgers())
    with pytest.raises(FileError, match=r"\.h5 and \.hdf5"):
        read_fields(path.rename(tmp_path / "burgers.hdf"))
    lacking = {k: v for k, v in burgers().items() if k != "x-coordinate"}
    with pytest.raises(FileError, match=r"lacks x-coordinate.*\(4, 5, 16\)"):
        read_fields(write("a.hdf5", lacking))
    with pytest.raises(FileError, match="5 frames, t-coordinate 4 times"):
        read_fields(write("b.hdf5", burgers(**{"t-coordinate": np.arange(4)})))
    with pytest.raises(FileError, match=r"neither The Well's.*holds density \(3,\), stuff"):
        read_fields(write("c.hdf5", {"density": np.ones(3), "stuff/inner": 1}))
    with pytest.raises(DomainError, match="uniform"):
        read_fields(write("d.hdf5", burgers(**{"x-coordinate": edges(16) ** 2})))
    torn = tmp_path / "torn.h5"
    torn.write_bytes(write("e.hdf5", burgers()).read_bytes()[:900])
    with pytest.raises(FileError, match="HDF5"):
        read_fields(torn)
    with pytest.raises(FileError, match="no such file"):
        read_fields(tmp_path / "none.h5")


def test_a_value_that_is_not_finite_is_named_when_it_is_looked_at(write):
    given = burgers()
    given["tensor"][2, 3, 7] = np.nan
    data = read_fields(write("nan.hdf5", given))
    assert np.isfinite(data[1].fields["u"]).all()
    with pytest.raises(DomainError, match=r"u of sample 2 of .*nan\.hdf5.* time 0\.3 \(frame 3\)"):
        data[2]


def test_links_that_lead_out_of_the_folder_are_refused(write, tmp_path):
    secret = write("secret.h5", {"tensor": np.ones((1, 2, 4))})
    (tmp_path / "inner").mkdir()
    secret = secret.rename(tmp_path / "secret.h5")
    path = tmp_path / "inner" / "link.h5"
    with h5py.File(path, "w") as file:
        file["tensor"] = h5py.ExternalLink(str(secret), "/tensor")
        file["x-coordinate"], file["t-coordinate"] = edges(4), [0.0, 1.0]
    with pytest.raises(FileError, match="outside the file's folder"):
        read_fields(path)
