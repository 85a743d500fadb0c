"""Scores, laws and costs of operators as plain dataclasses. Imported in workers only; the results stand in steps."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.datasets import Fields
from surrogates.datasets.generators.reference_solver import solver_of
from surrogates.tasks.field_scores import relative_l2
from surrogates.workflows.cpu import seconds_a_call
from surrogates.workflows.steps.evaluate import Band, LawRow
from surrogates.workflows.steps.evaluate_operator import Certified, Costs, OperatorScores, SolverCost
from surrogates.workflows.steps.rollout import RolledOut

_SHOWN = 3  # samples that pictures are drawn of: the best, the median and the worst
_CLOUD = 6000  # values of the cloud of bands and errors
_TIMED = 16  # samples that the solver is timed on


def scores(operator: Any, data: Fields, arrays: Path) -> OperatorScores:
    """Errors on trajectories; what reports draw goes to the file `arrays`."""
    found = operator.evaluate(data)
    np.savez(arrays, **_pictures(found))  # type: ignore[arg-type]
    known = ("samples", "relative_l2", "by_field", "relative_l2_trivial", "relative_l2_persistence")
    rest = ("nrmse", "max_error", "mean_drift", "bands")
    misses, misses_truth = _residuals(operator, data)
    return OperatorScores(
        **{name: getattr(found, name) for name in (*known, *rest)},
        grid=data[0].space,
        spread={name: Band(**asdict(band)) for name, band in found.coverage.items() if band is not None},
        residual=misses,
        residual_truth=misses_truth,
        foreign=_foreign(operator, data),
        file=arrays.name,
        hash=data.hash,
    )


def law_rows(operator: Any, data: Fields, symmetry: tuple[str, ...]) -> tuple[LawRow, ...]:
    """Every law of `surrogates.check` on fields, measured on a few trajectories."""
    from surrogates.testing.field_check import check_operator, claims_of

    claims = replace(claims_of(operator.task), symmetry=symmetry)
    report = check_operator(operator, data[: min(len(data), 8)], claims=claims)
    return tuple(
        LawRow(law.name, law.error, law.scale, law.tolerance, law.unit, law.verdict, law.note) for law in report.laws
    )


def costs(operator: Any, data: Fields, coarser: list[int]) -> Costs:
    """CPU seconds a sample, of the operator and of the solver on coarser and coarser grids with their errors.

    A task of steps is rolled out to the end of the trajectories.
    """
    from surrogates.simulation.rollout import rollout

    some = data[: min(len(data), _TIMED)]
    many = some[np.arange(32) % len(some)]
    rolled = rollout(operator, some, spread=False)
    final = {n: e[:, -1] for n, e in rolled.error.items()}
    one, batch = (seconds_a_call(partial(rollout, operator, d, spread=False)) for d in (some[:1], many))
    solver, rows = solver_of(some), []
    start = _start_of(operator)
    known = solver is not None and set(final) <= set(getattr(solver, "fields", final))
    for n in coarser if known else ():
        if any(size % n or size // n < 8 for size in some[0].space):
            continue
        solved = solver.run(some, coarser=n, start=start)  # type: ignore[union-attr]
        last = _frames(rolled, some)[-1] - start
        error = np.mean(
            [
                relative_l2(solved.fields[f][:, last:][:, :1], rolled.truth[f][:, -1:], some[0].dim, some[0].mask)
                for f in final
            ]
        )
        rows.append(SolverCost(solved.points[0], solved.seconds, float(error)))
    return Costs(some[0].space[0], one, batch / 32, float(np.mean(list(final.values()))), tuple(rows))


def certified(operator: Any, data: Fields, tolerance: float) -> Certified:
    """What the solver behind the data finishes from the operator's answers on a few trajectories."""
    from surrogates.simulation.verify_fields import verify

    some = data[: min(len(data), _TIMED)]
    found = verify(operator, some, tolerance=tolerance)
    return Certified(len(some), found.how, found.work, found.alone, found.defect, found.converged, found.error)


def rolled_out(operator: Any, data: Fields, steps: int | None, coarser: int | None, arrays: Path) -> RolledOut:
    """A rollout beside persistence and a coarse solver, as a plain result; frames for pictures go to `arrays`."""
    from surrogates.simulation.rollout import rollout

    found = rollout(operator, data, steps=steps)
    once = rollout(operator, data, steps=steps, mode="teacher", spread=False)
    dim = data[0].dim
    coarse = _coarse(operator, data, found, coarser)
    saved: dict[str, np.ndarray] = {"times": found.times, "dim": np.array(dim)}
    for name, values in found.fields.items():
        order = np.argsort(found.error[name].mean(axis=1))
        row = int(order[len(order) // 2])
        shown = np.unique(np.linspace(0, found.truth[name].shape[1] - 1, 4).astype(int))
        saved[f"{name}"] = values[row][shown]
        saved[f"{name}_reference"] = found.truth[name][row][shown]
        saved["shown"] = shown
        saved[f"{name}_spectrum"] = spectrum(values[:, found.truth[name].shape[1] - 1], dim)
        saved[f"{name}_spectrum_reference"] = spectrum(found.truth[name][:, -1], dim)
    np.savez(arrays, **saved)  # type: ignore[arg-type]
    return RolledOut(
        trajectories=len(found.left_data),
        steps=next(iter(found.error.values())).shape[1],
        times=tuple(float(t) for t in found.times),
        error={n: _quantiles(e) for n, e in found.error.items()},
        single={n: tuple(e.mean(axis=0).tolist()) for n, e in once.error.items()},
        persistence={n: tuple(e.mean(axis=0).tolist()) for n, e in found.persistence.items()},
        coarse=coarse,
        mean_change={n: tuple(np.abs(c).mean(axis=0).tolist()) for n, c in found.mean_change.items()},
        truth_change={n: tuple(np.abs(c).mean(axis=0).tolist()) for n, c in found.truth_change.items()},
        coverage=_coverage(found, None if data[0].mask is None else np.stack([np.asarray(t.mask) for t in data])),
        left_data=int((found.left_data >= 0).sum()),
        file=arrays.name,
    )


def spectrum(values: np.ndarray, dim: int) -> np.ndarray:
    """Mean power by wavenumber (shells of width 1) of fields (samples, *space, ...): the first component's."""
    flat = np.nan_to_num(values.reshape(*values.shape[: 1 + dim], -1)[..., 0])  # nothing outside a mask
    space = flat.shape[1:]
    power = np.abs(np.fft.fftn(flat, axes=tuple(range(1, 1 + dim)), norm="forward")) ** 2
    k = np.sqrt(sum(np.square(x) for x in np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in space), indexing="ij")))
    shell = np.rint(k).astype(int).ravel()
    most = min(space) // 2
    found = np.bincount(shell, weights=power.mean(axis=0).ravel())[: most + 1]
    return np.asarray(found)


def _pictures(found: Any) -> dict[str, np.ndarray]:
    """Best, median and worst sample of each field, a cloud of bands and errors, spectra."""
    saved: dict[str, np.ndarray] = {"relative_l2": found.arrays["relative_l2"]}
    order = np.argsort(found.arrays["relative_l2"][found.arrays["sample"]])
    rows = order[np.unique(np.linspace(0, len(order) - 1, _SHOWN).astype(int))]
    saved["shown"] = rows
    for name in found.by_field:
        truth = found.arrays[f"{name}_reference"]
        for key in (name, f"{name}_reference", f"{name}_std"):
            if key in found.arrays:
                saved[key] = found.arrays[key][rows].astype(np.float32)
        std = found.arrays.get(f"{name}_std")
        if std is not None:
            pick = np.random.default_rng(0).integers(0, truth.size, _CLOUD)
            pick = pick[np.isfinite(std.ravel()[pick])]  # inside the mask
            saved[f"{name}_cloud_std"] = std.ravel()[pick]
            saved[f"{name}_cloud_error"] = np.abs(found.arrays[name].ravel()[pick] - truth.ravel()[pick])
    return saved


def _residuals(operator: Any, data: Fields) -> tuple[float | None, float | None]:
    """Median over samples of how much prediction and truth miss the equation; None where frames or equation lack."""
    solver = solver_of(data)
    if solver is None:
        return None, None
    from surrogates.simulation.rollout import rollout

    some = data[: min(len(data), _TIMED)]
    rolled = rollout(operator, some, spread=False)
    if len(rolled.times) < 4 and hasattr(solver, "equation"):
        return None, None  # too few frames for a derivative in time
    frames = _frames(rolled, some)
    try:
        return (
            float(np.median(solver.residual(some, rolled.fields, frames))),
            float(np.median(solver.residual(some, rolled.truth, frames))),
        )
    except KeyError:  # the operator predicts some of the equation's fields only
        return None, None


def _coarse(operator: Any, data: Fields, found: Any, coarser: int | None) -> dict[str, tuple[float, ...]]:
    """Mean error of each step of the solver on a coarser grid, from the same start."""
    solver = solver_of(data)
    if solver is None or coarser is None or not hasattr(solver, "equation"):
        return {}
    some = data[: min(len(data), _TIMED)]
    start = _start_of(operator)
    solved = solver.run(some, coarser=coarser, start=start)
    frames = [frame - start for frame in _frames(found, data)]
    errors = {}
    for name, e in found.error.items():
        if name not in solved.fields or not e.shape[1]:
            continue
        said, truth = solved.fields[name][:, frames], found.truth[name][: len(some)]
        per = max(1, truth.shape[1] // e.shape[1])
        rows = [slice(k * per, (k + 1) * per) for k in range(e.shape[1])]
        errors[name] = tuple(
            float(relative_l2(said[:, s], truth[:, s], some[0].dim, some[0].mask).mean()) for s in rows
        )
    return errors


def _start_of(operator: Any) -> int:
    """The newest frame that a rollout starts from."""
    task = operator.members[0]
    relative = [s.stop for s in task.inputs if s.relative and s.stop is not None]
    if relative:
        return int(task.start) + max(relative) - 1
    ends = [s.first if s.stop is None else s.stop - 1 for s in task.inputs]
    return max((n for n in ends if n is not None and n >= 0), default=0)


def _frames(found: Any, data: Fields) -> list[int]:
    """Which frames of the data the predicted ones are, as far as there is a truth."""
    count = next(iter(found.truth.values())).shape[1]
    return [int(np.abs(np.asarray(data[0].times) - t).argmin()) for t in found.times[:count]]


def _quantiles(error: np.ndarray) -> tuple[tuple[float, float, float], ...]:
    """Mean, 10 % and 90 % quantile over trajectories, step by step."""
    rows = zip(error.mean(axis=0), *np.quantile(error, [0.1, 0.9], axis=0), strict=True)
    return tuple((float(a), float(b), float(c)) for a, b, c in rows)


def _coverage(found: Any, masks: np.ndarray | None) -> dict[str, tuple[float, ...]]:
    """Share of values inside the 90 % band, frame by frame."""
    from surrogates.evaluation.coverage import energy_band

    if found.std is None:
        return {}
    shares = {}
    for name, truth in found.truth.items():
        count = truth.shape[1]
        inside = np.abs(found.fields[name][:, :count] - truth) <= energy_band(found.std[name][:, :count])
        if masks is not None:  # (samples, *space), with axes of one for the components
            held = masks.reshape(*masks.shape, *[1] * (truth.ndim - 1 - masks.ndim))
            shares[name] = tuple(
                float(inside[:, k].mean(where=np.broadcast_to(held, inside[:, k].shape))) for k in range(count)
            )
            continue
        shares[name] = tuple(float(inside[:, k].mean()) for k in range(count))
    return shares


def _foreign(operator: Any, data: Fields) -> float | None:
    """Share of inputs that the out-of-data detector calls foreign."""
    domain = getattr(operator, "domain", None)
    if domain is None:
        return None
    flags = [domain.foreign(b.values, b.parameters) for b in operator.members[0].batches(data, targets=True)]
    return float(np.concatenate([f.numpy() for f in flags]).mean())
