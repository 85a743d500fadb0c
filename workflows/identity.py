"""What a step's result depends on: arguments, content of its inputs, source of the modules it uses, versions.

Two equal identities mean equal results. The source is compared without comments and docstrings, module by module: what
a module imports counts too, and what an `__init__` only passes on is followed to the module that defines it.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import sys
from functools import cache
from importlib import metadata
from typing import Any

from surrogates.workflows.files import canonical
from surrogates.workflows.source_tree import file_of, tree_of

Identity = dict[str, Any]


def identity_of(use: str, arguments: Any, inputs: dict[str, str], seed: int, device: str) -> Identity:
    """The parts of a step's identity; `inputs` are digests by link or path, `arguments` plain data with links in it."""
    parts = sorted(_named_parts(arguments))
    modules = used_modules(f"surrogates.workflows.steps.{use}", *(m for m in parts if m.startswith("surrogates.")))
    return {
        "arguments": arguments,
        "inputs": inputs,
        "seed": seed,
        "device": device,
        "sources": {module: source_digest(module) for module in modules},
        "versions": versions(*sorted({p.partition(".")[0] for p in parts} | _foreign(modules))),
    }


def digest_of(identity: Identity) -> str:
    """One hash of all parts."""
    return hashlib.sha256(canonical(identity).encode()).hexdigest()


def differences(old: Identity, new: Identity) -> list[str]:
    """In words: why a result with identity `old` is not what `new` asks for."""
    found = []
    for part in ("arguments", "inputs", "sources", "versions"):
        before, after = _flat(old.get(part) or {}), _flat(new.get(part) or {})
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                found.append(_difference(part, key, before.get(key), after.get(key)))
    return found + [f"{p} was {old.get(p)}, is {new.get(p)}" for p in ("seed", "device") if old.get(p) != new.get(p)]


def used_modules(*modules: str) -> tuple[str, ...]:
    """Every module of the library that `modules` import, directly or not, themselves included, sorted.

    The top `__init__` is left out: it computes nothing and names everything.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and module != "surrogates" and file_of(module) is not None:
            found.add(module)
            waiting += _imports(module)
    return tuple(sorted(found))


@cache
def source_digest(module: str) -> str:
    """Hash of a module's syntax tree without docstrings, so that comments and line breaks count for nothing."""
    path = file_of(module)
    if path is None:
        return "absent"
    dumped = ast.dump(_Bare().visit(ast.parse(path.read_text(encoding="utf-8"))))
    return hashlib.sha256(dumped.encode()).hexdigest()[:16]


@cache
def version_of(package: str) -> str | None:
    """The installed version of what is imported as `package`, None for the standard library and the unknown."""
    for name in (package, package.replace("_", "-")):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def versions(*packages: str) -> dict[str, str]:
    """Installed versions, Python's own included."""
    known = {p: v for p in packages if (v := version_of(p)) is not None and p != "surrogates"}
    return {"python": platform.python_version(), **known}


@cache
def _imports(module: str) -> tuple[str, ...]:
    found: list[str] = []
    for node in ast.walk(tree_of(module) or ast.Module([], [])):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.startswith("surrogates.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "surrogates":
            found += [_defining(str(node.module), a.name) for a in node.names]
    return tuple(found)


@cache
def _defining(package: str, name: str) -> str:
    """The module that `from package import name` comes from; an `__init__` that passes it on is looked through."""
    path = file_of(package)
    if path is None or path.name != "__init__.py":
        return package
    if file_of(f"{package}.{name}") is not None:
        return f"{package}.{name}"
    for node in ast.walk(tree_of(package) or ast.Module([], [])):
        if isinstance(node, ast.ImportFrom) and node.module and name in [a.asname or a.name for a in node.names]:
            original = next(a.name for a in node.names if (a.asname or a.name) == name)
            return _defining(node.module, original)
    return package


def _foreign(modules: tuple[str, ...]) -> set[str]:
    names: set[str] = set()
    for module in modules:
        for node in ast.walk(tree_of(module) or ast.Module([], [])):
            if isinstance(node, ast.Import):
                names |= {a.name.partition(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names)


def _named_parts(value: Any) -> set[str]:
    """Modules named as `use: "module:Class"` inside plain data."""
    if isinstance(value, list):
        return set().union(*map(_named_parts, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    inner = set().union(*map(_named_parts, value.values())) if value else set()
    use = value.get("use")
    return inner | {use.partition(":")[0]} if isinstance(use, str) and ":" in use else inner


class _Bare(ast.NodeTransformer):
    """Removes docstrings."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:]  # type: ignore[attr-defined]
        return node


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in _flat(item, f"{path}.{key}" if path else key).items()}
    return {path: value}


def _difference(part: str, key: str, before: Any, after: Any) -> str:
    if part == "sources":
        return (
            f"the source of {key} changed" if before and after else f"{key} is {'no longer' if before else 'now'} used"
        )
    if part == "inputs":
        return f"its input {key} changed"
    return f"{key} was {before if before is not None else 'absent'}, is {after if after is not None else 'absent'}"
