"""Which generators make fields or meshes and what they take, read from the source without importing it."""

from __future__ import annotations

import ast
from functools import cache

from surrogates.workflows.source_tree import modules_of, tree_of

_ROOM = "surrogates.datasets.generators"


@cache
def generators(makes: str = "Fields") -> dict[str, ast.FunctionDef]:
    """Functions that return `Fields`, or what else `makes` names, by name; in the modules of the generators' room.

    Those that take an equation are for scripts: a file cannot name one.
    """
    found = {}
    for module in modules_of(_ROOM):
        tree = tree_of(module)
        for node in tree.body if tree else ():
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _returns(node, makes):
                found[node.name] = node
    return {n: f for n, f in sorted(found.items()) if "samples" in _names(f) and "equation" not in _names(f)}


def arguments_of(generator: str, makes: str = "Fields") -> list[str]:
    """Names of its arguments."""
    return _names(generators(makes)[generator])


def _names(node: ast.FunctionDef) -> list[str]:
    return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def _returns(node: ast.FunctionDef, makes: str) -> bool:
    return node.returns is not None and ast.unparse(node.returns).split(".")[-1] == makes
