"""When a surrogate is trusted with crystals: thresholds on lattice, elastic constants, curves and phonons.

A lattice constant within 0.2 % and constants within a tenth are what functionals and experiments agree to; 0.3 THz are
10 1/cm, a third of what anharmonic shifts of molecules take; 5 meV/atom are what codes of different methods differed by
(doi:10.1126/science.aad3000 found 1 meV/atom and less for converged ones).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from surrogates.workflows.report.finished import Finished
from surrogates.workflows.report.verdict import Criterion

_ADVICE = "Add strained and rattled cells about the minimum to the data, or train longer."
_WAVES = "Add rattled supercells to the data: cells of a few atoms show only waves that fit into them. Or train longer."
_NONE = "Name a `reference:` in the step: without one nothing is compared."


def elasticity(unit: Finished) -> Iterator[Criterion]:
    """Lattice, constants and stability of a step `elastic`."""
    yield _lattice(unit, "elasticity")
    worst = max((gap.worst for gap in unit.result.compared), default=None)
    yield _limit(unit, "elastic constants off", worst, 10.0, "elasticity", percent=True)
    wrong = _disagree(unit, lambda row: row.softest > 0)
    advice = "The surrogate's crystal shears away where the reference's does not, or the other way round."
    yield Criterion(f"crystals of wrong stability, {unit.name}", wrong, high=0.0, use="elasticity", advice=advice)


def curves(unit: Finished) -> Iterator[Criterion]:
    """Lattice, bulk modulus and distance of curves of a step `equation_of_state`."""
    yield _lattice(unit, "compression")
    gaps = unit.result.compared
    bulk, delta = max((g.bulk for g in gaps), default=None), max((g.delta for g in gaps), default=None)
    yield _limit(unit, "bulk modulus off", bulk, 10.0, "compression", percent=True)
    yield _limit(unit, "E(V) curves apart", delta, 5.0, "compression", unit_name="meV/atom")


def phonons(unit: Finished) -> Iterator[Criterion]:
    """Lattice, frequencies and imaginary modes of a step `phonons`."""
    yield _lattice(unit, "phonons")
    largest = max((gap.largest for gap in unit.result.compared), default=None)
    yield _limit(unit, "largest phonon error", largest, 0.3, "phonons", unit_name="THz")
    wrong = _disagree(unit, lambda row: row.stable)
    advice = "One of the two has imaginary modes: look at the bands."
    yield Criterion(
        f"crystals with the wrong imaginary modes, {unit.name}", wrong, high=0.0, use="phonons", advice=advice
    )


def _lattice(unit: Finished, use: str) -> Criterion:
    pairs = zip(unit.result.compared, unit.result.reference, strict=True)
    worst = max((gap.lattice / row.lattice.a for gap, row in pairs), default=None)
    return _limit(unit, "lattice constant off", worst, 0.2, use, percent=True)


def _limit(
    unit: Finished, name: str, value: float | None, high: float, use: str, *, percent: bool = False, unit_name: str = ""
) -> Criterion:
    shown = None if value is None else 100 * value if percent else value
    advice = _NONE if value is None else _WAVES if unit_name == "THz" else _ADVICE
    words = "%" if percent else unit_name
    return Criterion(f"{name}, {unit.name}", shown, high=high, unit=words, use=use, advice=advice)


def _disagree(unit: Finished, holds: Any) -> float | None:
    """How many crystals are stable for one of the two only; of the surrogate's own that are not without a reference."""
    own = [bool(holds(row)) for row in unit.result.structures]
    theirs = [bool(holds(row)) for row in unit.result.reference] or [True] * len(own)
    return float(sum(a != b for a, b in zip(own, theirs, strict=True)))
