"""Angles of gates: numbers, or affine functions of a circuit's named parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class Angle:
    """constant + sum of slope * parameter, in radians.

    Sums, differences, and products with numbers are angles again; anything else of a parameter is refused, because
    gradients and export need no more than this.
    """

    constant: float | int = 0.0
    slopes: Mapping[str, float | int] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.constant, tuple(sorted(self.slopes.items()))))

    @classmethod
    def of(cls, value: Any) -> Angle:
        """A number or an angle. Raises DomainError for anything else, and for numbers that are not finite."""
        if isinstance(value, Angle):
            return value
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise DomainError(f"{value!r} is no angle; give a number in radians, or an Angle of parameters") from None
        if not math.isfinite(number):
            raise DomainError(f"an angle of {number} is not finite")
        return cls(number)

    @classmethod
    def parameter(cls, name: str) -> Angle:
        """The parameter of this name itself."""
        return cls(0.0, {name: 1.0})

    @property
    def number(self) -> float:
        """The value of an angle without parameters. Raises DomainError where it has some."""
        if self.slopes:
            raise DomainError(f"the angle {self} has no value yet; bind its parameters")
        return self.constant

    def value(self, parameters: Mapping[str, Any]) -> Any:
        """Its value where the parameters have these values: numbers, or tensors, which keep their graph."""
        missing = [name for name in self.slopes if name not in parameters]
        if missing:
            raise DomainError(f"the parameter {missing[0]!r} has no value; bind {', '.join(missing)}")
        found: Any = self.constant
        for name, slope in self.slopes.items():
            found = found + slope * parameters[name]
        return found

    def __add__(self, other: Any) -> Angle:
        other = Angle.of(other)
        names = [*self.slopes, *(n for n in other.slopes if n not in self.slopes)]
        slopes = {n: self.slopes.get(n, 0.0) + other.slopes.get(n, 0.0) for n in names}
        return Angle(self.constant + other.constant, {n: s for n, s in slopes.items() if s})

    __radd__ = __add__

    def __neg__(self) -> Angle:
        return self * -1.0

    def __sub__(self, other: Any) -> Angle:
        return self + -Angle.of(other)

    def __rsub__(self, other: Any) -> Angle:
        return Angle.of(other) - self

    def __mul__(self, other: Any) -> Angle:
        other = Angle.of(other)
        if self.slopes and other.slopes:
            raise DomainError(f"({self}) * ({other}) is no affine function of parameters; bind one of them first")
        factor, rest = (self.constant, other) if not self.slopes else (other.constant, self)
        return Angle(factor * rest.constant, {n: factor * s for n, s in rest.slopes.items() if factor * s})

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Angle:
        divisor = Angle.of(other).number
        if divisor == 0:
            raise DomainError(f"({self}) / 0 is no angle")
        return Angle(self.constant / divisor, {n: s / divisor for n, s in self.slopes.items()})

    def __str__(self) -> str:
        terms = [f"{s!r}*{n}" if s != 1 else n for n, s in self.slopes.items()]
        if self.constant or not terms:
            terms.append(repr(self.constant))
        return " + ".join(terms).replace("+ -", "- ")
