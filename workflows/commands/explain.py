"""`surrogates explain`: which steps are finished, and why others are stale."""

from __future__ import annotations

from pathlib import Path

from surrogates.physics.errors import FileError
from surrogates.workflows.files import read_json
from surrogates.workflows.identity import differences
from surrogates.workflows.prepare import prepared
from surrogates.workflows.resolve import StepPlan
from surrogates.workflows.schema import Workflow
from surrogates.workflows.units import Finished, Unit, units_of


def explain_run(run_directory: Path, file: str | None) -> None:
    """Print one line a step, for the workflow of `file` or the one that the run was made with."""
    folder = run_directory.resolve()
    if not (folder / "workflow.yaml").is_file():
        raise FileError(f"{run_directory} is no run directory: it has no workflow.yaml; give one such as runs/ethanol")
    workflow = prepared(file or folder / "workflow.yaml", settings={}, quick=False, trust=())
    for line in explanations(workflow, folder):
        print(line)


def explanations(workflow: Workflow, folder: Path) -> list[str]:
    """One line a step, or a unit of a step with `for_each:`."""
    finished = Finished(folder)
    lines = []
    for plan in workflow.steps.values():
        missing = [name for name in plan.needs if name not in finished.outputs]
        if missing:
            lines.append(f"{plan.id}: waits for {', '.join(missing)}")
            continue
        lines += _lines(workflow, plan, finished)
    return lines


def _lines(workflow: Workflow, plan: StepPlan, finished: Finished) -> list[str]:
    units = units_of(workflow, plan, finished)
    if all(unit.finished() for unit in units):
        finished.take_in(plan.id, finished.folder / plan.id)
    return [f"{unit.id}: {_state(unit)}" for unit in units]


def _state(unit: Unit) -> str:
    if unit.finished():
        return "finished"
    left = read_json(unit.folder / "unit.json")
    if left is None:
        return "not started"
    if left.get("digest") == unit.digest:
        jobs = unit.plan_jobs()
        return f"interrupted, {sum(map(unit.job_finished, jobs))} of {len(jobs)} jobs finished; run again to continue"
    return "stale: " + "; ".join(differences(left.get("identity") or {}, unit.identity))
