"""Splits: exact proportions, disjoint, seeded, and no trajectory cut into dust."""

import itertools

import numpy as np
import pytest

from surrogates.datasets import Sample, Structures, require_disjoint
from surrogates.physics.errors import DomainError


def made(runs) -> Structures:
    """Structures of (group, atoms of hydrogen, frames), one run after the other."""
    samples = []
    for group, size, count in runs:
        for _ in range(count):
            row = len(samples)
            positions = np.random.default_rng(row).normal(size=(size, 3)) + 3.0 * np.arange(size)[:, None]
            cell, pbc = np.diag([row + 1.0, 1, 1]), np.array([True, False, False])
            samples.append(Sample(np.ones(size, int), positions, cell, pbc, group=group, row=row))
    return Structures(samples)


@pytest.mark.parametrize("method", ["block", "random", "group"])
def test_parts_are_disjoint_ordered_seeded_and_of_the_right_size(method):
    data = made([("a", 1, 60), ("b", 2, 40), ("c", 3, 100), *((f"g{k}", 1, 5) for k in range(40))])
    parts = data.split(0.7, 0.1, 0.1, 0.1, seed=3, method=method)
    rows = [[s.row for s in part] for part in parts]
    assert sorted(itertools.chain(*rows)) == list(range(400))
    assert all(r == sorted(r) for r in rows)
    tolerance = 40 if method == "group" else 0
    np.testing.assert_allclose([len(r) for r in rows], [280, 40, 40, 40], atol=tolerance)
    again = data.split(0.7, 0.1, 0.1, 0.1, seed=3, method=method)
    assert [[s.row for s in part] for part in again] == rows
    assert [[s.row for s in part] for part in data.split(0.7, 0.1, 0.1, 0.1, seed=4, method=method)] != rows


def test_one_trajectory_is_cut_into_few_contiguous_blocks():
    parts = made([("walker", 9, 480)]).split(0.7, 0.1, 0.1, 0.1, seed=0)
    rows = [np.array([s.row for s in part]) for part in parts]
    assert [len(r) for r in rows] == [336, 48, 48, 48]
    for r in rows[1:]:  # a frame whose neighbour is in another part stands at the end of a block
        blocks = np.split(r, np.flatnonzero(np.diff(r) > 1) + 1)
        assert min(map(len, blocks)) >= 10


def test_a_gap_keeps_neighbours_apart():
    parts = made([("walker", 9, 480)]).split(0.7, 0.1, 0.1, 0.1, seed=0, gap=4)
    owner = {s.row: k for k, part in enumerate(parts) for s in part}
    for row, k in owner.items():
        assert all(owner.get(row + step, k) == k for step in (1, 2, 3, 4))


def test_each_composition_is_shared_out_in_proportion_though_shuffled():
    data = made([("file", size, 50) for size in (1, 2, 3, 4)])
    shuffled = data[np.random.default_rng(5).permutation(200)]
    for part, wanted in zip(shuffled.split(0.6, 0.2, 0.2, seed=1), (30, 10, 10), strict=True):
        counts = np.bincount([len(s) for s in part], minlength=5)[1:]
        np.testing.assert_allclose(counts, wanted, atol=2)


def test_one_frame_a_composition_still_comes_out_right():
    parts = made([(f"f{k}", 1 + k % 60, 1) for k in range(60)]).split(0.5, 0.3, 0.2, seed=0)
    assert [len(p) for p in parts] == [30, 18, 12]


def test_groups_stay_whole():
    parts = made([(f"g{k}", 2, 3 + k % 4) for k in range(30)]).split(0.5, 0.5, method="group", seed=2)
    assert not {s.group for s in parts[0]} & {s.group for s in parts[1]}


def test_counts_and_leftovers():
    train, test = made([("a", 2, 400)]).split(120, 200, seed=0)
    assert (len(train), len(test)) == (120, 200)
    require_disjoint(train, test=test)
    assert len(made([("a", 2, 400)]).split(0.25)[0]) == 100


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ((0.7, 0.1, 0.1, 0.1), {}, "part 3 of the split is empty"),
        ((0.7, 0.5), {}, "sum to 1.2"),
        ((3, 2), {}, "asks for 5 structures, but there are 4"),
        ((0.5, -0.5), {}, "positive fractions"),
        ((), {}, "positive fractions"),
        ((0.5, 0.5), {"method": "blocks"}, "block, random, group"),
        ((0.5, 0.5), {"gap": 8}, "gap too wide"),
    ],
)
def test_what_cannot_be_split_is_said(sizes, options, message):
    with pytest.raises(DomainError, match=message):
        made([("a", 2, 4)]).split(*sizes, **options)
