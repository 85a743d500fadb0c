"""One job in its own process: `python -m surrogates.datasets.generators.worker`, the job as JSON on standard input.

Answers are lines of JSON on standard output: {"progress": [n, total]}, then {"result": ...} or {"error": [kind, text]}.
Standard input stays open as long as the parent lives; when it ends, so does the worker.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict
from typing import IO, Any

from surrogates.datasets.generators.jobs import run_job
from surrogates.physics.errors import SurrogatesError


def main(given: IO[str], answers: IO[str]) -> int:
    """Run the job on the first line of `given`; 0 when it succeeded, 2 when it ended in an error for the user."""
    job = json.loads(given.readline())
    threading.Thread(target=_end_with, args=(given,), daemon=True).start()
    try:
        result = run_job(job, lambda n, total: _say(answers, {"progress": [n, total]}))
    except SurrogatesError as error:
        _say(answers, {"error": [type(error).__name__, str(error)]})
        return 2
    _say(answers, {"result": asdict(result)})
    return 0


def _say(answers: IO[str], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _end_with(parent: IO[str]) -> None:
    """Leave at once when the parent has gone; what is done lies in the cache."""
    parent.read()
    os._exit(1)


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr  # what foreign code prints must not mix with the answers
    code = main(sys.stdin, answers)
    answers.flush()
    os._exit(code)  # the watching thread still reads
