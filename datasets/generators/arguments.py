"""Arguments of references: whether a value is what `allowed.py` wants, and that in words and as JSON Schema."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from surrogates.datasets.generators.allowed import ALLOWED, ELECTRONS, Allowed, Argument
from surrogates.physics.errors import DomainError, TrustError

_KINDS: dict[str, Any] = {"number": (int, float), "integer": int, "boolean": bool, "string": str}


_PLAIN: dict[str, Callable[[Any], Any]] = {"grid": list, "files": dict}
_SYMBOL, _FILE = re.compile(r"[A-Z][a-z]?"), re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def _is_grid(value: Any) -> bool:
    whole = isinstance(value, list | tuple) and all(isinstance(n, int) and not isinstance(n, bool) for n in value)
    return whole and len(value) == 3 and all(1 <= n <= 100 for n in value)


def _is_files(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(k, str) and _SYMBOL.fullmatch(k) is not None for k in value)
        and all(isinstance(v, str) and _FILE.fullmatch(v) is not None for v in value.values())
    )


_WORDS = {
    "boolean": "true or false",
    "grid": "three whole numbers from 1 to 100, such as [4, 4, 4]",
    "files": "a file name without folder for each element, such as {Si: Si.pz-vbc.UPF}",
}
_STRUCTURED: dict[str, Callable[[Any], bool]] = {"grid": _is_grid, "files": _is_files}


def accepted_arguments(use: str) -> dict[str, Argument]:
    """The arguments of a class on the list, charge and multiplicity included where it knows them."""
    entry = ALLOWED[use]
    return {**entry.arguments, **(ELECTRONS if entry.electronic else {})}


def checked(use: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument of a class on the list with its value; TrustError for an unknown one, DomainError for a value."""
    accepted = accepted_arguments(use)
    for name in given:
        if name not in accepted:
            raise TrustError(
                f"reference {use} has no argument {name!r}; it takes {', '.join(accepted)}{nearest(name, accepted)}"
            )
    values = {name: _value(use, name, argument, given) for name, argument in accepted.items()}
    choices = ALLOWED[use].one_of
    told = [name for name in choices if values[name] is not None]
    if choices and len(told) != 1:
        raise DomainError(f"reference {use} was given {' and '.join(told) or 'none'} of {', '.join(choices)}; give one")
    return values


def _value(use: str, name: str, argument: Argument, given: Mapping[str, Any]) -> Any:
    value = given.get(name, argument.default)
    if value is None and argument.optional:
        return None
    if name not in given and value is None:
        raise DomainError(f"reference {use} lacks {name!r}, {argument.meaning}; it takes {_domain(argument)}")
    if not _fits(argument, value):
        raise DomainError(f"reference {use}: {name!r} was given as {value!r}; it takes {_domain(argument)}")
    return float(value) if argument.kind == "number" else _PLAIN.get(argument.kind, _same)(value)


def _same(value: Any) -> Any:
    return value


def _fits(argument: Argument, value: Any) -> bool:
    if argument.kind in _STRUCTURED:
        return _STRUCTURED[argument.kind](value)
    if not isinstance(value, _KINDS[argument.kind]):
        return False
    if isinstance(value, bool) != (argument.kind == "boolean"):
        return False
    if argument.choices:
        return value in argument.choices
    if argument.kind == "boolean":
        return True
    too_low = argument.low is not None and (value <= argument.low if argument.open_low else value < argument.low)
    return math.isfinite(value) and not too_low and (argument.high is None or value <= argument.high)


def _domain(argument: Argument) -> str:
    """In words: what an argument accepts."""
    if argument.choices:
        return "one of " + ", ".join(map(str, argument.choices))
    if argument.kind in _WORDS:
        return _WORDS[argument.kind]
    words = ["a whole number" if argument.kind == "integer" else "a number"]
    if argument.low is not None:
        words.append(f"{'above' if argument.open_low else 'from'} {argument.low:g}")
    if argument.high is not None:
        words.append(f"up to {argument.high:g}")
    return " ".join(words) + (f" ({argument.unit})" if argument.unit else "")


def object_schema(use: str, entry: Allowed) -> dict[str, Any]:
    """JSON Schema of the specifications of one class on the list."""
    properties = {name: _property_schema(argument) for name, argument in accepted_arguments(use).items()}
    return {
        "type": "object",
        "description": entry.meaning,
        "properties": {"use": {"const": use}, **properties},
        "required": ["use", *(k for k, a in entry.arguments.items() if a.default is None and not a.optional)],
        "additionalProperties": False,
    }


def _property_schema(argument: Argument) -> dict[str, Any]:
    kind = {"grid": "array", "files": "object"}.get(argument.kind, argument.kind)
    schema: dict[str, Any] = {"type": [kind, "null"] if argument.optional else kind}
    if argument.kind == "grid":
        schema |= {"items": {"type": "integer", "minimum": 1, "maximum": 100}, "minItems": 3, "maxItems": 3}
    if argument.kind == "files":
        schema |= {"additionalProperties": {"type": "string", "pattern": f"^{_FILE.pattern}$"}}
    schema["description"] = argument.meaning + (f" ({argument.unit})" if argument.unit else "")
    if argument.default is not None or argument.optional:
        schema["default"] = argument.default
    if argument.choices:
        schema["enum"] = list(argument.choices)
    if argument.low is not None:
        schema["exclusiveMinimum" if argument.open_low else "minimum"] = argument.low
    if argument.high is not None:
        schema["maximum"] = argument.high
    return schema


def nearest(word: str, words: Iterable[str]) -> str:
    """The end of a message: the word that was meant, where one is near."""
    near: Sequence[str] = difflib.get_close_matches(word, list(words), 1, 0.4)
    return f"; did you mean {near[0]!r}?" if near else ""
