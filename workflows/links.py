"""Links between steps: `${step}`, `${step.output}` and `${step.key.key}`, a part of the file itself.

`${step.output}#3` is structure 3 of an output, from 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_LINK = re.compile(r"\$\{([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\}(?:#([0-9]{1,9}))?")


@dataclass(frozen=True)
class Link:
    """A reference as written: the step it names, what of it, and which structure."""

    step: str
    rest: tuple[str, ...] = ()
    row: int | None = None

    @property
    def output(self) -> str:
        """The output it names, "" for the step as a whole."""
        return ".".join(self.rest)

    def __str__(self) -> str:
        return "${" + ".".join((self.step, *self.rest)) + "}" + ("" if self.row is None else f"#{self.row}")


def parse_link(value: Any) -> Link | None:
    """The link that `value` is, None for anything else. Text with a link inside other text is no link."""
    match = _LINK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    step, *rest = match[1].split(".")
    return Link(step, tuple(rest), None if match[2] is None else int(match[2]))


def looks_like_link(value: Any) -> bool:
    """Whether text has `${`, so that a misspelt link is not taken for a path."""
    return isinstance(value, str) and "${" in value


def links_in(value: Any) -> list[Link]:
    """Every link inside plain data, in order, each once."""
    found: dict[Link, None] = {}

    def visit(item: Any) -> None:
        if isinstance(item, dict):
            for inner in item.values():
                visit(inner)
        elif isinstance(item, list | tuple):
            for inner in item:
                visit(inner)
        elif (link := parse_link(item)) is not None:
            found[link] = None

    visit(value)
    return list(found)
