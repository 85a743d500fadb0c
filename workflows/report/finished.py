"""What a run left behind: finished steps with their results, their clock times and the workflow that asked for them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.physics.errors import FileError
from surrogates.workflows.files import read_json
from surrogates.workflows.results import read_result
from surrogates.workflows.yaml_file import read_yaml


@dataclass(frozen=True)
class Finished:
    """One finished unit: a step, or one turn of a step with `for_each:`.

    Args:
        name: the step's id. use: its module. result: the dataclass it gave. folder: its files.
        settings: the step's keys in the resolved workflow. times: timings.json, {} where there is none.
    """

    name: str
    use: str
    result: Any
    folder: Path
    settings: dict[str, Any]
    times: dict[str, Any]

    def arrays(self, file: str) -> dict[str, np.ndarray]:
        """An .npz of the step, without pickles."""
        with np.load(self.folder / file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all jobs of the step, s."""
        jobs = self.times.get("jobs", {}).values()
        return sum(float(job.get("cpu", 0.0)) for job in jobs) + float(self.times.get("finish", {}).get("cpu", 0.0))

    @property
    def memory(self) -> float:
        """Peak memory of one of its processes, MB."""
        parts = [*self.times.get("jobs", {}).values(), self.times.get("finish", {})]
        return max((float(part.get("memory", 0.0)) for part in parts), default=0.0)


@dataclass(frozen=True)
class FinishedRun:
    """All finished units of a run directory, in the order of the workflow, and where and with what it ran."""

    name: str
    folder: Path
    workflow: dict[str, Any]
    units: tuple[Finished, ...]
    machine: dict[str, Any]
    versions: dict[str, str]

    def of(self, use: str) -> Iterator[Finished]:
        """Units of one kind."""
        return (unit for unit in self.units if unit.use == use)


def finished_run(folder: Path) -> FinishedRun:
    """Read a run directory; raises FileError where there is no run."""
    path = folder / "workflow.yaml"
    if not path.is_file():
        raise FileError(f"{folder} is no run directory: it has no workflow.yaml; give a folder below runs/")
    workflow = read_yaml(path).data
    units = [unit for name, settings in workflow["steps"].items() for unit in _units(folder / name, name, settings)]
    machine, versions = _record(folder / "record.sqlite")
    return FinishedRun(str(workflow["name"]), folder, workflow, tuple(units), machine, versions)


def _units(folder: Path, name: str, settings: dict[str, Any]) -> Iterator[Finished]:
    done = read_json(folder / "done.json")
    if done is None:
        return
    if "each" in done:
        for n in range(done["each"]):
            yield from _units(folder / str(n), f"{name}[{n}]", settings)
        return
    times = read_json(folder / "timings.json") or {}
    yield Finished(name, str(settings.get("use")), read_result(folder), folder, settings, times)


def _record(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Machine and versions of the last run, from the record; empty where it cannot be read."""
    if not path.is_file():
        return {}, {}
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as record:
            row = record.execute("SELECT machine, versions FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    except sqlite3.Error:
        return {}, {}
    return (json.loads(row[0]), json.loads(row[1])) if row else ({}, {})
