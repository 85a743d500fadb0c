"""The thresholds of the verdict on a surrogate on meshes: each with its reason, all printed on the page.

An error a fifth of what the best constant leaves is 96 % of the variance explained; with more, a surrogate may tell
designs apart but shows no field. Five per cent is what engineers grant a stress. Fewer than fifty designs neither train
nor judge a steady surrogate; a history holds many steps, so twenty of them do.
"""

from __future__ import annotations

from collections.abc import Iterator

from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.verdict import Criterion

NEAR = "designs like those of the training data"
_DESIGNS, _HISTORIES = 50.0, 20.0
TRAINING = ("train_mesh_surrogate", "fit_mmgp", "train_plate_graph")


def criteria(run: FinishedRun) -> Iterator[Criterion]:
    """Every criterion that a run on meshes is judged by; the verdict is on the first surrogate evaluated."""
    evaluated = next(run.of("evaluate_mesh_surrogate"), None)
    rolled = list(run.of("mesh_rollout"))
    judged = evaluated.result.names[0] if evaluated is not None else None
    for unit in (u for kind in TRAINING for u in run.of(kind)):
        if judged in (None, unit.name) or all(u.name != judged for k in TRAINING for u in run.of(k)):
            yield _enough(f"designs trained on, {unit.name}", unit.result.train, transient=bool(rolled))
    if evaluated is None:
        yield Criterion("relative L2 error", None, essential=True)
    else:
        yield from _scores(evaluated, transient=bool(rolled))
        yield from _spread(evaluated)
    for unit in rolled:
        yield from _rollout(unit)


def _enough(name: str, count: int, *, transient: bool) -> Criterion:
    advice = "Solve more designs: fields on meshes cost minutes, a wrong surrogate costs the design."
    least = _HISTORIES if transient else _DESIGNS
    return Criterion(name, float(count), low=least, essential=True, use=NEAR, advice=advice)


def _scores(unit: Finished, *, transient: bool) -> Iterator[Criterion]:
    name, file = unit.result.names[0], unit.result.files[0]
    scores = unit.result.scores[name][file]
    yield _enough(f"designs tested on, {file}", scores.samples, transient=transient)
    advice = "Train on more designs or longer; if neither helps, the field does not follow from mesh and parameters."
    for field in scores.fields:
        value = scores.relative_l2[field]
        beside = scores.trivial.get(field)
        ratio = None if not beside or value is None else value / beside
        what = f"error of {field} over that of the best constant, {file}"
        yield Criterion(what, ratio, high=0.2, essential=True, use=NEAR, advice=advice)
        still = scores.persistence.get(field)
        if still:
            ratio = None if value is None else value / still
            yield Criterion(
                f"error of {field} over that of no change, {file}", ratio, high=0.5, essential=True, advice=advice
            )
        yield Criterion(
            f"relative L2 error of {field}, {file}", value, high=0.05, use=f"{field} to five per cent", advice=advice
        )
    for what, found in scores.quantities.items():
        advice = "Look at the parity plot: give the peaks more weight, or refine where they are."
        yield Criterion(f"mean relative error of {what}", found.error, high=0.1, use=what, advice=advice)
    laws = unit.result.laws.get(name, ())
    broken = float(sum(law.verdict == "FAIL" for law in laws)) if laws else None
    yield Criterion("laws broken", broken, high=0.0, use="what the laws promise", advice="See the table of laws.")
    for other in unit.result.files[1:]:
        far = unit.result.scores[name][other].relative_l2
        field = scores.fields[0]
        value = None if not far.get(field) or not scores.relative_l2[field] else far[field] / scores.relative_l2[field]
        advice = "It is asked further out than it has learned: add such designs."
        yield Criterion(
            f"error over that of {file}: {other}", value, high=2.0, use=f"data as in {other}", advice=advice
        )


def _spread(unit: Finished) -> Iterator[Criterion]:
    file = unit.result.files[0]
    found = unit.result.scores[unit.result.names[0]][file].spread
    advice = "Calibrate on designs like those of use; with too few there is no band."
    share = None if not found else sum(b.coverage for b in found.values()) / len(found)
    yield Criterion(f"coverage of the 90 % band, {file}", share, low=0.85, high=0.96, use="error bars", advice=advice)
    thirds = [t for b in found.values() for t in b.terciles]
    advice = "The band is too narrow where it is narrowest, or too wide where it is widest."
    worst = min(thirds) if thirds else None
    yield Criterion("coverage of the worst third by width", worst, low=0.75, use="error bars", advice=advice)
    ranks = [b.rank_correlation for b in found.values() if b.rank_correlation is not None]
    rank = min(ranks) if ranks else None
    advice = "The band does not know where the errors are."
    yield Criterion("rank correlation of band and error", rank, low=0.3, use="error bars", advice=advice)


def _rollout(unit: Finished) -> Iterator[Criterion]:
    use = "rollouts as long as the data"
    for name, rows in unit.result.error.items():
        still = unit.result.persistence.get(name)
        value = rows[-1][0] / still[-1] if still and still[-1] else None
        advice = "Train longer, with noise on the input, on more histories; or use fewer steps."
        yield Criterion(
            f"error of {name} at the end over that of no change, {unit.name}", value, high=0.5, use=use, advice=advice
        )
    share = unit.result.left_data / max(unit.result.histories, 1)
    advice = "The rollout drifts away from what was learned: more noise in training, more histories."
    yield Criterion(f"share that left the training data, {unit.name}", share, high=0.2, use=use, advice=advice)
