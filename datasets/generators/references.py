"""References: the trusted calculators that make labels, built from a specification in a file.

A specification is a mapping such as {"use": "tblite.ase:TBLite", "method": "GFN2-xTB", "accuracy": 0.01}. What may be
named stands in `allowed.py`, what arguments take in `arguments.py`. Nothing is imported before the whole specification
has been checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from surrogates.datasets.generators.allowed import ALLOWED, ELECTRONS, REFUSED, Allowed
from surrogates.datasets.generators.arguments import checked, nearest, object_schema
from surrogates.physics.errors import DomainError, MissingExtra, TrustError

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


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
        return Reference(use, checked(use, given))
    if use in set(trust) and _PATH.fullmatch(use):
        return Reference(use, given, trusted=True)
    raise TrustError(
        f"reference {use!r} is not on the list of calculators that a file may name: {', '.join(ALLOWED)}"
        f"{nearest(use, ALLOWED)}. The person who runs may allow it with trust=[{use!r}] or --trust {use}"
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
    return {"oneOf": [object_schema(use, entry) for use, entry in ALLOWED.items()]}


def _electronic() -> list[str]:
    return [use for use, entry in ALLOWED.items() if entry.electronic]


def _listing(values: Mapping[str, Any]) -> str:
    return " and ".join(f"{k} {v:g}" for k, v in values.items())
