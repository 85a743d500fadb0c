"""The steps there are: one module a step, the class named as the module, read without importing torch."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from surrogates.workflows.fields import Output
from surrogates.workflows.source_tree import classes_of, file_of, modules_of

ROOM = "surrogates.workflows.steps"


class Step(Protocol):
    """What a step offers: a frozen dataclass whose fields are its YAML keys.

    Importing its module must not import torch; the methods that compute import what they need.
    """

    def outputs(self) -> dict[str, Output]:
        """What other steps may name, by name; "" is the step as a whole."""

    def jobs(self) -> list[str]:
        """Names of the independent pieces of work, which may run side by side."""

    def work(self, job: str, desk: Any) -> None:
        """Do one piece in `desk.folder`; called again after a kill, it goes on where it was."""

    def finish(self, desk: Any) -> Any:
        """Collect the pieces: writes the outputs, returns the result, a frozen dataclass of plain data."""


@cache
def step_names() -> list[str]:
    """Every name that `use:` takes in a step: modules with a class of their name."""
    names = [module.rsplit(".", 1)[1] for module in modules_of(ROOM)]
    return [name for name in names if re.search(rf"^class {class_name(name)}\b", _text(name), re.MULTILINE)]


def class_name(step: str) -> str:
    """`ground_state` -> `GroundState`."""
    return "".join(word.capitalize() for word in step.split("_"))


def step_class(step: str) -> Any:
    """The dataclass of a step that `step_names` lists."""
    return getattr(import_module(f"{ROOM}.{step}"), class_name(step))


def summary_of(step: str) -> str:
    """The first line of a step's docstring."""
    cls = classes_of(f"{ROOM}.{step}")[class_name(step)]
    return (ast.get_docstring(cls) or "").partition("\n")[0]


def _text(step: str) -> str:
    path = file_of(f"{ROOM}.{step}")
    return path.read_text(encoding="utf-8") if path else ""
