"""The thresholds of the verdict on a solved equation: each with its reason, all printed on the page.

A tenth of the solution's own scatter is what one sees by eye as the same field, a fiftieth what one may compute with;
an error that is small on average and large in one region is one that grows with time or distance, and will go on. Where
no solution is known the residual has to carry the verdict alone, and only a small one beside its scale does. A thousand
points are the fewest that see a plane; below, a residual can vanish at each of them and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator

from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.verdict import Criterion

ROUGH, FINE = "the shape of the solution", "numbers of the solution"


def criteria(run: FinishedRun) -> Iterator[Criterion]:
    """Every criterion that a run on an equation is judged by."""
    evaluated = next(run.of("evaluate_equation"), None)
    first = None if evaluated is None else evaluated.result.names[0]
    for unit in run.of("solve_equation"):
        if first in (None, unit.name):
            advice = "Draw fresh points each step (leave `fixed` away), or train for more steps."
            name = f"points trained on, {unit.name}"
            yield Criterion(name, float(unit.result.points), low=1000.0, essential=True, use=ROUGH, advice=advice)
    if evaluated is None:
        yield Criterion("relative L2 error", None, essential=True)
    else:
        yield from _errors(evaluated, str(first))
        yield from _rest(evaluated, str(first))


def _errors(unit: Finished, name: str) -> Iterator[Criterion]:
    s = unit.result.scores[name]
    advice = "Score on more points."
    yield Criterion("test points", float(s.points), low=200.0, essential=True, use=ROUGH, advice=advice)
    known = [r.error for r in s.regions if r.error is not None]
    if s.relative_l2 is None or not s.constant:
        advice = "The network does not satisfy its equation; train longer, or change network, weights or points."
        value = s.relative_residual
        yield Criterion(f"residual over its scale, {name}", value, high=0.05, essential=True, use=ROUGH, advice=advice)
        return
    beside = s.relative_l2 / s.constant
    advice = (
        "Train longer; if the residual is small all the same, the equation or a source term is not the one whose "
        "solution is compared, or the conditions weigh too little."
    )
    yield Criterion(
        f"error over that of the best constant, {name}", beside, high=0.1, essential=True, use=ROUGH, advice=advice
    )
    advice = "Train longer, polish with L-BFGS, or use a larger network; it is good for pictures until then."
    yield Criterion("error over that of the best constant, to compute with", beside, high=0.02, use=FINE, advice=advice)
    if s.start is not None:
        still = s.relative_l2 / s.start if s.start > 0 else None
        advice = (
            "The network does not follow the equation in time: causal weights, a curriculum or moving labels may help."
        )
        yield Criterion("error over that of the initial state kept", still, high=0.5, essential=True, advice=advice)
    advice = "Errors grow towards one side of the domain: look at the table by region before using values there."
    worst = max(known, default=None)
    yield Criterion("error in the worst region over the solution's scatter", worst, high=0.1, use=FINE, advice=advice)
    value = s.relative_residual
    advice = "The equation is not satisfied well enough for derivatives of the network to be used."
    yield Criterion("residual over its scale", value, high=0.1, use="derivatives of the solution", advice=advice)


def _rest(unit: Finished, name: str) -> Iterator[Criterion]:
    s = unit.result.scores[name]
    if s.conditions:
        worst = max(s.conditions.values()) / s.size
        advice = "Give the conditions more weight, or build them into the network."
        yield Criterion("worst condition over the solution's scatter", worst, high=0.05, use=FINE, advice=advice)
    for u in s.unknowns:
        off = None if not u.truth else abs(u.found - u.truth) / abs(u.truth)
        advice = "More observations or less noise, or a longer training; look at how the members differ."
        yield Criterion(f"{u.name}: off by", off, high=0.1, use=f"the value of {u.name}", advice=advice)
        if off is None and u.spread is not None:
            value = u.spread / abs(u.found) if u.found else None
            yield Criterion(
                f"{u.name}: members differ by", value, high=0.1, use=f"the value of {u.name}", advice=advice
            )
    if s.stretch is not None:
        advice = (
            "Characteristics cross: the solution is one of several there. End before the shock, or give more diffusion."
        )
        yield Criterion("closest paths over their first distance", s.stretch, low=0.0, essential=True, advice=advice)
    band = s.band
    advice = "Calibrate where the solution is known (`calibrate: 500`), or train more members."
    share = None if band is None else band.coverage
    yield Criterion("coverage of the 90 % band", share, low=0.85, high=0.99, use="error bars", advice=advice)
    rank = None if band is None else band.rank_correlation
    advice = "The bands do not know where the errors are; train more members."
    yield Criterion("rank correlation of band and error", rank, low=0.3, use="error bars", advice=advice)
