"""Several jobs at a time, each in a process of its own with one compute thread.

Workers are started as `python -m`, so that a script needs no `__main__` guard; they end when this process does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from typing import IO, cast

from surrogates.datasets.generators.jobs import Generated, Job, Progress
from surrogates.physics import errors
from surrogates.physics.errors import SurrogatesError

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def run_jobs(jobs: Sequence[Job], workers: int, progress: Progress | None = None) -> list[Generated]:
    """The results in the order of `jobs`, at most `workers` of them running; `progress` counts all samples.

    The first error ends the other workers and is raised; what they had done lies in the cache.
    """
    counts = [0] * len(jobs)
    total = sum(job.samples for job in jobs)
    running: dict[int, subprocess.Popen[str]] = {}

    def one(k: int) -> Generated:
        def count(n: int) -> None:
            counts[k] = n
            if progress is not None:
                progress(sum(counts), total)

        return _supervised(jobs[k], running, k, count)

    pool = ThreadPoolExecutor(workers)
    futures = {pool.submit(one, k): k for k in range(len(jobs))}
    try:
        results = {futures[done]: done.result() for done in as_completed(futures)}
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in list(running.values()):
            child.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [results[k] for k in range(len(jobs))]


def _supervised(job: Job, running: dict[int, subprocess.Popen[str]], k: int, count: Callable[[int], None]) -> Generated:
    """Start a worker for `job` and listen to it until it ends."""
    command = [sys.executable, "-m", "surrogates.datasets.generators.worker"]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**_ONE_THREAD, **os.environ}
    )
    running[k] = child
    given, answers = cast(IO[str], child.stdin), cast(IO[str], child.stdout)
    try:
        given.write(json.dumps(asdict(job)) + "\n")
        given.flush()
        for line in answers:
            answer = json.loads(line)
            if "progress" in answer:
                count(answer["progress"][0])
            elif "result" in answer:
                return Generated(**answer["result"])
            else:
                raise _error(*answer["error"])
    finally:
        given.close()
        answers.close()
        child.wait()
        running.pop(k, None)
    raise SurrogatesError(
        f"the worker of walker {job.name!r} was ended (exit code {child.returncode}), such as for lack of memory; "
        "run again, it continues from its last sample"
    )


def _error(kind: str, text: str) -> SurrogatesError:
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, SurrogatesError) and known is not errors.MissingExtra:
        return known(text)
    return SurrogatesError(text)
