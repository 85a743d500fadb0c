"""Foreign calculators named in a workflow file, checked by the written list without importing the data floor.

The list and its checker use the standard library only, but their packages import torch. These files are therefore
loaded alone, under their own names, so that a later import of the whole floor finds the same modules.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

from surrogates.physics.errors import SurrogatesError, WorkflowError
from surrogates.workflows.source_tree import file_of
from surrogates.workflows.yaml_file import Document, Place

_ALLOWED = "surrogates.datasets.generators.allowed"
_ARGUMENTS = "surrogates.datasets.generators.arguments"
_REFERENCES = "surrogates.datasets.generators.references"
_SITE = "surrogates.datasets.generators.espresso_site"


def check_foreign(
    document: Document, place: Place, value: dict[str, Any], trust: tuple[str, ...] = ()
) -> dict[str, Any]:
    """`value`, if it specifies a calculator of the list; defaults filled in, so that two spellings are one method."""
    try:
        return dict(references().parse_reference(value, trust=trust).spec)
    except SurrogatesError as error:
        wrong = next((k for k in value if k != "use" and f"'{k}'" in str(error)), "use")
        raise type(error)(f"{document.where((*place, wrong))}: {error}") from error


def reference_schema() -> dict[str, Any]:
    """JSON Schema of a foreign calculator."""
    schema: dict[str, Any] = references().reference_schema()
    return schema


def references() -> ModuleType:
    """The module that checks and makes references, without its parents."""
    for name in (_ALLOWED, _ARGUMENTS, _SITE):
        _alone(name)
    return _alone(_REFERENCES)


def require_references(arguments: Any) -> None:
    """MissingExtra or FileError where plain data names a calculator of the list that this machine lacks."""
    if isinstance(arguments, dict):
        if arguments.get("use") in references().ALLOWED:
            references().parse_reference(arguments).require()
        for value in arguments.values():
            require_references(value)
    elif isinstance(arguments, list):
        for value in arguments:
            require_references(value)


def _alone(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    path = file_of(name)
    spec = importlib.util.spec_from_file_location(name, path) if path else None
    if spec is None or spec.loader is None:
        raise WorkflowError(f"{name} is missing from this installation; install surrogates again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
