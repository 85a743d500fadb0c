"""A killed or starved writer loses at most what it had not flushed, and what is there can be read."""

import errno
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from surrogates.datasets import Sample, ShardWriter, Structures
from surrogates.datasets import shard as shards
from surrogates.physics.errors import FileError


def die_at(deadly: int):
    """From the `deadly`-th fsync, rename or removal on there is no process any more; nothing is flushed or closed."""
    calls = itertools.count(1)

    def counted(function):
        return lambda *a, **k: os._exit(9) if next(calls) == deadly else function(*a, **k)

    os.replace, os.fsync, Path.unlink = counted(os.replace), counted(os.fsync), counted(Path.unlink)


def write_twelve(folder: Path):
    writer = ShardWriter(folder, every=2, shard=5)
    for k in range(len(writer), 12):
        cell, pbc = np.zeros((3, 3)), np.zeros(3, dtype=bool)
        writer.append(Sample(np.array([1]), np.full((1, 3), float(k)), cell, pbc, energy=float(k)))
        (folder.parent / "promised").write_text(str(writer.stored))
    writer.close()


def run_in_child(folder: Path, deadly: int) -> int:
    child = os.fork()
    if child == 0:
        try:
            die_at(deadly)
            write_twelve(folder)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_between_any_two_steps_of_a_flush_the_store_is_readable_and_goes_on(tmp_path):
    for first in range(1, 9):
        folder = tmp_path / str(first) / "set"
        folder.parent.mkdir()
        for deadly in (first, first + 7, 10**9):  # the second run continues and is killed again
            code = run_in_child(folder, deadly)
            assert code in (9, 0)
            stored = Structures.open(folder) if (folder / "manifest.json").exists() else []
            promised = folder.parent / "promised"
            assert len(stored) >= (int(promised.read_text()) if promised.exists() else 0)
            assert [s.energy for s in stored] == [float(k) for k in range(len(stored))]
        assert code == 0
        assert len(stored) == 12
        assert sorted(p.name for p in folder.iterdir()) == [
            "manifest.json",
            "shard-00000-00006.h5",
            "shard-00001-00006.h5",
        ]


def test_a_full_disk_is_one_error_and_nothing_is_lost(samples, tmp_path, monkeypatch):
    writer = ShardWriter(tmp_path, every=5)
    for s in samples[:5]:
        writer.append(s)

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shards.os, "fsync", full)
        for s in samples[5:9]:
            writer.append(s)
        with pytest.raises(FileError, match=r"No space left.*make room"):
            writer.append(samples[9])
        assert len(Structures.open(tmp_path)) == writer.stored == 5
    writer.flush()
    assert len(Structures.open(tmp_path)) == len(writer) == 10
    assert not list(tmp_path.glob(".*"))


def test_a_writer_goes_on_where_the_last_one_ended(samples, tmp_path):
    for k in range(0, 20, 4):
        with ShardWriter(tmp_path, every=3, shard=6, provenance={"description": "d"}) as writer:
            assert len(writer) == k
            for s in samples[k : k + 4]:
                writer.append(s)
    assert Structures.open(tmp_path).hash == Structures(samples).hash


def test_time_flushes_too(samples, tmp_path):
    writer = ShardWriter(tmp_path, every=1000, seconds=0.0)
    writer.append(samples[0])
    assert writer.stored == 1
