"""How bands did, as rows of a table: the same words for every kind of surrogate."""

from __future__ import annotations

from typing import Any

HEADER = ("band", "coverage", "narrow, middle, wide third", "mean width", "mean error", "rank correlation")


def row(name: str, band: Any, *, factor: float = 1.0, unit: str = "") -> list[str]:
    """A row under HEADER of a steps.evaluate.Band; widths are shown times `factor` in `unit`."""
    terciles = ", ".join(f"{100 * t:.0f}" for t in band.terciles)
    rank = "-" if band.rank_correlation is None else f"{band.rank_correlation:.2f}"
    error = "" if band.coverage_error is None else f" ± {100 * band.coverage_error:.1f}"
    widths = [f"{factor * w:.3g} {unit}".strip() for w in (band.mean_width, band.mean_error)]
    return [name, f"{100 * band.coverage:.1f}{error} %", f"{terciles} %", *widths, rank]


def promise(level: float, where: str = "The band") -> str:
    """What a band of this level promises, and what its coverage does not show."""
    return (
        f"{where} promises to hold {100 * level:.0f} % of the errors. A band of constant width can keep that promise "
        "and know nothing: then the rank correlation between width and error is zero."
    )
