"""Reads the library's own source without importing it: where modules lie, what classes take, what imports what."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import surrogates

_INSIDE = Path(surrogates.__file__).parent
_FLOORS = ("physics", "datasets", "workflows")


def file_of(module: str) -> Path | None:
    """The file of `surrogates.a.b`, None when there is none; packages give their `__init__.py`."""
    parts = module.split(".")
    if parts[0] != "surrogates" or not all(p.isidentifier() for p in parts):
        return None
    if len(parts) == 1:
        return _INSIDE / "__init__.py"
    base = _floor(parts[1]) if parts[1] in _FLOORS else _INSIDE / parts[1]
    path = base.joinpath(*parts[2:])
    for found in (path.with_suffix(".py"), path / "__init__.py"):
        if found.is_file():
            return found
    return None


@cache
def _floor(name: str) -> Path:
    """`physics` lies inside the package in a wheel, beside it in a checkout."""
    inside = _INSIDE / name
    return inside if inside.is_dir() else _INSIDE.parent / name


def modules_of(package: str) -> list[str]:
    """Public modules below a package, sorted."""
    init = file_of(package)
    if init is None or init.name != "__init__.py":
        return []
    found = []
    for path in sorted(init.parent.rglob("*.py")):
        parts = path.relative_to(init.parent).with_suffix("").parts
        if not any(p.startswith("_") for p in parts):
            found.append(".".join((package, *parts)))
    return found


@cache
def tree_of(module: str) -> ast.Module | None:
    """The syntax tree of a module of the library."""
    path = file_of(module)
    return None if path is None else ast.parse(path.read_text(encoding="utf-8"))


def classes_of(module: str) -> dict[str, ast.ClassDef]:
    """Public classes defined at the top of a module, by name."""
    tree = tree_of(module)
    body = tree.body if tree else []
    return {n.name: n for n in body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")}


def functions_of(module: str) -> dict[str, ast.FunctionDef]:
    """Public functions defined at the top of a module, by name."""
    tree = tree_of(module)
    body = tree.body if tree else []
    return {n.name: n for n in body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")}


def is_model(cls: ast.ClassDef) -> bool:
    """Whether a class says in its source that it is an `nn.Module` that maps a whole batch, as a file may name it.

    That is a batch class, or channels on a grid, (batch, channels, *space), with the parameters of each sample, or
    channels at the nodes of meshes with a MeshGraph, or a graph that it makes of a mesh itself.
    """
    forward, texts = _forward(cls)
    second = [a for f in forward for a in f.args.args[2:3]]
    if any(a.annotation is not None and ast.unparse(a.annotation) == "MeshGraph" for a in second):
        return True
    told = any(a.arg == "parameters" for a in second)
    graphs = any(isinstance(n, ast.FunctionDef) and n.name == "graph" for n in cls.body)  # it makes its own
    if graphs and any(t.endswith("Graph") for t in texts):
        return True
    return any(t.endswith("Batch") or (told and re.search(r"'batch \w+ \*space'", t)) for t in texts)


def is_network(cls: ast.ClassDef) -> bool:
    """Whether a class says in its source that it is an `nn.Module` on points, (batch, inputs) -> (batch, outputs)."""
    return any(re.search(r"'batch \w+'", text) for text in _forward(cls)[1])


def is_forward(cls: ast.ClassDef) -> bool:
    """Whether a class is an `nn.Module` with a method `forward`, whatever it takes."""
    return bool(_forward(cls)[0])


def _forward(cls: ast.ClassDef) -> tuple[list[ast.FunctionDef], list[str]]:
    """The method `forward` of an `nn.Module`, and the annotation of its first argument; empty for other classes."""
    if not any(ast.unparse(base) in ("nn.Module", "torch.nn.Module", "Module") for base in cls.bases):
        return [], []
    forward = [n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "forward"]
    annotations = [a.annotation for f in forward for a in f.args.args[1:2]]
    return forward, [ast.unparse(a) for a in annotations if a is not None]
