"""kill -9 of runner or worker at random moments: the next call continues and ends with the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds workers through /proc")


def start(folder: Path) -> subprocess.Popen:
    """`surrogates run lennard-jones` with one worker and a cache of its own."""
    command = [sys.executable, "-m", "surrogates", "run", "lennard-jones", "--set", "engine.workers=1"]
    environment = {**os.environ, "SURROGATES_CACHE": str(folder / "cache")}
    log = open(folder / "log.txt", "a", encoding="utf-8")  # noqa: SIM115 - the process keeps it
    return subprocess.Popen([*command, "--runs", str(folder / "runs")], env=environment, stdout=log, stderr=log)


def workers_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] + [
            int(p)
            for task in Path(f"/proc/{pid}/task").iterdir()
            if task.name != str(pid)
            for p in (task / "children").read_text().split()
        ]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def results(folder: Path) -> dict[str, bytes]:
    run = folder / "runs" / "lennard-jones"
    return {p.relative_to(run).as_posix(): p.read_bytes() for p in sorted(run.glob("*/result.json"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[dict[str, bytes], float]:
    folder, begin = tmp_path_factory.mktemp("undisturbed"), time.monotonic()
    assert start(folder).wait(timeout=300) == 0, (folder / "log.txt").read_text()
    return results(folder), time.monotonic() - begin


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_change_nothing(kills, undisturbed, tmp_path):
    wanted, seconds = undisturbed
    rng, killed, rounds = random.Random(kills), 0, 0
    assert len(wanted) == 6
    while killed < kills:  # a run that ends before its kills is followed by another
        folder = tmp_path / f"{rounds}"
        folder.mkdir()
        killed += disturbed(folder, kills - killed, seconds, rng)
        assert results(folder) == wanted
        rounds += 1


def disturbed(folder: Path, kills: int, seconds: float, rng: random.Random) -> int:
    """Run to the end under at most `kills` kills at random moments; returns how many there were."""
    killed, process = 0, start(folder)
    while killed < kills:
        time.sleep(rng.uniform(0.05, 0.8) * seconds)
        workers = workers_of(process.pid)
        if process.poll() is not None:
            break
        if workers and rng.random() < 0.5:
            os.kill(rng.choice(workers), signal.SIGKILL)
        else:
            process.kill()
            process.wait()
            no_orphans(workers)
            every_file_opens(folder)
            process = start(folder)
        killed += 1
    assert process.wait(timeout=300) == 0, (folder / "log.txt").read_text()
    return killed


def no_orphans(workers: list[int]) -> None:
    deadline = time.monotonic() + 5
    while any(map(alive, workers)):
        assert time.monotonic() < deadline, f"workers {workers} outlived their runner"
        time.sleep(0.02)


def every_file_opens(folder: Path) -> None:
    import h5py

    for path in folder.rglob("*.h5"):
        with h5py.File(path) as file:
            assert len(file) > 0
