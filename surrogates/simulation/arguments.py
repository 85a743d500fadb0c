"""Whether what a user gave is the number that a simulation needs."""

from __future__ import annotations

from math import inf
from numbers import Integral, Real
from typing import Any


def is_number(value: Any, *, above: float | int = -inf) -> bool:
    """A finite real number greater than `above`; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and above < float(value) < inf


def is_whole(value: Any, *, least: int = 0) -> bool:
    """A whole number of at least `least`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
