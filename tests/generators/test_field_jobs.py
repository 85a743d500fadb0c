"""Blocks of fields: the same to the bit whoever makes them, kept on disk, continued after a kill."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from surrogates.datasets import Fields, read_fields
from surrogates.datasets.generators import burgers, field_jobs, generate_fields
from surrogates.datasets.generators.field_jobs import FieldJob, block_size, load_maker, make_fields
from surrogates.physics.errors import DomainError, FileError
from surrogates.physics.fields import Equation, Grid

SMALL = {"samples": 150, "points": 16, "nu": (0.05, 0.2), "seed": 5}


@pytest.fixture(scope="module")
def alone():
    return burgers(**SMALL)


def test_processes_make_the_same_data(alone):
    told = []
    shared = burgers(**SMALL, workers=2, progress=lambda n, total: told.append((n, total)))
    assert shared.hash == alone.hash
    assert told[-1] == (150, 150)
    assert [n for n, _ in told] == sorted(n for n, _ in told)


def test_threads_make_the_same_data_of_an_equation_without_a_path():
    own = Equation("own", dim=1, fields=("u",), parameters=("nu",), linear=lambda k, p: p["nu"] * k.laplacian)
    one, two = (
        generate_fields(own, 150, grid=Grid(16), times=[0, 1], parameters={"nu": 0.1}, workers=w) for w in (1, 2)
    )
    assert one.hash == two.hash


def test_a_directory_holds_the_data_and_what_is_missing_is_made_again(alone, tmp_path):
    made = burgers(**SMALL, directory=tmp_path)
    assert made.hash == alone.hash
    assert read_fields(tmp_path).hash == Fields.open(tmp_path).hash == alone.hash
    blocks = sorted(tmp_path.glob("block-*.h5"))
    assert len(blocks) == 3
    kept = blocks[0].stat().st_mtime_ns
    blocks[1].unlink()
    blocks[2].write_bytes(blocks[2].read_bytes()[:-50])
    told = []
    assert burgers(**SMALL, directory=tmp_path, progress=lambda n, _: told.append(n)).hash == alone.hash
    assert told == [128, 150]
    assert blocks[0].stat().st_mtime_ns == kept
    longer = burgers(**(SMALL | {"samples": 192}), directory=tmp_path)
    assert longer[:128].hash == alone[:128].hash
    with pytest.raises(FileError, match="other settings"):
        burgers(**(SMALL | {"seed": 6}), directory=tmp_path)


def test_a_listed_block_that_is_missing_or_exchanged_is_an_error(tmp_path):
    burgers(**SMALL, directory=tmp_path)
    (tmp_path / "block-00000.h5").rename(tmp_path / "kept")
    with pytest.raises(FileError, match=r"missing, though .*manifest\.json lists it"):
        Fields.open(tmp_path)
    (tmp_path / "block-00000.h5").write_bytes((tmp_path / "block-00001.h5").read_bytes())
    with pytest.raises(FileError, match="not the file its manifest lists"):
        Fields.open(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(FileError, match="damaged"):
        Fields.open(tmp_path)


@pytest.mark.slow
def test_a_killed_run_continues_and_leaves_no_worker(tmp_path):
    script = tmp_path / "script.py"  # has no __main__ guard
    script.write_text(
        "import sys\nfrom surrogates.datasets.generators import navier_stokes\n"
        "data = navier_stokes(96, 32, times=[0, 0.5], directory=sys.argv[1], workers=2)\nprint(data.hash)\n"
    )
    folder, command = tmp_path / "data", [sys.executable, str(script), str(tmp_path / "data")]
    first = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 300
    while not list(folder.glob("block-*.h5")) and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    time.sleep(1)
    done = {p: p.stat().st_mtime_ns for p in folder.glob("block-*.h5")}
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    fresh = subprocess.run([*command[:2], str(tmp_path / "fresh")], capture_output=True, text=True, check=True)
    assert second.stdout == fresh.stdout
    assert {p: p.stat().st_mtime_ns for p in done} == done


@pytest.mark.slow
def test_an_error_in_a_worker_is_the_users_error(alone):
    backward = alone.provenance["settings"] | {"times": [1.0, 0.0]}
    maker = "surrogates.datasets.generators.generate_fields:samples_of"
    with pytest.raises(DomainError, match=r"times|increas"):
        make_fields(FieldJob(maker, backward, 200, 64), workers=2)


def test_makers_lie_in_the_generators_room():
    with pytest.raises(DomainError, match="is no maker of fields"):
        load_maker("os:system")


def test_strange_files_are_not_written_over(tmp_path):
    (tmp_path / "block-00000.h5").write_bytes(b"mine")
    with pytest.raises(FileError, match="which no generator has listed"):
        burgers(**SMALL, directory=tmp_path)
    assert (tmp_path / "block-00000.h5").read_bytes() == b"mine"


def test_blocks_divide_the_groups_that_are_drawn_together():
    sizes = [block_size(n) for n in (1, 1024, 4096, 2**20)]
    assert sizes == [64, 64, 16, 8]


def test_making_data_leaves_the_number_of_threads_alone():
    before = torch.get_num_threads()
    with field_jobs.one_thread():
        assert torch.get_num_threads() == 1
    burgers(2, 16)
    assert torch.get_num_threads() == before


def test_settings_are_told_in_the_provenance(alone):
    told = alone.provenance["settings"]
    assert told["parameters"]["nu"] == {"low": 0.05, "high": 0.2, "log": False}
    assert told["seed"] == 5
    assert told["tolerance"] > 0
    assert np.isfinite(alone.statistics["u"].std)
