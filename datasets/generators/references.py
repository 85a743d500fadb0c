"""References: the trusted calculators that make labels, built from a specification in a file.

A specification is a mapping such as {"use": "tblite.ase:TBLite", "method": "GFN2-xTB", "accuracy": 0.01}. What may be
named stands in `allowed.py`. Nothing is imported before the whole specification has been checked.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from surrogates.datasets.generators.allowed import ALLOWED, ELECTRONS, REFUSED, Allowed, Argument
from surrogates.physics.errors import DomainError, MissingExtra, TrustError

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
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


@dataclass(frozen=True)
class Reference:
    """A checked specification: which class, and every argument with its value.

    Args:
        use: "module:Class".
        arguments: JSON values, defaults filled in, so that two spellings of one method have one identity.
        trusted: the class is not on the list; the person who runs allowed it.
    """

    use: str
    arguments: Mapping[str, Any]
    trusted: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        """The specification as it would stand in a file; arguments without a value are left out."""
        return {"use": self.use, **{k: v for k, v in self.arguments.items() if v is not None}}

    @property
    def electronic(self) -> bool:
        """Whether it knows charge and spin; unknown (False) of a class that is not on the list."""
        return not self.trusted and self._entry().electronic

    def identity(self) -> str:
        """JSON of class, arguments and library version: equal strings mean equal labels."""
        from importlib import metadata  # slow to import, and a file is checked without it

        package = self._entry().package if not self.trusted else self.use.partition(".")[0].partition(":")[0]
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            version = "unknown"
        return json.dumps({**self.spec, "version": f"{package} {version}", **self._of_site("identity")}, sort_keys=True)

    def require(self) -> None:
        """MissingExtra or FileError, with what to install, where this machine lacks it; imports no package."""
        from importlib.util import find_spec

        if self.trusted:
            return
        entry = self._entry()
        if entry.extra is not None and find_spec(entry.package) is None:
            raise MissingExtra(entry.package, entry.extra)
        self._of_site("require")

    def electrons(self, charge: float | int | None, multiplicity: int | None) -> dict[str, int]:
        """The charge and multiplicity to calculate with; DomainError where structure and specification contradict."""
        given = {"charge": charge, "multiplicity": multiplicity}
        neutral = {"charge": 0, "multiplicity": 1}
        if not self.electronic:
            unknown = {k: v for k, v in given.items() if v is not None and v != neutral[k]}
            if unknown and not self.trusted:
                raise DomainError(
                    f"the structure has {_listing(unknown)}, which {self.use} does not know; "
                    f"name a reference with electrons ({', '.join(_electronic())}) or a neutral singlet"
                )
            return {}
        return {name: self._agreed(name, given[name], neutral[name]) for name in neutral}

    def calculator(self, *, charge: float | int | None = None, multiplicity: int | None = None) -> Any:
        """A new ASE calculator, without history; MissingExtra when its package is not installed."""
        electrons = self.electrons(charge, multiplicity)
        fixed = {} if self.trusted else dict(self._entry().fixed)
        given = {k: v for k, v in self.arguments.items() if v is not None and k not in ELECTRONS}
        return self._load()(**given, **electrons, **fixed)

    def _agreed(self, name: str, structure: float | int | None, neutral: int) -> int:
        stated = self.arguments.get(name)
        if stated is not None and structure is not None and structure != stated:
            raise DomainError(
                f"the structure has {name} {structure:g}, the reference says {name}: {stated}; "
                f"it belongs to the structure, so state {name} there and leave it out of the reference"
            )
        value = stated if stated is not None else structure if structure is not None else neutral
        if value != int(value):
            raise DomainError(f"{name} {value} is not a whole number; {self.use} needs one")
        return int(value)

    def _entry(self) -> Allowed:
        return ALLOWED[self.use]

    def _of_site(self, question: str) -> dict[str, Any]:
        """What the site's module answers; {} for a reference that needs no program."""
        site = None if self.trusted else self._entry().site
        return {} if site is None else getattr(import_module(site), question)(self.arguments) or {}

    def _load(self) -> Any:
        stand_in = None if self.trusted else self._entry().made_by
        module, _, name = (stand_in or self.use).partition(":")
        try:
            return getattr(import_module(module), name)
        except ImportError as error:
            if not self.trusted and (extra := self._entry().extra):
                raise MissingExtra(self._entry().package, extra) from error
            raise TrustError(f"reference {self.use!r} cannot be imported: {error}; install its package") from error
        except AttributeError as error:
            raise TrustError(f"reference {self.use!r}: {module} has no {name}; give module:Class") from error


def parse_reference(spec: Any, *, trust: Iterable[str] = ()) -> Reference:
    """Check a specification against the list and fill in its defaults; nothing is imported.

    `trust` holds further "module:Class" paths that the person who runs (never the file) allows.
    TrustError for a class or argument that may not be named, DomainError for a value of the wrong type or range.
    """
    if isinstance(spec, Reference):
        return spec
    if not isinstance(spec, Mapping) or not isinstance(spec.get("use"), str):
        raise DomainError(
            f"a reference was given as {spec!r}; give a mapping with use: module:Class and its arguments, "
            f"where use is one of {', '.join(ALLOWED)}"
        )
    use = str(spec["use"])
    given = {str(k): v for k, v in spec.items() if k != "use"}
    for name in given:
        if name in REFUSED:
            raise TrustError(
                f"reference {use} was given {name!r}: {given[name]!r}; a file may not set it, since it names programs "
                "or files to write. Leave it out; executables come from the site configuration"
            )
    if use in ALLOWED:
        return Reference(use, _checked(use, given))
    if use in set(trust) and _PATH.fullmatch(use):
        return Reference(use, given, trusted=True)
    raise TrustError(
        f"reference {use!r} is not on the list of calculators that a file may name: {', '.join(ALLOWED)}"
        f"{_nearest(use, ALLOWED)}. The person who runs may allow it with trust=[{use!r}] or --trust {use}"
    )


def make_reference(
    spec: Any,
    *,
    charge: float | int | None = None,
    multiplicity: int | None = None,
    trust: Iterable[str] = (),
) -> Any:
    """A new ASE calculator from a specification; errors as in `parse_reference`, MissingExtra without its package."""
    return parse_reference(spec, trust=trust).calculator(charge=charge, multiplicity=multiplicity)


def reference_schema() -> dict[str, Any]:
    """JSON Schema of a reference: one alternative for each class on the list, with units and defaults."""
    return {"oneOf": [_object_schema(use, entry) for use, entry in ALLOWED.items()]}


def accepted_arguments(use: str) -> dict[str, Argument]:
    """The arguments of a class on the list, charge and multiplicity included where it knows them."""
    entry = ALLOWED[use]
    return {**entry.arguments, **(ELECTRONS if entry.electronic else {})}


def _checked(use: str, given: Mapping[str, Any]) -> dict[str, Any]:
    accepted = accepted_arguments(use)
    for name in given:
        if name not in accepted:
            raise TrustError(
                f"reference {use} has no argument {name!r}; it takes {', '.join(accepted)}{_nearest(name, accepted)}"
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


def _object_schema(use: str, entry: Allowed) -> dict[str, Any]:
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


def _electronic() -> list[str]:
    return [use for use, entry in ALLOWED.items() if entry.electronic]


def _nearest(word: str, words: Iterable[str]) -> str:
    near: Sequence[str] = difflib.get_close_matches(word, list(words), 1, 0.4)
    return f"; did you mean {near[0]!r}?" if near else ""


def _listing(values: Mapping[str, Any]) -> str:
    return " and ".join(f"{k} {v:g}" for k, v in values.items())
