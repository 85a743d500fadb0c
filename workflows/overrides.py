"""Changes to a workflow before it is read: `--set a.b=c` and the file's own `quick:`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surrogates.physics.errors import WorkflowError
from surrogates.workflows.words import accepted
from surrogates.workflows.yaml_file import Document, Place, parse_value


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """`["data.spacing=50"]` -> `{"data.spacing": 50}`."""
    parsed = {}
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise WorkflowError(f"--set {text!r} has no '='; write it as --set step.key=value")
        parsed[path.strip()] = parse_value(value)
    return parsed


def apply_quick(document: Document) -> None:
    """What the file says `--quick` changes."""
    quick = document.data.get("quick") or {}
    for path, value in quick.items():
        place = ("quick", path)
        _assign(document, path, value, document.where(place), f"{document.where(place)} (quick)")


def apply_settings(document: Document, settings: Mapping[str, Any]) -> None:
    """What the person who runs changes: `step.key.key` or a key of the top of the file."""
    for path, value in settings.items():
        _assign(document, path, value, f"{document.name}, --set {path}", f"{document.name}, --set {path}")


def _assign(document: Document, path: str, value: Any, where: str, note: str) -> None:
    place = _place(document, path, where)
    parent = document.data
    for key in place[:-1]:
        if not isinstance(parent, dict | list):
            raise WorkflowError(f"{where}: there is nothing below {key!r} to set")
        parent = _step_into(parent, key, where)
    last = place[-1]
    if isinstance(parent, list):
        _step_into(parent, last, where)
        parent[int(last)] = value
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise WorkflowError(f"{where}: there is nothing below {place[-2]!r} to set")
    document.notes[place] = note


def _place(document: Document, path: str, where: str) -> Place:
    parts: Place = tuple(path.split("."))
    steps = document.data.get("steps")
    steps = steps if isinstance(steps, dict) else {}
    if parts[0] in steps:
        return ("steps", *parts)
    if parts[0] in document.data and parts[0] not in ("steps", "quick"):
        return parts
    if parts[0] in ("seed", "device", "engine"):
        return parts
    raise WorkflowError(f'{where}: there is no step "{parts[0]}"; {accepted(steps, str(parts[0]))}')


def _step_into(parent: Any, key: Any, where: str) -> Any:
    if isinstance(parent, list):
        if not str(key).isdigit() or int(key) >= len(parent):
            raise WorkflowError(f"{where}: item {key!r} of a list with {len(parent)} items")
        return parent[int(key)]
    return parent.setdefault(key, {})
