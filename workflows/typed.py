"""Checks plain data against the annotations of dataclasses, and builds them.

One error, with place and nearest word, at the first thing that does not fit. Numbers are strict: "5" is text, true is
no number, 3 is accepted where 3.0 is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from surrogates.workflows.fields import Part, ReferencePart, Takes, Within
from surrogates.workflows.words import accepted
from surrogates.workflows.yaml_file import Document, Place

_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "nothing"}


@dataclass(frozen=True)
class Reader:
    """Where the data came from, and who answers for links and parts.

    Args:
        link: (place, text, kind) -> text, checks a `${...}` or a path. part: (place, value, rooms) -> value.
        foreign: (place, value) -> value, checks a foreign calculator.
    """

    document: Document
    link: Callable[[Place, str, str], str]
    part: Callable[[Place, dict[str, Any], tuple[str, ...]], dict[str, Any]]
    foreign: Callable[[Place, dict[str, Any]], dict[str, Any]]

    def read(self, hint: Any, value: Any, place: Place) -> Any:
        """`value` as `hint` wants it; raises `WorkflowError` where it does not fit."""
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._annotated(arguments[0], arguments[1:], value, place)
        if origin in (Union, UnionType):
            return self._union(hint, arguments, value, place)
        if origin is Literal:
            return self._choice(arguments, value, place)
        if is_dataclass(hint):
            return self.dataclass(hint, value, place)
        if origin in (list, tuple, dict):
            return self._container(origin, arguments, value, place)
        return self._plain(hint, value, place)

    def dataclass(self, cls: Any, value: Any, place: Place, *, common: tuple[str, ...] = ()) -> Any:
        """`cls` built from a mapping; keys in `common` belong to somebody else and are passed over."""
        if not isinstance(value, dict):
            raise self._wrong(value, place, describe(cls))
        hints = hints_of(cls)
        for key in value:
            if key not in hints and key not in common:
                raise self.document.error((*place, key), f'unknown key "{key}"; {accepted([*hints, *common], key)}')
        missing = [f.name for f in fields(cls) if _required(f) and f.name not in value]
        if missing:
            raise self.document.error(
                place, f'the key "{missing[0]}" is missing; it takes {describe(hints[missing[0]])}'
            )
        given = {key: self.read(hints[key], item, (*place, key)) for key, item in value.items() if key in hints}
        try:
            return cls(**given)
        except ValueError as error:  # what a step's __post_init__ says about keys that do not go together
            raise self.document.error(place, str(error)) from error

    def _annotated(self, hint: Any, marks: tuple[Any, ...], value: Any, place: Place) -> Any:
        for mark in marks:
            if isinstance(mark, Takes) and isinstance(value, str):
                return self.link(place, value, mark.kind)
        value = self.read(hint, value, place)
        for mark in marks:
            if isinstance(mark, Within) and not mark.holds(value):
                raise self.document.error(place, f"{value!r} is out of range; it must be {mark}")
            if isinstance(mark, Part):
                value = self.part(place, value, mark.rooms)
            if isinstance(mark, ReferencePart):
                value = self.foreign(place, value)
        return value

    def _union(self, hint: Any, members: tuple[Any, ...], value: Any, place: Place) -> Any:
        fitting = [m for m in members if _fits(m, value)]
        if not fitting:
            raise self._wrong(value, place, describe(hint))
        if isinstance(value, dict):
            fitting.sort(key=lambda m: -_overlap(m, value))
        return self.read(fitting[0], value, place)

    def _choice(self, words: tuple[Any, ...], value: Any, place: Place) -> Any:
        if value in words and type(value) in {type(w) for w in words}:
            return value
        raise self.document.error(place, f"{value!r} is not accepted; {accepted(map(str, words), str(value))}")

    def _container(self, origin: Any, arguments: tuple[Any, ...], value: Any, place: Place) -> Any:
        if not isinstance(value, dict if origin is dict else list):
            raise self._wrong(value, place, "a mapping" if origin is dict else "a list")
        if isinstance(value, dict):
            return {key: self.read(arguments[1], item, (*place, key)) for key, item in value.items()}
        if origin is tuple and arguments[-1] is not Ellipsis:
            if len(value) != len(arguments):
                raise self.document.error(place, f"{len(value)} items given, {len(arguments)} accepted")
            return tuple(self.read(h, x, (*place, k)) for k, (h, x) in enumerate(zip(arguments, value, strict=True)))
        return origin(self.read(arguments[0], item, (*place, k)) for k, item in enumerate(value))

    def _plain(self, hint: Any, value: Any, place: Place) -> Any:
        if hint is Any:
            return value
        if not _fits(hint, value):
            raise self._wrong(value, place, describe(hint))
        if isinstance(value, float) and not isfinite(value):
            raise self.document.error(place, f"{value!r} is not a finite number")
        return float(value) if hint is float else value

    def _wrong(self, value: Any, place: Place, wanted: str) -> Exception:
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
        return self.document.error(place, f"{shown} is {_kind(value)}; accepted is {wanted}")


@cache
def hints_of(cls: type) -> dict[str, Any]:
    """The annotations of a dataclass's fields, by name, resolved."""
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: hints[f.name] for f in fields(cls) if f.init}


def describe(hint: Any) -> str:
    """What a hint accepts, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _with_marks(describe(arguments[0]), arguments[1:])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(describe(a) for a in arguments))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if is_dataclass(hint):
        return f"a mapping with {', '.join(hints_of(hint))}"  # type: ignore[arg-type]
    if origin in (list, tuple):
        return f"a list of {describe(arguments[0])}"
    return "a mapping" if origin is dict else _PLAIN.get(hint, "anything")


def _with_marks(text: str, marks: tuple[Any, ...]) -> str:
    for mark in marks:
        if isinstance(mark, Takes):
            text = "${step} or a path" + (" or " + text.split(" or ", 1)[1] if " or " in text else "")
        elif isinstance(mark, Part | ReferencePart):
            text = 'a part, {use: "module:Class", ...}'
        elif isinstance(mark, Within):
            text += f" {mark}"
        else:
            text += f" in {mark.name}"
    return text


def _required(field: Any) -> bool:
    return field.init and field.default is MISSING and field.default_factory is MISSING


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return _PLAIN.get(type(value), type(value).__name__)


def _fits(hint: Any, value: Any) -> bool:
    """Whether the outer shape of `value` is that of `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _fits(arguments[0], value)
    if origin in (Union, UnionType):
        return any(_fits(a, value) for a in arguments)
    if origin is Literal:
        return value in arguments
    if is_dataclass(hint) or origin is dict:
        return isinstance(value, dict)
    if origin in (list, tuple):
        return isinstance(value, list)
    if hint is Any:
        return True
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _overlap(hint: Any, value: dict[str, Any]) -> int:
    """How many keys of a mapping a member of a union knows; parts are told by `use`."""
    if is_dataclass(hint):
        return 2 * len(set(hints_of(hint)) & set(value))  # type: ignore[arg-type]
    if get_origin(hint) is Annotated and any(isinstance(m, Part | ReferencePart) for m in get_args(hint)):
        return 100 if "use" in value else 0
    return 1
