"""A unit: one step, or one run of a step with `for_each:`, with its folder, its inputs and its identity.

All that a worker needs to know stands in the folder's `unit.json`; between steps go paths and digests, never arrays.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surrogates.workflows.desk import Desk, Progress, silent
from surrogates.workflows.fields import PARTS_OF
from surrogates.workflows.files import canonical, read_json, sha256, write_json
from surrogates.workflows.identity import Identity, digest_of, identity_of
from surrogates.workflows.links import links_in
from surrogates.workflows.resolve import StepPlan
from surrogates.workflows.schema import Workflow


@dataclass(frozen=True)
class Unit:
    """Args:
    id: `step`, or `step/3` of a step with for_each. plan: of the step. arguments: of this run.
    inputs: what stands behind each link and path. identity: what the result depends on.
    """

    id: str
    plan: StepPlan
    folder: Path
    arguments: dict[str, Any]
    inputs: dict[str, Any]
    identity: Identity
    seed: int
    device: str
    trust: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return digest_of(self.identity)

    def plan_jobs(self) -> list[str]:
        """Names of its jobs."""
        jobs: list[str] = self.plan.step.jobs()
        return jobs

    def finished(self) -> bool:
        """Whether the folder holds the result of this very identity, undamaged."""
        done = read_json(self.folder / "done.json") or {}
        result = self.folder / "result.json"
        return done.get("digest") == self.digest and result.is_file() and sha256(result) == done.get("result")

    def job_finished(self, job: str) -> bool:
        done = read_json(self.folder / "jobs" / job / "done.json") or {}
        return bool(done.get("digest") == self.digest)

    def prepare(self) -> None:
        """Make the folder ready: what another identity left in it goes, what this one left stays."""
        left = read_json(self.folder / "unit.json") or {}
        if left.get("digest") != self.digest:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(
            self.folder / "unit.json",
            {
                "use": self.plan.use,
                "arguments": self.arguments,
                "inputs": self.inputs,
                "seed": self.seed,
                "device": self.device,
                "trust": list(self.trust),
                "digest": self.digest,
                "identity": self.identity,
            },
        )


@dataclass
class Finished:
    """What the runner knows of finished steps: digests of outputs, by step and output."""

    folder: Path
    outputs: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def take_in(self, step: str, unit_folder: Path) -> None:
        done = read_json(unit_folder / "done.json") or {}
        self.outputs[step] = done.get("outputs", {})


def units_of(workflow: Workflow, plan: StepPlan, finished: Finished) -> list[Unit]:
    """The units of a step whose needs are finished; one without `for_each:`."""
    if plan.fan_out is None:
        return [_unit(workflow, plan, finished, plan.id, plan.arguments)]
    count = plan.fan_out.known
    if plan.fan_out.link is not None:
        link = links_in(plan.fan_out.link)[0]
        count = finished.outputs[link.step][link.output]["count"]
        count = min(count, plan.fan_out.limit or count)
    return [
        _unit(workflow, plan, finished, f"{plan.id}/{n}", plan.fan_out.pick(plan.arguments, n)) for n in range(count)
    ]


def desk_of(folder: Path, unit: dict[str, Any], progress: Progress = silent) -> Desk:
    """The desk of the unit whose `unit.json` this is."""
    return Desk(folder, unit["seed"], unit["device"], unit["inputs"], tuple(unit["trust"]), progress)


def _unit(workflow: Workflow, plan: StepPlan, finished: Finished, name: str, arguments: dict[str, Any]) -> Unit:
    seed = workflow.head.seed if plan.seed is None else plan.seed
    if "seed" in arguments:  # varied by for_each
        seed, arguments = arguments["seed"], {k: v for k, v in arguments.items() if k != "seed"}
    inputs: dict[str, Any] = {}
    digests: dict[str, str] = {}
    for link in links_in(arguments):
        whole = str(link).partition("#")[0]
        inputs[whole], digests[whole] = _behind(workflow, finished, link.step, link.output, plan)
    for text, path in plan.files.items():
        if canonical(text) in canonical(arguments):
            inputs[text], digests[Path(text).name] = path, sha256(Path(path))
    identity = identity_of(
        plan.use, with_files(arguments, plan.files, by=lambda path: path.name), digests, seed, workflow.head.device
    )
    folder = finished.folder.joinpath(*name.split("/"))
    return Unit(name, plan, folder, arguments, inputs, identity, seed, workflow.head.device, workflow.trust)


def with_files(value: Any, files: dict[str, str], *, by: Callable[[Path], str]) -> Any:
    """Plain data in which each path that the file names is written as `by` says: where a file lies is no identity."""
    if isinstance(value, dict):
        return {key: with_files(item, files, by=by) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_files(item, files, by=by) for item in value]
    return by(Path(files[value])) if isinstance(value, str) and value in files else value


def _behind(workflow: Workflow, finished: Finished, step: str, output: str, plan: StepPlan) -> tuple[Any, str]:
    """Path (or paths by name) and digest behind a link."""
    declared = workflow.steps[step].step.outputs()
    known = finished.outputs[step]
    if declared[output].kind not in PARTS_OF:
        return str(finished.folder / step / declared[output].file), known[output]["digest"]
    wanted = getattr(plan.step, "PARTS", None) or tuple(n for n in declared if n)
    names = [n for n in wanted if n in declared and declared[n].kind == PARTS_OF[declared[output].kind]]
    paths = {n: str(finished.folder / step / declared[n].file) for n in names}
    return paths, canonical({n: known[n]["digest"] for n in names})
