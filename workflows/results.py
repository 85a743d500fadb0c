"""Results as JSON and back: frozen dataclasses of numbers, text, lists and mappings."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from surrogates.physics.errors import FileError
from surrogates.workflows.files import read_json
from surrogates.workflows.typed import hints_of


def encode(value: Any) -> Any:
    """Plain data of a dataclass; arrays become lists, what is not finite becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return encode(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"a result cannot hold a {type(value).__name__}")


def decode(hint: Any, value: Any) -> Any:
    """The dataclass that `encode` made `value` from."""
    origin, arguments = get_origin(hint), get_args(hint)
    if value is None:
        return None
    if origin is Annotated:
        return decode(arguments[0], value)
    if origin in (Union, UnionType):
        inner = [a for a in arguments if a is not type(None)]
        return decode(inner[0], value) if len(inner) == 1 else value
    if is_dataclass(hint):
        hints = hints_of(hint)  # type: ignore[arg-type]
        return hint(**{key: decode(hints[key], item) for key, item in value.items() if key in hints})  # type: ignore[operator]
    if origin is dict:
        return {key: decode(arguments[1], item) for key, item in value.items()}
    if origin is tuple and arguments[-1] is Ellipsis:
        return tuple(decode(arguments[0], item) for item in value)
    if origin is tuple:
        return tuple(decode(a, item) for a, item in zip(arguments, value, strict=True))
    if origin is list:
        return [decode(arguments[0], item) for item in value]
    return value


def name_of(cls: type) -> str:
    """`module:Class` of a result."""
    return f"{cls.__module__}:{cls.__qualname__}"


def read_result(folder: Path) -> Any:
    """The result of a finished unit; a list of them for a step with `for_each:`."""
    done, plain = read_json(folder / "done.json"), read_json(folder / "result.json")
    if done is None or plain is None:
        raise FileError(f"{folder} has no finished result; run the workflow first")
    if "each" in done:
        return [read_result(folder / str(n)) for n in range(done["each"])]
    module, _, name = done["class"].partition(":")
    if not module.startswith("surrogates.workflows.steps."):
        raise FileError(f"{folder / 'done.json'} names {done['class']}, which is no result of a step")
    return decode(getattr(import_module(module), name), plain)
