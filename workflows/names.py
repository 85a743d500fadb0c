"""Names of runs, steps and files that may come from a workflow file."""

import re

from surrogates.physics.errors import WorkflowError

_NAME = re.compile(r"[A-Za-z0-9._-]+")
NAME_RULE = "letters, digits, '.', '_' and '-', not starting with '.' and without '..'"


def is_name(text: object) -> bool:
    """Whether `text` may become a folder: no separators, no `..`, nothing hidden, at most 80 characters."""
    return (
        isinstance(text, str)
        and len(text) <= 80
        and bool(_NAME.fullmatch(text))
        and ".." not in text
        and text[0] not in ".-"
    )


def checked_name(text: str, what: str) -> str:
    """`text` when it is a name, else the error that says what a name is."""
    if not is_name(text):
        raise WorkflowError(f"{what} {text!r} is not a name; accepted are {NAME_RULE}")
    return text
