"""The JSON Schema of workflow files, from the same annotations that check them; no torch is imported."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from surrogates.workflows.catalogue import step_class, step_names
from surrogates.workflows.fields import Part, ReferencePart, Takes, Unit, Within
from surrogates.workflows.foreign import reference_schema
from surrogates.workflows.parts import FROM_DATA, parameters_of, parts_in
from surrogates.workflows.results import encode
from surrogates.workflows.schema import Head
from surrogates.workflows.typed import hints_of

_LINK = {"type": "string", "pattern": r"^\$\{[A-Za-z0-9_.-]+\}(#[0-9]+)?$"}
_PLAIN: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
}
_JSON = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}


def workflow_schema() -> dict[str, Any]:
    """The whole schema: the top of a file, and every step by its `use`."""
    top = dataclass_schema(Head)
    top["properties"]["steps"] = {"type": "object", "additionalProperties": {"oneOf": [_step(n) for n in step_names()]}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "surrogates workflow", **top}


def dataclass_schema(cls: Any) -> dict[str, Any]:
    """A mapping with the fields of `cls`."""
    words = _argument_words(cls)
    properties, required = {}, []
    for field in fields(cls):
        if field.name not in hints_of(cls):
            continue
        entry = hint_schema(hints_of(cls)[field.name])
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if default is MISSING:
            required.append(field.name)
        elif default is not None:
            entry = {**entry, "default": encode(default)}
        if field.name in words:
            entry = {**entry, "description": words[field.name]}
        properties[field.name] = entry
    text = (inspect.getdoc(cls) or "").partition("\n")[0]
    found = {"type": "object", "description": text, "properties": properties, "additionalProperties": False}
    return {**found, "required": required} if required else found


def hint_schema(hint: Any) -> dict[str, Any]:
    """What an annotation accepts."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _marked(hint_schema(arguments[0]), arguments[1:])
    if origin in (Union, UnionType):
        return {"anyOf": [hint_schema(a) for a in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if is_dataclass(hint):
        return dataclass_schema(hint)
    if origin in (list, tuple):
        return {"type": "array", "items": hint_schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": hint_schema(arguments[1])}
    return dict(_PLAIN.get(hint, {}))


def _marked(schema: dict[str, Any], marks: tuple[Any, ...]) -> dict[str, Any]:
    for mark in marks:
        if isinstance(mark, Unit):
            schema = {**schema, "x-unit": mark.name}
        elif isinstance(mark, Within):
            schema = {**schema, "exclusiveMinimum" if mark.open else "minimum": mark.low}
            schema |= {"maximum": mark.high} if mark.high != float("inf") else {}
        elif isinstance(mark, ReferencePart):
            schema = {"anyOf": [reference_schema(), _LINK]}
        elif isinstance(mark, Part):
            schema = {"oneOf": [_part(*name.split(":")) for name in parts_in(mark.rooms)]}
        elif isinstance(mark, Takes):
            schema = {**schema, "description": f"${{step}} or a path: {mark.kind}"}
    return schema


def _step(name: str) -> dict[str, Any]:
    schema = dataclass_schema(step_class(name))
    common = {"use": {"const": name}, "seed": {"type": "integer"}, "for_each": {"type": "object"}}
    return {
        **schema,
        "properties": {**common, **schema["properties"]},
        "required": ["use", *schema.get("required", [])],
    }


def _part(module: str, name: str) -> dict[str, Any]:
    parameters = parameters_of(module, name)
    properties = {p.name: {**_annotation(p.annotation), "x-type": p.annotation} for p in parameters}
    required = [p.name for p in parameters if p.required and p.name not in FROM_DATA]
    use = {"use": {"const": f"{module}:{name}"}}
    return {
        "type": "object",
        "properties": use | properties,
        "required": ["use", *required],
        "additionalProperties": False,
    }


def _annotation(text: str) -> dict[str, Any]:
    """Schema of an annotation as written; anything that is not a plain type is left open."""
    node = ast.parse(text or "object", mode="eval").body
    return {"type": _JSON[node.id]} if isinstance(node, ast.Name) and node.id in _JSON else {}


def _argument_words(cls: Any) -> dict[str, str]:
    """`name: words` of a docstring's Args."""
    _, _, text = (inspect.getdoc(cls) or "").partition("Args:")
    pieces = re.split(r"(?:^|(?<=[.;])\s)\s*((?:[a-z_]+, )*[a-z_]+): ", " ".join(text.split()))
    return {
        n: words.strip() for names, words in zip(pieces[1::2], pieces[2::2], strict=False) for n in names.split(", ")
    }
