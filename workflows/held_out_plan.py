"""Which rows a trained surrogate will be scored on, told from the workflow before it is trained."""

from __future__ import annotations

from surrogates.workflows.fields import TRAINED
from surrogates.workflows.links import links_in, parse_link
from surrogates.workflows.schema import Workflow

_SCORES = {"evaluate": "calculator", "evaluate_operator": "operator", "rollout": "operator"}  # who is scored, by step
_SCORES |= {"evaluate_mesh_surrogate": "surrogates", "mesh_rollout": "surrogate"}


def held_out_of(workflow: Workflow, step: str) -> tuple[list[str], list[str]]:
    """Links and paths of the data that steps score `step`'s surrogate on, and the steps these data come from.

    Data that themselves need the surrogate are left out: they cannot be there before it.
    """
    if workflow.steps[step].step.outputs()[""].kind not in TRAINED:
        return [], []
    texts = [t for plan in workflow.steps.values() for t in _scored_on(plan.arguments, plan.use, step)]
    texts = [
        t for t in dict.fromkeys(texts) if not (link := parse_link(t)) or step not in _ancestors(workflow, link.step)
    ]
    return texts, sorted({link.step for link in links_in(texts)})


def _scored_on(arguments: dict[str, object], use: str, step: str) -> list[str]:
    scored = arguments.get(_SCORES.get(use, ""))
    links = [parse_link(one) for one in (scored if isinstance(scored, list) else [scored])]
    if not any(link is not None and link.step == step for link in links):
        return []
    data = arguments.get("data")
    return [t for t in (data if isinstance(data, list) else [data]) if isinstance(t, str)]


def _ancestors(workflow: Workflow, step: str) -> set[str]:
    """`step` and everything that it needs."""
    needs = workflow.steps[step].needs
    return {step}.union(*(_ancestors(workflow, n) for n in needs))
