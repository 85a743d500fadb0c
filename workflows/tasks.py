"""What a worker does: one job of a unit, its finish, the check of held-out rows, the report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from surrogates.workflows.catalogue import step_class
from surrogates.workflows.cpu import cpu_seconds
from surrogates.workflows.desk import Desk, Progress
from surrogates.workflows.files import read_json, sha256, write_json
from surrogates.workflows.results import encode, name_of
from surrogates.workflows.typed import Reader
from surrogates.workflows.units import desk_of
from surrogates.workflows.yaml_file import Document


def perform(task: dict[str, Any], progress: Progress) -> None:
    """Do the task; raises what went wrong."""
    folder = Path(task["unit"])
    if task["job"] == "report":
        from surrogates.workflows import report

        report.write(folder)
    elif task["job"] == "held out":
        from surrogates.workflows.held_out import check_separate

        check_separate(task["train"], task["others"])
    else:
        _perform_unit(folder, task["job"], progress)


def build(unit: dict[str, Any], desk: Desk) -> Any:
    """The step of a unit, with paths in place of links; its form was checked when the file was read."""
    cls = step_class(unit["use"])
    reader = Reader(
        Document(unit["use"], desk.folder, None),
        link=lambda place, text, kind: text,
        part=lambda place, value, rooms: value,
        foreign=lambda place, value: value,
    )
    return reader.dataclass(cls, desk.given(unit["arguments"]), ())


def _perform_unit(folder: Path, job: str, progress: Progress) -> None:
    unit = read_json(folder / "unit.json")
    desk = desk_of(folder, unit, progress)
    step = build(unit, desk)
    if job == "finish":
        _finish(step, unit, desk)
        return
    started, cpu = time.monotonic(), cpu_seconds()
    step.work(job, desk)
    times = {"wall": time.monotonic() - started, "cpu": cpu_seconds() - cpu, "memory": _peak_memory()}
    write_json(desk.job_folder(job) / "timings.json", times)
    write_json(desk.job_folder(job) / "done.json", {"digest": unit["digest"]})


def _finish(step: Any, unit: dict[str, Any], desk: Desk) -> None:
    """result.json holds what inputs and seed decide, timings.json what the clock does, done.json closes the unit."""
    started = cpu_seconds()
    result = step.finish(desk)
    write_json(desk.folder / "result.json", encode(result))
    jobs = {job: read_json(desk.job_folder(job) / "timings.json") for job in step.jobs()}
    own = read_json(desk.folder / "measured.json") or {}
    times = {**own, "jobs": jobs, "finish": {"cpu": cpu_seconds() - started, "memory": _peak_memory()}}
    write_json(desk.folder / "timings.json", times)
    outputs = {name: _output(desk.folder / o.file, o.kind) for name, o in step.outputs().items() if o.file}
    done = {"digest": unit["digest"], "result": sha256(desk.folder / "result.json"), "class": name_of(type(result))}
    write_json(desk.folder / "done.json", {**done, "outputs": outputs})


def _output(path: Path, kind: str) -> dict[str, Any]:
    """Digest of an output, by content for structures, fields and meshes; and how many they are."""
    if kind not in ("structures", "fields", "meshes"):
        return {"digest": sha256(path)}
    from surrogates.datasets import Fields, Meshes, Structures

    kinds: dict[str, Any] = {"structures": Structures, "fields": Fields, "meshes": Meshes}
    data = kinds[kind].open(path)
    return {"digest": data.hash, "count": len(data)}


def _peak_memory() -> float | None:
    """Peak resident memory of this process, MiB."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
