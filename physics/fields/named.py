"""The given equations by name, for files: nothing else can be named."""

from __future__ import annotations

import inspect
from importlib import import_module

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.equation import Equation

_ROOM = "surrogates.physics.fields"


def named_equation(name: str, dim: int) -> Equation:
    """The equation that the function `name` of surrogates.physics.fields returns, in `dim` dimensions.

    Raises DomainError for anything that is not such a function.
    """
    made = vars(import_module(_ROOM)).get(name) if isinstance(name, str) else None
    ours = inspect.isfunction(made) and made.__module__.startswith(f"{_ROOM}.")
    if made is None or not ours or made.__annotations__.get("return") not in ("Equation", Equation):
        raise DomainError(f"there is no equation {name!r} in {_ROOM}; write 'burgers', for one")
    found = made(dim=dim) if "dim" in inspect.signature(made).parameters else made()
    assert isinstance(found, Equation)
    return found
