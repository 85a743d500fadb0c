"""Results of a step beside the same by its reference: rows of both jobs, paired and compared, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from surrogates.workflows.desk import Desk
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode

Rows = tuple[Any, ...]


def write_rows(desk: Desk, job: str, rows: Sequence[Any], calls: dict[str, int]) -> None:
    """What a job found, a row a structure, and the labels that it asked a foreign calculator for."""
    folder = desk.job_folder(job)
    write_json(folder / "calls.json", calls)
    write_json(folder / "result.json", encode(list(rows)))


def beside_reference(
    desk: Desk, jobs: list[str], kind: type, compare: Callable[[Any, Any], Any]
) -> tuple[Rows, Rows, Rows, dict[str, int]]:
    """Rows of the job "all", of the job "reference" where there is one, their comparisons, and calls by job.

    Calls are the different structures that foreign calculators were asked about. How many of them were computed rather
    than known depends on what ran before, so that this goes into `measured.json`, beside the times.
    """
    rows = {job: [decode(kind, row) for row in read_json(desk.job_folder(job) / "result.json")] for job in jobs}
    calls = {job: found for job in jobs if (found := read_json(desk.job_folder(job) / "calls.json"))}
    write_json(desk.folder / "measured.json", {"calls": calls})
    own, reference = tuple(rows["all"]), tuple(rows.get("reference", ()))
    pairs = zip(own, reference, strict=True) if "reference" in rows else ()
    return own, reference, tuple(compare(a, b) for a, b in pairs), {job: int(c["asked"]) for job, c in calls.items()}
