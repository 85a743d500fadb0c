"""The cache gives back to the bit what was put in, survives kill -9, damage and several writers."""

import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from surrogates.datasets.generators import cache
from surrogates.datasets.generators.cache import Cache, default_cache, digest
from surrogates.physics.errors import FileError

WRITER = f"""
import sys, time, numpy as np
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("cache", {cache.__file__!r})  # alone: without the floor above it and torch
module = module_from_spec(spec)
spec.loader.exec_module(module)
cache = module.Cache(sys.argv[1])
for k in range(int(sys.argv[3])):
    cache.put(f"{{sys.argv[2]}} {{k}}", {{"x": np.full(300, float(k))}})
    print(k, flush=True)
    time.sleep(0.002)
"""


def _writer(path, name, count):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, str(count)], stdout=subprocess.PIPE)


def test_arrays_come_back_to_the_bit(tmp_path):
    rng = np.random.default_rng(0)
    given = {
        "a": rng.normal(size=(3, 2)),
        "b": np.arange(5),
        "c": np.array(1e-300),
        "d": np.zeros((0, 3)),
        "t": b"\x00x",
    }
    given["t"] = np.frombuffer(given["t"], np.uint8)
    Cache(tmp_path / "c.sqlite").put("k", given)
    found = Cache(tmp_path / "c.sqlite").get("k")
    assert list(found) == list(given)
    for name, array in given.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == np.asarray(array).tobytes()
    assert Cache(tmp_path / "c.sqlite").get("other") is None


def test_keys_tell_types_shapes_and_order_apart_but_not_signed_zeros():
    x = np.arange(6.0)
    keys = [digest("a", x), digest("b", x), digest("a", x.reshape(2, 3)), digest("a", x.astype(int)), digest(x, "a")]
    assert len(set(keys)) == 5
    assert digest(np.array([-0.0])) == digest(np.array([0.0]))


def test_a_flipped_byte_counts_as_absent(tmp_path):
    store = Cache(tmp_path / "c.sqlite")
    store.put("k", {"x": np.ones(3)})
    store.close()
    with sqlite3.connect(store.path) as raw:
        payload = bytearray(raw.execute("SELECT payload FROM entries").fetchone()[0])
        payload[-1] ^= 1
        raw.execute("UPDATE entries SET payload = ?", (bytes(payload),))
    assert store.get("k") is None
    store.put("k", {"x": np.ones(3)})
    assert store.get("k")["x"].sum() == 3


def test_a_file_that_is_no_database_is_moved_aside(tmp_path):
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"no database at all" * 100)
    store = Cache(path)
    store.put("k", {"x": np.ones(1)})
    assert store.get("k") is not None
    assert path.with_name("c.sqlite.damaged").exists()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="SURROGATES_CACHE"):
        Cache(tmp_path / "file" / "c.sqlite").put("k", {"x": np.ones(1)})


def test_the_folder_is_the_users_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path))
    assert default_cache().parent == tmp_path


def test_processes_write_at_once_and_a_killed_one_leaves_what_it_finished(tmp_path):
    path = tmp_path / "c.sqlite"
    patient, killed = _writer(path, "patient", 30), _writer(path, "killed", 10**6)
    for _ in range(20):
        last = int(killed.stdout.readline())
    time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert patient.wait(timeout=60) == 0
    store = Cache(path)
    assert all(store.get(f"patient {k}")["x"][0] == k for k in range(30))
    assert all(store.get(f"killed {k}")["x"][-1] == k for k in range(last + 1))
    patient.stdout.close()
    killed.stdout.close()
