"""Numbers of a report in words, with their units."""

from __future__ import annotations


def percent(value: float | None) -> str:
    """0.0312 -> "3.12 %"; "-" where nothing was measured."""
    return "-" if value is None else f"{100 * value:.3g} %"


def milliseconds(seconds: float) -> str:
    """0.0312 -> "31.2 ms"."""
    return f"{1e3 * seconds:.3g} ms"


def number(value: float | None) -> str:
    """Three digits; "-" where nothing was measured."""
    return "-" if value is None else f"{value:.3g}"
