"""The thresholds of the verdict on chains and circuits: each with its reason, all printed on the page.

An energy whose standard deviation is a hundredth of itself belongs to no eigenstate that one could name; six digits are
what gaps and exponents are read from. Two starts that end apart mean that one of them is stuck. Mean values of spins
are of order one: a hundredth is what a picture shows, a thousandth a number. Half of the bond dimension and twice the
step must give the same, or neither is enough. A compiled circuit that is no better than Trotter's of its depth is of no
use, and one that misses its state by more than a hundredth changes what is measured on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.verdict import Criterion

STEPS = ("ground_state", "evolve", "compile_circuit", "measure_circuit", "evaluate_quantum")
ENERGY, DIGITS, STATE = "the energy", "energies to six digits", "correlations in the ground state"
ROUGH, FINE, RUN, MEANS = "the picture of the evolution", "local values to 1e-3", "running the circuit", "mean values"


def criteria(run: FinishedRun) -> Iterator[Criterion]:
    """Every criterion that a run on chains or circuits is judged by."""
    makers = {"ground_state": _ground, "evolve": _evolution, "compile_circuit": _circuits, "measure_circuit": _measured}
    for unit in run.units:
        if unit.use in makers:
            yield from makers[unit.use](unit)
    for unit in run.of("evaluate_quantum"):
        for row in unit.result.rows:
            yield _exact(row)


def _ground(unit: Finished) -> Iterator[Criterion]:
    r = unit.result
    size = abs(r.energy) or 1.0
    advice = "Raise max_sweeps, or loosen energy_tol; the energy was still falling."
    yield Criterion(
        f"searches that settled, {unit.name}", _share(r), low=1.0, essential=True, use=ENERGY, advice=advice
    )
    advice = "This is no eigenstate yet: raise chi."
    value = r.variance**0.5 / size
    name = f"standard deviation of H over the energy, {unit.name}"
    yield Criterion(name, value, high=0.01, essential=True, use=ENERGY, advice=advice)
    value = None if r.starts_differ is None else r.starts_differ / size
    advice = "One of the searches is stuck: raise chi, or look at the state of each start."
    name = f"energies from other starts differ by, {unit.name}"
    yield Criterion(name, value, high=1e-4, essential=True, use=ENERGY, advice=advice)
    yield Criterion(f"{name}, for six digits", value, high=1e-6, use=DIGITS, advice=advice)
    value = None if r.extrapolation_error is None else r.extrapolation_error / size
    advice = "Raise chi: the energy still changes towards variance zero. Quote the extrapolated one, with its error."
    yield Criterion(f"distance to variance zero, {unit.name}", value, high=1e-6, use=DIGITS, advice=advice)
    same = [s.fidelity for s in r.searches if s.fidelity is not None]
    advice = (
        "Other starts end in another state of the same energy: the ground state is degenerate, and this is one of many."
    )
    value = min(same) if len(same) > 1 else None
    yield Criterion(f"overlap of the states from all starts, {unit.name}", value, low=0.99, use=STATE, advice=advice)


def _share(r: Any) -> float:
    ends = [r.converged, *(s.converged for s in r.searches if s.fidelity is not None), r.levels_converged]
    return sum(ends) / len(ends)


def _evolution(unit: Finished) -> Iterator[Criterion]:
    r = unit.result
    for value, what, advice in (
        (r.chi_differs, "half of chi", f"Raise chi, or stop at t = {r.trusted}: up to there it is enough."),
        (r.dt_differs, "twice dt", "Take smaller steps, or the method of order 4."),
    ):
        name = f"values differ at {what} by, {unit.name}"
        yield Criterion(name, value, high=1e-2, essential=True, use=ROUGH, advice=advice)
        yield Criterion(f"{name}, for 1e-3", value, high=1e-3, use=FINE, advice=advice)
    advice = "The energy is conserved exactly; steps too long or too much cut away break that."
    yield Criterion(f"relative drift of the energy, {unit.name}", r.energy_drift, high=1e-3, use=FINE, advice=advice)


def _circuits(unit: Finished) -> Iterator[Criterion]:
    r = unit.result
    best = next(c for c in r.circuits if c.steps == r.best)
    same = next((t.infidelity for t in r.trotter if t.cz_depth == best.cz_depth), best.start)
    value = best.infidelity / same if same > 0 else None
    advice = "The search found nothing better than it began with: more iterations, or a target at less of an error."
    yield Criterion(
        f"1 - F over Trotter's of the same depth, {unit.name}", value, high=0.9, essential=True, use=RUN, advice=advice
    )
    advice = "Give the ansatz more steps: the curve of infidelity against depth says how many."
    yield Criterion(f"1 - F of the best circuit, {unit.name}", best.infidelity, high=0.01, use=RUN, advice=advice)
    advice = "Raise chi of the search: truncation, not the circuit, was optimised."
    value = abs(best.searched - best.infidelity) / max(best.infidelity, 1e-9)
    yield Criterion(f"1 - F at chi and at twice chi differ by, {unit.name}", value, high=0.1, use=RUN, advice=advice)
    advice = "The target knows itself less well than the circuit does: evolve it at a larger chi."
    value = r.target_discarded / max(best.infidelity, 1e-9)
    yield Criterion(f"weight cut from the target over 1 - F, {unit.name}", value, high=1.0, use=RUN, advice=advice)


def _measured(unit: Finished) -> Iterator[Criterion]:
    r = unit.result
    advice = "Raise chi: too much is cut away."
    value = 1 - r.fidelity
    yield Criterion(
        f"infidelity by what was cut, {unit.name}", value, high=0.05, essential=True, use=MEANS, advice=advice
    )
    name = f"1 - F between chi and twice chi, {unit.name}"
    yield Criterion(name, r.doubled, high=0.05, essential=r.pure, use=MEANS, advice=advice)
    off = max((abs(v.value - v.again) for v in r.values), default=None)
    yield Criterion(f"means at chi and twice chi differ by, {unit.name}", off, high=1e-3, use=MEANS, advice=advice)
    advice = "Shots and state do not belong together; please report it."
    name = f"largest pull of a drawn mean, {unit.name}"
    yield Criterion(name, r.worst_pull, high=5.0, unit="standard errors", use="shots", advice=advice)


def _exact(row: Any) -> Criterion:
    rough = {"ground_state": 1e-3, "evolve": 1e-2, "compile_circuit": 1e-6, "measure_circuit": 1e-2}[row.use]
    use = {"ground_state": ENERGY, "evolve": ROUGH, "compile_circuit": RUN, "measure_circuit": MEANS}[row.use]
    where = "" if row.whole else f" ({row.sites} sites)"
    advice = (
        "It is not what it ought to be: raise chi, or look whether the start can reach the ground state."
        if row.whole
        else "The method as asked for here fails on a chain that is small enough to know better."
    )
    name = f"{row.result}: {row.what} off {row.by}{where} by"
    return Criterion(name, row.error, high=rough, essential=True, use=use, advice=advice)
