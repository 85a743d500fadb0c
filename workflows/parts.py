"""Parts named in a workflow file, checked against the source of their class before anything is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from math import isfinite
from typing import Any

from surrogates.construct import check_name
from surrogates.physics.errors import SurrogatesError
from surrogates.workflows.source_tree import (
    classes_of,
    file_of,
    functions_of,
    is_forward,
    is_model,
    is_network,
    modules_of,
)
from surrogates.workflows.words import accepted, nearest
from surrogates.workflows.yaml_file import Document, Place

MESHES = "surrogates.meshes"
FROM_DATA = ("elements",)  # what training takes from the data unless the file gives it
_FROM_MESHES = ("dim", "in_channels", "out_channels")  # and of a network on meshes
NETWORKS, PROBLEMS = "surrogates.pinns", "surrogates.pinns.problems"  # of points; functions that make equations
_OURS = ("how",)  # arguments of a problem that a step gives
_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}


@dataclass(frozen=True)
class Parameter:
    """One argument of a part: its annotation as written, and whether it must be given."""

    name: str
    annotation: str
    required: bool
    default: str = ""


def check_part(
    document: Document, place: Place, value: dict[str, Any], rooms: tuple[str, ...], trust: tuple[str, ...] = ()
) -> dict[str, Any]:
    """`value`, if its `use` is a class of `rooms` and the other keys are arguments of it, with fitting types."""
    use = value.get("use")
    if not isinstance(use, str):
        raise document.error(place, f'a part needs use: "module:Class"; {_example(rooms)}')
    module, name = _named(document, place, use, rooms, trust)
    if not any(module == r or module.startswith(r + ".") for r in rooms):
        return value  # trusted by the person who runs; its own constructor checks the arguments
    parameters = {p.name: p for p in parameters_of(module, name)}
    for key, item in value.items():
        if key == "use":
            continue
        if key not in parameters:
            raise document.error((*place, key), f'{name} has no argument "{key}"; {accepted(parameters, key)}')
        if rooms == (NETWORKS,):  # networks inside another one
            inner = [((*place, key), item)] if isinstance(item, dict) else []
            inner = [((*place, key, k), x) for k, x in enumerate(item)] if isinstance(item, list) else inner
            for where, part in inner:
                if isinstance(part, dict) and "use" in part:
                    check_part(document, where, part, rooms, trust)
        if isinstance(item, float) and not isfinite(item):
            raise document.error((*place, key), f"{item!r} is not a finite number")
        if not fits(parameters[key].annotation, item):
            wanted = parameters[key].annotation
            raise document.error((*place, key), f"{item!r} does not fit {name}'s argument {key}: {wanted}")
    given_later = (*FROM_DATA, *(_FROM_MESHES if rooms == (MESHES,) else ()))
    for parameter in parameters.values():
        if parameter.required and parameter.name not in value and parameter.name not in given_later:
            raise document.error(place, f'{name} needs the argument "{parameter.name}": {parameter.annotation}')
    return value


def _named(
    document: Document, place: Place, use: str, rooms: tuple[str, ...], trust: tuple[str, ...]
) -> tuple[str, str]:
    here = (*place, "use")
    try:
        module, name = check_name(use, trust)
    except SurrogatesError as error:
        raise type(error)(f"{document.where(here)}: {error}") from error
    if any(module == t or module.startswith(t + ".") or use == t for t in trust):
        return module, name
    known = parts_in(rooms)
    if use not in known:
        close = nearest(use, known)
        hint = f'did you mean "{close}"?' if close else f"there are {', '.join(known)}"
        raise document.error(here, f"{use} is no part of {', '.join(rooms)}; {hint}")
    return module, name


def parts_in(rooms: tuple[str, ...]) -> list[str]:
    """Every `module:Name` of rooms that a file may name, read from the source."""
    modules = [(room, module) for room in rooms for module in modules_of(room) or [room]]
    return [f"{module}:{name}" for room, module in modules for name in _offered(room, module)]


def _offered(room: str, module: str) -> list[str]:
    """Names in a module: the function of its own name in the room of problems, classes in all others."""
    if room == PROBLEMS:
        return [name for name, node in functions_of(module).items() if _makes_problem(module, node)]
    kind = is_network if room == NETWORKS else is_forward if file_of(room) == file_of(module) else is_model
    return [name for name, cls in classes_of(module).items() if kind(cls) and not module.startswith(PROBLEMS)]


def _makes_problem(module: str, node: ast.FunctionDef) -> bool:
    returns = "" if node.returns is None else ast.unparse(node.returns)
    return node.name == module.rpartition(".")[2] and returns.split(".")[-1] == "Problem"


def takes_how(use: str) -> bool:
    """Whether a problem computes its derivatives as it is told."""
    module, _, name = use.partition(":")
    node = functions_of(module).get(name)
    return node is not None and any(p.name in _OURS for p in _parameters(node.args, own=0))


def parameters_of(module: str, name: str) -> list[Parameter]:
    """The arguments of a class's `__init__`, or of a function that makes a problem, from its source."""
    functions = functions_of(module)
    if name in functions:
        return [p for p in _parameters(functions[name].args, own=0) if p.name not in _OURS]
    for node in classes_of(module)[name].body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return _parameters(node.args)
    return []


def _parameters(arguments: ast.arguments, own: int = 1) -> list[Parameter]:
    """Without the first `own` ones, which is `self`."""
    plain = arguments.posonlyargs + arguments.args[own:]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(plain, defaults[-len(plain) :] if plain else [], strict=True)]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [
        Parameter(a.arg, ast.unparse(a.annotation) if a.annotation else "", d is None, ast.unparse(d) if d else "")
        for a, d in pairs
    ]


def fits(annotation: str, value: Any) -> bool:
    """Whether plain data fits an annotation as written; annotations that plain data cannot be told by are accepted."""
    if not annotation:
        return True
    return _fits(ast.parse(annotation, mode="eval").body, value)


def _fits(node: ast.expr, value: Any) -> bool:
    if isinstance(node, ast.BinOp):
        return _fits(node.left, value) or _fits(node.right, value)
    if isinstance(node, ast.Constant):
        return value is None if node.value is None else True
    if isinstance(node, ast.Name):
        if node.id not in _TYPES:
            return True
        return isinstance(value, _TYPES[node.id]) and (node.id == "bool" or not isinstance(value, bool))
    if isinstance(node, ast.Subscript):
        return _subscript(ast.unparse(node.value), node.slice, value)
    return True


def _subscript(outer: str, inner: ast.expr, value: Any) -> bool:
    members = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if outer == "Literal":
        return value in [m.value for m in members if isinstance(m, ast.Constant)]
    if outer in ("list", "tuple", "Sequence"):
        members = [m for m in members if not (isinstance(m, ast.Constant) and m.value is Ellipsis)]
        return isinstance(value, list) and all(any(_fits(m, item) for m in members) for item in value)
    if outer in ("dict", "Mapping"):
        return isinstance(value, dict)
    return True


def _example(rooms: tuple[str, ...]) -> str:
    known = parts_in(rooms)
    return f"for example {known[0]}" if known else f"from {', '.join(rooms)}"
