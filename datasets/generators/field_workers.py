"""Processes that make blocks of fields: started as `python -m surrogates.datasets.generators.field_workers`.

The parent writes the job and the folder as JSON on the first line of standard input, then one line a block; the worker
answers with lines of JSON: {"block": 3} or {"error": [kind, text]}. Standard input stays open as long as the parent
lives; when it ends, so does the worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

from surrogates.datasets.generators.field_jobs import FieldJob, load_maker, make_block
from surrogates.datasets.generators.parallel import _error
from surrogates.physics.errors import SurrogatesError

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_COMMAND = [sys.executable, "-m", "surrogates.datasets.generators.field_workers"]


def run_blocks(job: FieldJob, blocks: list[int], folder: Path, workers: int, done: Callable[[int], None]) -> None:
    """Make `blocks` in `folder` by at most `workers` processes; the first error ends the others and is raised."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for block in blocks:
        waiting.put(block)
    running: list[subprocess.Popen[str]] = []
    lock = threading.Lock()

    def one() -> None:
        child = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **_ONE_THREAD}
        )
        running.append(child)
        _supervise(child, job, folder, waiting, lambda b: _locked(lock, done, b))

    count = min(workers, len(blocks))
    pool = ThreadPoolExecutor(count)
    try:
        for finished in as_completed([pool.submit(one) for _ in range(count)]):
            finished.result()
    except BaseException:
        for child in running:
            child.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def main(given: IO[str], answers: IO[str]) -> int:
    """Make the blocks named on `given`; 0 when told to end, 2 after an error for the user."""
    first = json.loads(given.readline())
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(given, lines), daemon=True).start()
    job, folder = FieldJob(**first["job"]), Path(first["folder"])
    try:
        maker = load_maker(job.maker)
        while (line := lines.get().strip()) != "end":
            make_block(job, int(line), folder, maker)
            _say(answers, {"block": int(line)})
    except SurrogatesError as error:
        _say(answers, {"error": [type(error).__name__, str(error)]})
        return 2
    return 0


def _supervise(
    child: subprocess.Popen[str],
    job: FieldJob,
    folder: Path,
    waiting: queue.SimpleQueue[int],
    done: Callable[[int], None],
) -> None:
    """Give blocks to a worker one at a time until none is left."""
    given, answers = cast(IO[str], child.stdin), cast(IO[str], child.stdout)
    try:
        given.write(json.dumps({"job": asdict(job), "folder": str(folder)}) + "\n")
        while True:
            try:
                block = waiting.get_nowait()
            except queue.Empty:
                given.write("end\n")
                given.flush()
                return
            given.write(f"{block}\n")
            given.flush()
            answer = json.loads(answers.readline() or "{}")
            if "error" in answer:
                raise _error(*answer["error"])
            if "block" not in answer:
                raise BrokenPipeError
            done(answer["block"])
    except BrokenPipeError:
        child.wait()
        raise SurrogatesError(
            f"a worker was ended (exit code {child.returncode}), such as for lack of memory; with a directory=, run "
            "again and it continues after the blocks that are done"
        ) from None
    finally:
        if child.poll() is None and sys.exc_info()[0] is not None:
            child.kill()
        child.wait()
        for pipe in (given, answers):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _locked(lock: threading.Lock, done: Callable[[int], None], block: int) -> None:
    with lock:
        done(block)


def _say(answers: IO[str], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _listen(parent: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Hand on what the parent says; leave at once when it has gone."""
    for line in parent:
        lines.put(line)
    os._exit(1)


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr  # what foreign code prints must not mix with the answers
    code = main(sys.stdin, answers)
    answers.flush()
    os._exit(code)  # the listening thread still reads
