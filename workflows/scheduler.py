"""Steps in order: what is finished is kept, what is ready runs, side by side where nothing stands between."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surrogates.workflows.desk import Desk
from surrogates.workflows.engine import LocalExecutor, Task
from surrogates.workflows.files import read_json, sha256, write_json
from surrogates.workflows.held_out_plan import held_out_of
from surrogates.workflows.identity import differences
from surrogates.workflows.links import parse_link
from surrogates.workflows.progress import Bars, Lines
from surrogates.workflows.resolve import StepPlan
from surrogates.workflows.schema import Workflow
from surrogates.workflows.store import Record
from surrogates.workflows.units import Finished, Unit, units_of

_HELD_OUT = "held out"


@dataclass
class _Open:
    """A unit under way: which of its jobs still run."""

    unit: Unit
    waiting: set[str]


@dataclass
class Scheduler:
    """Runs the steps of a workflow in `folder`.

    Args:
        executor: where jobs go. record: what happened. watch: who is told.
    """

    workflow: Workflow
    folder: Path
    executor: LocalExecutor
    record: Record
    watch: Lines | Bars
    computed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.finished = Finished(self.folder)
        self.left = dict(self.workflow.steps)
        self.units: dict[str, list[Unit]] = {}
        self.open: dict[str, _Open] = {}
        self.futures: dict[Future[Task], tuple[str, str]] = {}

    def run(self) -> None:
        """Until nothing is left; the first error ends it."""
        self._start_ready()
        while self.futures:
            done, _ = wait(self.futures, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                name, job = self.futures.pop(future)
                future.result()
                self._job_done(name, job)
            self._start_ready()

    def _start_ready(self) -> None:
        started = True
        while started:
            started = False
            for plan in [p for p in self.left.values() if self._ready(p)]:
                del self.left[plan.id]
                self._start(plan)
                started = True

    def _ready(self, plan: StepPlan) -> bool:
        awaited = set(plan.needs) | set(held_out_of(self.workflow, plan.id)[1])
        return awaited <= self.finished.outputs.keys()

    def _start(self, plan: StepPlan) -> None:
        units = units_of(self.workflow, plan, self.finished)
        self.units[plan.id] = units
        for unit in units:
            self._start_unit(unit)
        self._step_done(plan.id)

    def _start_unit(self, unit: Unit) -> None:
        if unit.finished():
            self.record.unit(unit.id, unit.plan.use, unit.digest, unit.identity, "kept")
            self.watch.say(f"{unit.id}: kept, finished before")
            return
        self._say_why(unit)
        unit.prepare()
        self.record.unit(unit.id, unit.plan.use, unit.digest, unit.identity, "running")
        checks = self._held_out_tasks(unit)
        self.open[unit.id] = _Open(unit, {_HELD_OUT} if checks else set())
        if checks:
            self._submit(unit, _HELD_OUT, checks)
        else:
            self._start_jobs(unit)

    def _say_why(self, unit: Unit) -> None:
        left = read_json(unit.folder / "unit.json")
        if left is None:
            self.watch.say(f"{unit.id}: starts")
        elif left.get("digest") == unit.digest:
            self.watch.say(f"{unit.id}: continues")
        else:
            why = differences(left.get("identity") or {}, unit.identity)
            self.watch.say(f"{unit.id}: starts again, {'; '.join(why[:3]) or 'its folder is damaged'}")

    def _held_out_tasks(self, unit: Unit) -> Task:
        """The check that no row it trains on is a row that it will be scored on; empty where there is none."""
        texts, _ = held_out_of(self.workflow, unit.plan.id)
        if not texts:
            return {}
        given = Desk(unit.folder, inputs=unit.inputs).given
        train = given(unit.arguments["data"])
        if "replay" in unit.arguments:
            train = train | {f"replayed {part}": path for part, path in given(unit.arguments["replay"]).items()}
        return {"train": train, "others": {text: self._path(text) for text in texts}}

    def _path(self, text: str) -> str:
        link = parse_link(text)
        if link is None:
            return str((self.workflow.folder / text).resolve())
        output = self.workflow.steps[link.step].step.outputs()[link.output]
        return str(self.folder / link.step / output.file)

    def _start_jobs(self, unit: Unit) -> None:
        jobs = [j for j in unit.plan_jobs() if not unit.job_finished(j)]
        self.open[unit.id].waiting = set(jobs) or {"finish"}
        for job in jobs or ["finish"]:
            self._submit(unit, job)

    def _submit(self, unit: Unit, job: str, more: Task | None = None) -> None:
        folder = unit.folder / "jobs" / job if job not in ("finish", _HELD_OUT) else unit.folder
        what = f"step {unit.id}" if job in ("finish", "all", _HELD_OUT) else f"step {unit.id}, {job}"
        task = {"what": what, "name": _bar(unit.id, job), "unit": str(unit.folder), "job": job, "folder": str(folder)}
        self.futures[self.executor.submit({**task, **(more or {})})] = (unit.id, job)

    def _job_done(self, name: str, job: str) -> None:
        state = self.open[name]
        self.watch.finish(_bar(name, job))
        self.record.event(name, "job done", job)
        state.waiting.discard(job)
        if state.waiting:
            return
        if job == _HELD_OUT:
            self._start_jobs(state.unit)
        elif job != "finish":
            state.waiting = {"finish"}
            self._submit(state.unit, "finish")
        else:
            self._unit_done(state.unit)

    def _unit_done(self, unit: Unit) -> None:
        del self.open[unit.id]
        self.record.state(unit.id, "done")
        self.watch.say(f"{unit.id}: done")
        self.computed.append(unit.id)
        self._step_done(unit.plan.id)

    def _step_done(self, step: str) -> None:
        units = self.units[step]
        if any(unit.id in self.open for unit in units):
            return
        if self.workflow.steps[step].fan_out is not None:
            _collect(self.folder / step, units)
        self.finished.take_in(step, self.folder / step)


def _bar(unit: str, job: str) -> str:
    return unit if job in ("all", "finish", _HELD_OUT) else f"{unit} {job}"


def _collect(folder: Path, units: list[Unit]) -> None:
    """The result of a step with `for_each:`: those of its runs, in order."""
    results: list[Any] = [read_json(unit.folder / "result.json") for unit in units]
    write_json(folder / "result.json", {"each": results})
    digests = [unit.digest for unit in units]
    done = {"each": len(units), "digest": digests, "result": sha256(folder / "result.json"), "outputs": {}}
    write_json(folder / "done.json", done)
