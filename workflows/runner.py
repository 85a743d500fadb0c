"""Runs a workflow: reads it, holds the run directory, starts workers, writes record and report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surrogates.physics.errors import SurrogatesError
from surrogates.workflows.engine import LocalExecutor, Task
from surrogates.workflows.files import locked, write_text
from surrogates.workflows.foreign import require_references
from surrogates.workflows.identity import versions
from surrogates.workflows.prepare import prepared
from surrogates.workflows.progress import Bars, Lines, watcher
from surrogates.workflows.run import Run
from surrogates.workflows.scheduler import Scheduler
from surrogates.workflows.schema import Workflow
from surrogates.workflows.store import Record
from surrogates.workflows.units import with_files

_PACKAGES = ("torch", "numpy", "scipy", "ase", "e3nn", "h5py", "vesin", "tblite", "pyscf", "surrogates")


def run(
    path: str | Path,
    *,
    set: Mapping[str, Any] | None = None,
    quick: bool = False,
    runs: str | Path = "runs",
    trust: tuple[str, ...] = (),
    show: bool = True,
) -> Run:
    """Run a workflow file or recipe; the same as `surrogates run`.

    Args:
        path: of a file, or the name of a recipe. set: values by `step.key`. quick: what the file says under `quick:`,
            in a run directory of its own. runs: where run directories lie. trust: modules and classes that the file
            may name beyond the library's. show: progress on standard output.

    Raises a `SurrogatesError` whose message says what to do. What is finished is kept: call again to continue.
    """
    return run_workflow(prepared(path, settings=set or {}, quick=quick, trust=trust), Path(runs), show=show)


def run_workflow(workflow: Workflow, runs: Path, *, show: bool = True) -> Run:
    """Run what was checked, in `runs/NAME`; an error before anything runs where a reference is not installed."""
    for plan in workflow.steps.values():
        require_references(plan.arguments)
    folder = runs.resolve() / workflow.name
    with locked(folder):
        return _run(workflow, folder, show)


def _run(workflow: Workflow, folder: Path, show: bool) -> Run:
    _write_resolved(workflow, folder)
    record = Record(folder)
    record.begin(versions(*_PACKAGES), workflow.data)
    watch = watcher(show)

    def heard(task: Task, message: Task) -> None:
        if "progress" in message:
            watch.advance(task["name"], *message["progress"])
        else:
            watch.say(f"{task['name']}: its worker died ({message['died']}); starting another")

    executor = LocalExecutor(workflow.head.engine.workers, heard, workflow.trust)
    scheduler = Scheduler(workflow, folder, executor, record, watch)
    state = "failed"
    try:
        scheduler.run()
        _report(scheduler, folder, executor, watch)
        state = "done"
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    finally:
        executor.shutdown(kill=state != "done")
        watch.close()
        record.end(state)
    return Run(folder, tuple(workflow.steps), tuple(scheduler.computed))


def _report(scheduler: Scheduler, folder: Path, executor: LocalExecutor, watch: Lines | Bars) -> None:
    """The page; a fault of the page does not spoil the results."""
    if not scheduler.computed and (folder / "report.html").is_file():
        return
    try:
        executor.submit(report_task(folder)).result()
        watch.say(f"report: {folder / 'report.html'}")
    except SurrogatesError as error:
        watch.say(f"report: not written: {error}")


def report_task(folder: Path) -> Task:
    """The task that writes the report of a run directory."""
    return {"what": "the report", "name": "report", "unit": str(folder), "job": "report", "folder": str(folder)}


def _write_resolved(workflow: Workflow, folder: Path) -> None:
    """workflow.yaml: the file after --quick and --set, its paths absolute, so that it may be read from anywhere."""
    files = {name: plan.files for name, plan in workflow.steps.items()}
    steps = {name: with_files(item, files[name], by=str) for name, item in workflow.data["steps"].items()}
    resolved = {**workflow.data, "name": workflow.name, "seed": workflow.head.seed, "steps": steps}
    resolved.pop("quick", None)
    text = _yaml(resolved)
    write_text(folder / "workflow.yaml", f"# The workflow as it ran; the file was in {workflow.folder.name}\n{text}")


def _yaml(value: Any) -> str:
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    yaml.dump(json.loads(json.dumps(value)), stream)
    return stream.getvalue()
