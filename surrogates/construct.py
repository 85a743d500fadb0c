"""Parts named in files: {"use": "surrogates.potentials.mace:MACE", "r_max": 5.0}.

A file may name classes of the rooms below, nothing else; the person who runs may trust more, a file never can. The name
is checked as text before anything is imported, then the class is checked for where it was defined and what it is.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from surrogates.physics.errors import FileError, TrustError

ROOMS = (
    "surrogates.potentials",
    "surrogates.tensor_properties",
    "surrogates.operators",
    "surrogates.pinns",
    "surrogates.solvers",
    "surrogates.meshes",
    "surrogates.states",
    "surrogates.generative",
    "surrogates.equivariance",
    "surrogates.blocks",
    "surrogates.tasks",
    "surrogates.uncertainty",
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z][A-Za-z0-9_]*")
_DEPTH = 20


def check_name(use: Any, trust: Sequence[str] = ()) -> tuple[str, str]:
    """Module and class of a part's name, if a file may name it. Raises TrustError; imports nothing.

    `trust` holds modules ("my_models") or single classes ("my_models.net:Net") that the person who runs allows.
    """
    if not isinstance(use, str) or not _NAME.fullmatch(use):
        raise TrustError(f"{use!r} is not the name of a part; write it as 'surrogates.potentials.mace:MACE'")
    module, name = use.split(":")
    if not (_within(module, ROOMS) or _within(module, trust) or use in trust):
        raise TrustError(
            f"{use} may not be named in a file: parts come from {', '.join(ROOMS)}; "
            f"if you wrote or reviewed {module} yourself, allow it with trust=[{module!r}]"
        )
    return module, name


def part(use: Any, trust: Sequence[str] = ()) -> type:
    """The class that `use` names. Raises TrustError for what is no torch module defined in a permitted module."""
    module, name = check_name(use, trust)
    try:
        found = getattr(import_module(module), name)
    except ImportError as error:
        raise FileError(f"{use} cannot be imported: {error}; check its spelling and your version") from error
    except AttributeError:
        near = difflib.get_close_matches(name, [n for n in vars(import_module(module)) if n[0].isupper()], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise FileError(f"{module} has no {name}{hint}") from None
    if not isinstance(found, type) or not _is_torch_module(found):
        raise TrustError(f"{use} is not a model or task (a torch.nn.Module class); only those may be named in a file")
    if not (_within(found.__module__, (*ROOMS, *trust)) or use in trust):
        raise TrustError(f"{use} is defined in {found.__module__}, which may not be named in a file")
    return found


def construct(spec: Mapping[str, Any], trust: Sequence[str] = ()) -> Any:
    """The module a spec describes; arguments that are specs, or lists of specs, are constructed first.

    Raises TrustError for a name that is not allowed, FileError for arguments that the class does not take.
    """
    return _construct(spec, tuple(trust), 0)


def describe(module: Any) -> dict[str, Any]:
    """The spec of a module: its class, and its `arguments` with modules among them described in turn.

    Raises FileError for a class that cannot be named (a local class) or keeps no `arguments`.
    """
    cls = type(module)
    if not isinstance(getattr(module, "arguments", None), Mapping) or "<locals>" in cls.__qualname__:
        raise FileError(
            f"a {cls.__module__}.{cls.__qualname__} cannot be written to a file: give it an attribute `arguments`, "
            "the dict of the keyword arguments it was made with, and define the class at the top of a module"
        )
    return {"use": f"{cls.__module__}:{cls.__qualname__}", **{k: _describe(v) for k, v in module.arguments.items()}}


def _describe(value: Any) -> Any:
    if _is_torch_module(type(value)):
        return describe(value)
    if isinstance(value, Mapping):
        return {str(k): _describe(v) for k, v in value.items()}
    if not isinstance(value, str) and isinstance(value, Sequence):
        return [_describe(v) for v in value]
    return value


def _construct(value: Any, trust: tuple[str, ...], depth: int) -> Any:
    if depth > _DEPTH:
        raise FileError(f"parts are nested deeper than {_DEPTH}; this file is damaged")
    if isinstance(value, list):
        return [_construct(v, trust, depth + 1) for v in value]
    if not isinstance(value, Mapping):
        return value
    arguments = {k: _construct(v, trust, depth + 1) for k, v in value.items() if k != "use"}
    if "use" not in value:
        return arguments
    return _call(part(value["use"], trust), value["use"], arguments)


def _call(cls: type, use: str, arguments: dict[str, Any]) -> Any:
    parameters = inspect.signature(cls).parameters
    starred = [n for n, p in parameters.items() if p.kind is p.VAR_POSITIONAL]
    unknown = [n for n in arguments if n not in parameters]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        near = difflib.get_close_matches(unknown[0], parameters, 1)
        hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(parameters)}"
        raise FileError(f"{use} takes no argument {unknown[0]!r}; {hint}")
    positional = [x for n in starred for x in arguments.pop(n, [])]
    try:
        return cls(*positional, **arguments)
    except TypeError as error:
        raise FileError(f"{use} does not accept these arguments: {error}") from error


def _within(module: str, rooms: Sequence[str]) -> bool:
    return any(module == room or module.startswith(room + ".") for room in rooms)


def _is_torch_module(cls: type) -> bool:
    return any(c.__module__ == "torch.nn.modules.module" and c.__name__ == "Module" for c in cls.__mro__)
