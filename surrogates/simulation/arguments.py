"""Whether what a user gave is the number that a simulation needs."""

from __future__ import annotations

from math import inf
from numbers import Integral, Real
from typing import Any

from surrogates.physics.errors import DomainError


def is_number(value: Any, *, above: float | int = -inf) -> bool:
    """A finite real number greater than `above`; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and above < float(value) < inf


def is_whole(value: Any, *, least: int = 0) -> bool:
    """A whole number of at least `least`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def check_pressure(pressure: Any) -> None:
    """DomainError for what is no number, or so large (above 1600 GPa) that it was meant in another unit."""
    if not is_number(pressure) or abs(pressure) > 10:
        raise DomainError(
            f"pressure={pressure!r} eV/Å^3; give a finite number up to 10 (1 GPa is 0.00624151 eV/Å^3, ase.units.GPa)"
        )
