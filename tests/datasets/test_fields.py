"""Data sets of fields in memory: what they hold, their statistics, splits, thinner sets and identity."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from surrogates.datasets import Fields, overlap, require_disjoint
from surrogates.datasets.field_parts.moments import moments_of
from surrogates.datasets.stored_array import StoredArray
from surrogates.physics.errors import DomainError


def arrays(n=12, frames=3, space=(8, 6), seed=0):
    random = np.random.default_rng(seed)
    u, v = random.normal(size=(n, frames, *space)), random.normal(2, 3, size=(n, frames, *space, len(space)))
    return {"u": u, "v": v.astype("f4")}


@pytest.fixture
def fields():
    given = arrays()
    return Fields.from_arrays(
        given,
        times=[0.0, 0.5, 2.0],
        periodic=(True, False),
        parameters={"nu": np.arange(12) / 10, "k": 3},
        constants={"a": given["u"][:, 0], "g": given["v"][0, 0]},
        mask=np.arange(48).reshape(8, 6) % 5 > 0,
        units={"u": "m/s"},
    )


def test_a_trajectory_has_what_was_given(fields):
    t = fields[3]
    np.testing.assert_array_equal(t.fields["v"], arrays()["v"][3])
    assert t.fields["u"].dtype == np.float64
    assert t.fields["v"].dtype == np.float32
    assert (t.rank("u"), t.rank("v"), t.rank("g")) == (0, 1, 1)
    assert t.parameters == {"nu": 0.3, "k": 3.0}
    assert t.row == 3
    assert fields[4:][2].row == 6
    np.testing.assert_array_equal(fields[5].constants["g"], fields[0].constants["g"])
    np.testing.assert_array_equal(fields.stack("a"), arrays()["u"][:, 0])
    np.testing.assert_array_equal(fields.parameter("nu"), np.arange(12) / 10)
    assert len(list(fields)) == len(fields) == 12


def test_the_arrays_of_the_caller_stay_writeable(fields):
    mine = arrays()
    data = Fields.from_arrays(mine, times=[0, 1, 2])
    mine["u"][0, 0, 0, 0] = 7
    with pytest.raises(ValueError, match="read-only"):
        data[0].fields["u"][0] = 1


def test_trajectories_one_by_one_make_the_same_set(fields):
    again = Fields(list(fields), units=fields.units)
    assert again.hash == fields.hash
    assert again.row_hashes() == fields.row_hashes()


def test_statistics_are_those_of_all_values_inside_the_mask(fields):
    values = np.stack([t.fields["v"][:, t.mask] for t in fields]).astype(float)
    found = fields.statistics["v"]
    np.testing.assert_allclose(found.mean, values.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.std, values.std((0, 1, 2)), rtol=1e-12)
    part = fields[2:5]
    np.testing.assert_allclose(part.statistics["v"].mean, values[2:5].mean((0, 1, 2)), rtol=1e-12)


def test_joined_moments_keep_their_digits_far_from_zero():
    far = {"u": 1e8 + np.random.default_rng(0).normal(size=(64, 2, 32))}
    found = moments_of(Fields.from_arrays(far))["u"]
    np.testing.assert_allclose(found.std, far["u"].std(), rtol=1e-9)


def test_a_split_never_cuts_a_trajectory_and_is_seeded(fields):
    parts = fields.split(0.5, 0.25, 0.25, seed=3)
    assert [len(p) for p in parts] == [6, 3, 3]
    assert sorted(t.row for p in parts for t in p) == list(range(12))
    for k, part in enumerate(parts):
        assert not any(overlap(part, other) for other in parts[k + 1 :])
    assert [p.row_hashes() for p in fields.split(0.5, 0.25, 0.25, seed=3)] == [p.row_hashes() for p in parts]
    assert fields.split(6, 3, 3, seed=4)[0].row_hashes() != parts[0].row_hashes()
    with pytest.raises(DomainError, match="13 trajectories, but there are 12"):
        fields.split(13)


def test_equal_starts_and_groups_stay_together(fields):
    twins = Fields([replace(t, parameters={"nu": 9.0, "k": 0.0}) for t in fields])
    both = fields + twins
    for part in both.split(0.5, 0.5, seed=1):
        rows = {t.row % 12 for t in part}
        assert len(part) == 2 * len(rows)
    grouped = Fields([replace(t, group=f"family {t.row // 4}") for t in fields])
    for part in grouped.split(4, 4, 4, seed=0):
        assert len({t.group for t in part}) == 1


def test_thinner_sets_are_every_nth_point_and_the_same_problems(fields):
    data = Fields.from_arrays({"u": arrays()["u"]}, times=[0, 1, 2], parameters={"nu": 1.0})
    thin = data.every(2)
    np.testing.assert_array_equal(thin.stack("u"), arrays()["u"][:, :, ::2, ::2])
    np.testing.assert_allclose(thin.axes[0], data.axes[0][::2])
    assert thin.row_hashes() == data.row_hashes()
    assert thin.hash != data.hash
    np.testing.assert_array_equal(data.every(frames=2).times, [0, 2])
    with pytest.raises(DomainError, match=r"overlap|among the training"):
        require_disjoint(data.every(2), test=data[3:4])
    with pytest.raises(DomainError, match="8 points and is periodic"):
        data.every(3)


def test_a_copy_in_single_precision_is_the_same_problem(fields):
    single = Fields.from_arrays({k: v.astype("f4") for k, v in arrays().items()}, times=[0, 1, 2])
    double = Fields.from_arrays(arrays(), times=[0, 1, 2])
    assert overlap(single, double) == [(k, k) for k in range(12)]
    other = Fields.from_arrays(arrays(), times=[0, 1, 2], parameters={"nu": 2.0})
    assert overlap(other, double) == []
    assert len((double + double).distinct()) == 12


def test_it_travels_to_other_processes(fields):
    thin = pickle.loads(pickle.dumps(fields.every(2)[3:]))
    assert thin.hash == fields.every(2)[3:].hash
    assert thin.units == {"u": "m/s"}


def test_a_stored_array_acts_as_the_array_and_reads_no_more_than_asked():
    array, asked = np.random.default_rng(0).normal(size=(7, 4, 3)), []

    def read(frames):
        asked.append(frames)
        return array[frames]

    stored = StoredArray(array.shape, array.dtype, read)
    for index in (2, -1, slice(1, 4), slice(None, None, -2), (slice(5, None), 1), (3, slice(None), 0)):
        np.testing.assert_array_equal(stored[index], array[index])
    np.testing.assert_array_equal(stored * 2 - stored, array)
    assert (stored.ndim, len(stored), stored.mean()) == (3, 7, array.mean())
    assert asked[:3] == [slice(2, 3), slice(6, 7), slice(1, 4)]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"times": [0, 1]}, "2 times for 3 frames"),
        ({"times": [0, 2, 1]}, "do not rise"),
        ({"periodic": (True,)}, "2 axes"),
        ({"axes": [np.arange(8) ** 2, np.arange(6)]}, "uniform"),
        ({"parameters": {"nu": np.ones(5)}}, r"nu has shape \(5,\)"),
        ({"parameters": {"nu": np.full(12, np.nan)}}, "parameter nu of sample 0"),
        ({"parameters": {"u": 1.0}}, "name of two things"),
        ({"constants": {"a": np.ones((12, 8))}}, r"a has shape \(12, 8\)"),
        ({"mask": np.zeros((8, 6))}, "without any point inside"),
        ({"mask": np.ones((6, 8))}, r"mask of shape \(6, 8\)"),
        ({"fields": {"u": arrays()["u"] + 0j}}, "complex128"),
        ({"fields": arrays() | {"w": arrays()["u"][:, :2]}}, r"w has shape \(12, 2, 8, 6\)"),
        ({"fields": {"u": arrays()["u"], "v": arrays()["u"][..., None]}}, "several fields"),
    ],
)
def test_bad_arrays_end_in_one_clear_error(change, text):
    with pytest.raises(DomainError, match=text):
        Fields.from_arrays(**({"fields": arrays()} | change))


def test_a_value_that_is_not_finite_is_named_with_sample_and_time():
    given = arrays()
    given["v"][4, 1, 2, 3, 0] = np.inf
    with pytest.raises(DomainError, match=r"v of sample 4 .* time 0\.5 \(frame 1\)"):
        Fields.from_arrays(given, times=[0.0, 0.5, 1.0])


def test_no_rows_are_a_set_too(fields):
    none = fields[[]]
    assert (len(none), none.statistics, none.stack("v").shape[-1], list(none)) == (0, {}, 2, [])


def test_sets_and_trajectories_of_two_kinds_are_not_mixed(fields):
    other = Fields.from_arrays({"u": arrays()["u"]}, times=[0, 1, 2])
    with pytest.raises(DomainError, match="differ in fields"):
        fields + other
    with pytest.raises(DomainError, match="trajectories 0 and 1 differ in points of the grid"):
        Fields([other[0], other.every(2)[0]])
    with pytest.raises(DomainError, match=r"no field 'w'.*u"):
        other.stack("w")
    with pytest.raises(DomainError, match=r"no parameter 'nu'.*none"):
        other.parameter("nu")
