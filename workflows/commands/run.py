"""`surrogates run` and `surrogates report`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from surrogates.physics.errors import FileError
from surrogates.workflows.overrides import parse_settings
from surrogates.workflows.prepare import prepared


def run_file(file: str, *, quick: bool, dry_run: bool, settings: list[str], runs: Path, trust: tuple[str, ...]) -> None:
    """Check, then run or print the plan."""
    workflow = prepared(file, settings=parse_settings(settings), quick=quick, trust=trust)
    if dry_run:
        from surrogates.workflows.plan_text import plan_text

        print(plan_text(workflow, runs))
        return
    from surrogates.workflows.runner import run_workflow

    with continuing():
        done = run_workflow(workflow, runs)
    print(f"done: {done.directory}")


@contextmanager
def continuing() -> Iterator[None]:
    """Ctrl-C ends with the command that takes the run up again."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"stopped; what is finished is kept. Continue with: {_again()}", file=sys.stderr)
        sys.exit(130)


def write_report(run_directory: Path) -> None:
    """Write the report of a run anew."""
    if not (run_directory / "workflow.yaml").is_file():
        raise FileError(f"{run_directory} is no run directory: it has no workflow.yaml; give one such as runs/ethanol")
    from surrogates.workflows.report import write

    print(write(run_directory))


def _again() -> str:
    return shlex.join(["surrogates", *sys.argv[1:]])
