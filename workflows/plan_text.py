"""A checked workflow as text: what would run, with every value and its unit."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from surrogates.workflows.fields import Unit
from surrogates.workflows.files import read_json
from surrogates.workflows.resolve import StepPlan
from surrogates.workflows.schema import Workflow
from surrogates.workflows.typed import hints_of


def plan_text(workflow: Workflow, runs: Path) -> str:
    """The plan, one block a step in order of execution."""
    head = workflow.head
    lines = [
        f"{workflow.name}: {len(workflow.steps)} steps in {runs / workflow.name}, seed {head.seed}, "
        f"device {head.device}, {head.engine.workers} workers"
    ]
    for plan in workflow.steps.values():
        lines += ["", *_step_lines(plan, runs / workflow.name / plan.id)]
    return "\n".join(lines)


def _step_lines(plan: StepPlan, folder: Path) -> list[str]:
    after = f", after {', '.join(plan.needs)}" if plan.needs else ""
    there = ", has a result" if read_json(folder / "done.json") else ""
    count = f", for each {plan.fan_out.key}" if plan.fan_out else f", {len(plan.step.jobs())} jobs"
    return [f"{plan.id}: {plan.use}{count}{after}{there}", *_value_lines(plan.step, "  ")]


def _value_lines(value: Any, indent: str) -> list[str]:
    lines = []
    hints = hints_of(type(value))  # type: ignore[arg-type]
    for field in fields(value):
        item = getattr(value, field.name)
        if item is None and field.default is None:
            continue
        lines += _entry(field.name, item, indent, unit_of(hints[field.name]))
    return lines


def _entry(name: str, item: Any, indent: str, unit: str) -> list[str]:
    if is_dataclass(item) and not isinstance(item, type):
        return [f"{indent}{name}:", *_value_lines(item, indent + "  ")]
    if isinstance(item, dict) and any(is_dataclass(v) for v in item.values()):
        return [f"{indent}{name}:", *(line for k, v in item.items() for line in _entry(k, v, indent + "  ", ""))]
    return [f"{indent}{name}: {item}{' ' + unit if unit else ''}"]


def unit_of(hint: Any) -> str:
    """The unit that an annotation names, "" for none."""
    if get_origin(hint) is Annotated:
        return next((m.name for m in hint.__metadata__ if isinstance(m, Unit)), "") or unit_of(get_args(hint)[0])
    return next((u for u in map(unit_of, get_args(hint)) if u), "")
