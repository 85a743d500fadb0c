"""What stands for the objects of a pickle: names and data, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from surrogates.physics.errors import FileError


@dataclass(eq=False)
class Stub:
    """An object of a foreign class: its name, what it was made with, and its attributes."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The class without its module."""
        return self.name.split(".")[-1]

    def has(self, key: str) -> bool:
        """Whether there is such an attribute, buffer, parameter or sub-module that is not None."""
        return self.get(key) is not None

    def get(self, key: str, default: Any = None) -> Any:
        """An attribute, buffer, parameter or sub-module; `default` where it is absent."""
        for place in (self.state, *(self.state.get(part) for part in ("_parameters", "_buffers", "_modules"))):
            if isinstance(place, dict) and place.get(key) is not None:
                return place[key]
        return default

    def module(self, key: str) -> Stub:
        """A sub-module. Raises FileError where it is missing."""
        found = self.get(key)
        if not isinstance(found, Stub):
            raise FileError(f"this model file is incomplete: {self.kind} has no part {key!r}")
        return found

    def modules(self, key: str) -> list[Stub]:
        """The sub-modules of a list."""
        found = self.module(key).state.get("_modules")
        if not isinstance(found, dict) or not all(isinstance(m, Stub) for m in found.values()):
            raise FileError(f"this model file is incomplete: {self.kind}.{key} is no list of modules")
        return list(found.values())

    def tensor(self, key: str) -> Tensor:
        """A buffer or parameter, float64 where it is floating-point. Raises FileError where it is missing."""
        found = self.get(key)
        if not isinstance(found, Tensor):
            raise FileError(f"this model file is incomplete: {self.kind} has no tensor {key!r}")
        return found.double() if found.is_floating_point() else found

    def number(self, key: str) -> float:
        """A float, int or tensor of one element as a float."""
        found = self.get(key)
        if isinstance(found, Tensor) and found.numel() == 1:
            return float(found)
        if isinstance(found, int | float):
            return float(found)
        raise FileError(f"this model file is incomplete: {self.kind} has no number {key!r}")


@dataclass(frozen=True)
class Token:
    """A class or function by its name alone."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A record of the archive: element type, key, number of elements."""

    kind: str
    key: str
    count: int
