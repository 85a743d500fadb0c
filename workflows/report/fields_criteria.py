"""The thresholds of the verdict on an operator: each with its reason, all printed on the page.

An operator earns its place by beating what costs nothing (no change, the mean field) by a wide margin; a tenth of the
trivial error is what one sees by eye as the same field. Fewer than fifty trajectories neither train nor judge.
"""

from __future__ import annotations

from collections.abc import Iterator

from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.verdict import Criterion

NEAR = "fields like the training data"


def criteria(run: FinishedRun) -> Iterator[Criterion]:
    """Every criterion that a run on fields is judged by."""
    for unit in run.of("train_operator"):
        advice = "Solve for more initial states: the learning curve says how many."
        count = float(unit.result.train)
        yield Criterion("trajectories trained on", count, low=50.0, essential=True, use=NEAR, advice=advice)
    evaluated = next(run.of("evaluate_operator"), None)
    if evaluated is None:
        yield Criterion("relative L2 error", None, essential=True)
    else:
        yield from _scores(evaluated)
    for unit in run.of("rollout"):
        yield from _rollout(unit)


def _scores(unit: Finished) -> Iterator[Criterion]:
    name = unit.result.names[0]
    scores = unit.result.scores[name]
    advice = "Keep 50 trajectories or more apart from training."
    yield Criterion("samples tested on", float(scores.samples), low=50.0, essential=True, use=NEAR, advice=advice)
    advice = "Train longer or on more data; if neither helps, the target does not follow from the input."
    beside = scores.relative_l2 / scores.relative_l2_trivial
    yield Criterion(
        f"error over that of the mean field, {name}", beside, high=0.1, essential=True, use=NEAR, advice=advice
    )
    if scores.relative_l2_persistence is not None:
        still = scores.relative_l2 / scores.relative_l2_persistence
        yield Criterion(f"error over that of no change, {name}", still, high=0.5, essential=True, advice=advice)
    laws = unit.result.laws
    broken = float(sum(law.verdict == "FAIL" for law in laws)) if laws else None
    yield Criterion("laws broken", broken, high=0.0, use="what the laws promise", advice="See the table of laws.")
    advice = "Calibrate on data like that of use, on sixty trajectories or more."
    bands = list(scores.spread.values())
    share = None if not bands else sum(b.coverage for b in bands) / len(bands)
    yield Criterion(f"coverage of the 90 % band, {name}", share, low=0.85, high=0.96, use="error bars", advice=advice)
    ranks = [b.rank_correlation for b in bands if b.rank_correlation is not None]
    rank = min(ranks) if ranks else None
    advice = "The bands do not know where the errors are; train more members."
    yield Criterion("rank correlation of band and error", rank, low=0.3, use="error bars", advice=advice)
    for other in unit.result.names[1:]:
        value = unit.result.scores[other].relative_l2 / scores.relative_l2
        advice = "The operator depends on the grid or on data like its own; use it there only."
        yield Criterion(
            f"error over that of {name}: {other}", value, high=2.0, use=f"data as in {other}", advice=advice
        )


def _rollout(unit: Finished) -> Iterator[Criterion]:
    use = "rollouts as long as the data"
    for name, rows in unit.result.error.items():
        still = unit.result.persistence.get(name)
        value = rows[-1][0] / still[-1] if still else None
        advice = "Train through several steps (unroll), on more data, or use fewer steps."
        yield Criterion(
            f"error of {name} at the end over that of no change, {unit.name}", value, high=0.5, use=use, advice=advice
        )
    share = unit.result.left_data / max(unit.result.trajectories, 1)
    advice = "The rollout drifts away from what was learned: conserve what must be conserved, train through more steps."
    yield Criterion(f"share that left the training data, {unit.name}", share, high=0.2, use=use, advice=advice)
