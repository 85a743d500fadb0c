"""Problems by name, for files: {"name": "burgers_inverse", "nu": 0.02} and nothing else."""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ParamSpec

from surrogates.physics.errors import DomainError, SurrogatesError
from surrogates.pinns.problem import Problem

_ROOM = "surrogates.pinns.problems"
P = ParamSpec("P")
_NOT_KEPT = ("how",)  # how a residual is computed is no part of the problem


def named(function: Callable[P, Problem]) -> Callable[P, Problem]:
    """Marks a function `name` in the file problems/name.py: files may name its problems, which remember how."""

    @functools.wraps(function)
    def made(*args: P.args, **kwargs: P.kwargs) -> Problem:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        for word, value in bound.arguments.items():
            _check_number(function.__name__, word, value)
        kept = {word: value for word, value in bound.arguments.items() if word not in _NOT_KEPT}
        spec = {"name": function.__name__, **kept}
        try:
            plain = json.loads(json.dumps(spec))
        except TypeError:  # an argument that no file can hold
            return function(*args, **kwargs)
        return replace(function(*args, **kwargs), spec=plain)

    made.names_a_problem = True  # type: ignore[attr-defined]
    return made


_WHOLE = ("dim", "seed", "observations")


def _check_number(name: str, word: str, value: Any) -> None:
    """Raises DomainError for numbers that are not finite, and counts that are not whole."""
    for number in value if isinstance(value, list | tuple) else [value]:
        if isinstance(number, float) and not math.isfinite(number):
            raise DomainError(f"problem {name!r} with {word}={value}; give finite numbers")
    if word in _WHOLE and (type(value) is not int or not 0 <= value < 1 << 63):
        raise DomainError(f"problem {name!r} with {word}={value!r}; give a whole number from 0 to 2^63 - 1")


def problem_names() -> list[str]:
    """Names of the problems that come with this package."""
    return sorted(m.name for m in iter_modules(import_module(_ROOM).__path__) if not m.name.startswith("_"))


def named_problem(name: str, /, **arguments: Any) -> Problem:
    """The problem that problems/NAME.py describes. Raises DomainError for unknown names or arguments."""
    known = problem_names()
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name not in known:
        near = difflib.get_close_matches(str(name), known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise DomainError(f"there is no problem {name!r}; {hint}")
    function: Any = vars(import_module(f"{_ROOM}.{name}")).get(name)
    if not getattr(function, "names_a_problem", False):
        raise DomainError(f"{_ROOM}.{name} names no problem")
    takes = inspect.signature(function).parameters
    for word in arguments:
        if word not in takes:
            near = difflib.get_close_matches(word, takes, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(takes)}"
            raise DomainError(f"problem {name!r} takes no argument {word!r}; {hint}")
    try:
        found: Problem = function(**arguments)
    except SurrogatesError:
        raise
    except (TypeError, ValueError, ArithmeticError, AttributeError, MemoryError, RuntimeError) as error:
        raise DomainError(f"problem {name!r} does not accept these arguments: {error}") from error
    return found
