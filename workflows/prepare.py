"""A workflow as the person who runs wants it: recipe or file, quick or not, with their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from surrogates.workflows.recipes_list import workflow_path
from surrogates.workflows.schema import Workflow, load_workflow


def prepared(path: str | Path, *, settings: Mapping[str, Any], quick: bool, trust: tuple[str, ...]) -> Workflow:
    """A checked workflow; a quick one gets a name, and so a directory, of its own."""
    workflow = load_workflow(workflow_path(path), quick=quick, settings=settings, trust=tuple(trust))
    return replace(workflow, head=replace(workflow.head, name=f"{workflow.name}-quick")) if quick else workflow
