"""Equations solved without data: errors, residuals by region, bands, unknown numbers, characteristics, costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from surrogates.workflows.files import read_json
from surrogates.workflows.report import bands, equation_figures, figures
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.page import Picture, Section, Table
from surrogates.workflows.report.words import milliseconds, number, percent

_POINTS = 400  # of a loss curve


def judged(unit: Finished, run: FinishedRun) -> Iterator[Section]:
    """What a step `evaluate_equation` found."""
    yield errors(unit)
    yield residuals(unit)
    optional = (spread(unit), physics(unit), unknowns(unit, run), characteristics(unit), speed(unit, run))
    yield from (section for section in optional if section is not None)


def errors(unit: Finished) -> Section:
    """Table of errors beside what knows nothing, maps or cuts and parity of each solution."""
    rows, blocks = [], list[Any]()
    drawn: np.ndarray | None = None
    for name in unit.result.names:
        s = unit.result.scores[name]
        worst = max((r.error for r in s.regions if r.error is not None), default=None)
        trivial = [percent(s.constant), percent(s.start), "-" if s.relative_l2 is None else "100 %"]
        rows.append([name, str(s.points), percent(s.relative_l2), *trivial, number(s.max_error), percent(worst)])
        arrays = unit.arrays(s.file)
        if "map_values" in arrays:
            seen, drawn = drawn, arrays.get("map_reference")
            again = seen is not None and drawn is not None and np.array_equal(seen, drawn, equal_nan=True)
            maps = list(equation_figures.maps(arrays))[1 if again else 0 :]  # one known solution is shown once
            blocks += [Picture(svg, f"{name}: {what}.") for what, svg in maps]
        else:
            blocks.append(Picture(equation_figures.cuts(arrays), f"{name}: cuts through the middle of the domain."))
        if "reference" in arrays:
            pair = (arrays["reference"][:, 0], arrays["values"][:, 0])
            blocks.append(Picture(figures.parity([(f"{name}: u", *pair)]), f"{name}: every test point."))
    header = ["solution", "test points", "relative L2", "a constant", "initial state kept", "zero", "largest error"]
    note = (
        "Relative L2: |network - solution| / |solution| at random points that no training has seen. Beside it what "
        "knows nothing of the equation: the best constant, the initial state at all times, zero. Worst region: root "
        "mean square error there over the scatter of the solution."
    )
    text = list(dict.fromkeys(_told(name, unit.result.scores[name]) for name in unit.result.names))
    if all(unit.result.scores[name].relative_l2 is None for name in unit.result.names):
        text.append("No solution is known, so errors cannot be counted: the residuals below are all that is measured.")
    return Section("How wrong it is", text, [Table([*header, "worst region"], rows, note), *blocks])


def _told(name: str, s: Any) -> str:
    several = f", the mean of {s.members} networks from different seeds" if s.members > 1 else ""
    return f"{name} solves {s.problem}{several}."


def residuals(unit: Finished) -> Section:
    """By how much each solution misses its equation, by region, and its conditions."""
    rows, conditions = [], []
    for name in unit.result.names:
        s = unit.result.scores[name]
        rows += [
            [f"{name}: {r.name}", str(r.points), percent(r.residual), percent(r.error), percent(r.band)]
            for r in s.regions
        ]
        conditions += [[f"{name}: {c}", number(v), percent(v / s.size)] for c, v in s.conditions.items()]
    scales = {n: s for n, s in unit.result.scores.items() if s.residual_scale is not None}
    shares = [f"{n}: {number(s.residual_scale)}, {s.scale_name}" for n, s in scales.items()]
    note = (
        f"Residual: root mean square over its scale ({'; '.join(shares)}). "
        if shares
        else "The residual has no scale. "
    ) + "Error and band: root mean square, and mean half-width, over the scatter of the solution about its mean."
    blocks: list[Any] = [Table(["region", "points", "residual", "error", "90 % band"], rows, note)]
    names = [r.name for r in unit.result.scores[unit.result.names[0]].regions]
    for what, ylabel in (("residual", "residual / scale"), ("error", "error / scatter")):
        found = {
            name: [getattr(r, what) for r in unit.result.scores[name].regions]
            for name in unit.result.names
            if [r.name for r in unit.result.scores[name].regions] == names
        }
        if any(v is not None for values in found.values() for v in values):
            blocks.append(
                Picture(equation_figures.by_region(found, names, ylabel), f"{ylabel.capitalize()}, by region.")
            )
    if conditions:
        header = ["condition", "root mean square error", "over the solution's scatter"]
        blocks.append(Table(header, conditions, "At random points of the edge, or where u was observed."))
    parts = [f"{name}: " + ", ".join(f"{p} {number(v)}" for p, v in unit.result.scores[name].residual.items())
             for name in unit.result.names]  # fmt: skip
    return Section("Where the equation holds", [f"Root mean square residuals: {'; '.join(parts)}."], blocks)


def spread(unit: Finished) -> Section | None:
    """Coverage, width and rank correlation of the bands; None for single networks."""
    rows, clouds, terciles, level = [], {}, {}, 0.9
    for name in unit.result.names:
        s = unit.result.scores[name]
        arrays = unit.arrays(s.file)
        for kind, band in s.spread.items():
            level, label = band.level, f"{name}: {kind}"
            rows.append(bands.row(label, band))
            terciles[label] = (band.coverage, band.terciles)
            if f"cloud_{kind}" in arrays and "error" in arrays and name == unit.result.names[0]:
                width = np.linalg.norm(arrays[f"cloud_{kind}"], axis=1)
                clouds[label] = (np.maximum(width, 1e-12), np.maximum(arrays["error"], 1e-12))
    if not rows:
        return None
    text = (
        "Members: the scatter of the networks, as wide as it must be if the truth were one more of them (Student's "
        "quantile for so few). No data stand behind it: errors that all members share are not in it. Calibrated: "
        "scaled at points where the solution is known."
    )
    pictures = [
        Picture(figures.spread_against_error({n: pair}, unit="u"), f"{n}: band and error at each test point.")
        for n, pair in clouds.items()
    ]
    pictures.append(Picture(figures.coverage_by_tercile(terciles, level=level), "All, and thirds by band width."))
    note = bands.promise(level, "The band at a point")
    return Section("How sure it is", [text], [Table(bands.HEADER, rows, note), *pictures])


def physics(unit: Finished) -> Section | None:
    """Physics says, statistics says: what residual and band know of the error, a row a solution."""
    rows = []
    for name in unit.result.names:
        s = unit.result.scores[name]
        if s.relative_l2 is None and s.relative_residual is None:
            continue
        width = "no spread" if s.band is None else f"± {percent(s.band.mean_width / s.size)}"
        error = "-" if s.relative_l2 is None else percent(_scattered(s))
        rows.append([name, percent(s.relative_residual), _rank(s.residual_knows), width, _rank(s.band_knows), error])
    if not rows:
        return None
    note = (
        "Physics: the residual over its scale, which needs no solution; a small residual with a large error means "
        "that another solution of the equation, or none that meets the conditions, was found. Statistics: the mean "
        "90 % band over the solution's scatter. Ranks: correlation with the error from point to point; 1 knows where "
        "it is large, 0 knows nothing. Residuals make errors elsewhere too, downstream of where they are."
    )
    header = ["solution", "physics says", "its rank with the error", "statistics says", "its rank with the error"]
    return Section("Physics says, statistics says", (), [Table([*header, "error made"], rows, note)])


def _scattered(s: Any) -> float:
    """Root mean square error over the solution's scatter, from the regions."""
    whole = sum(r.points for r in s.regions)
    return math.sqrt(sum(r.points * (r.error or 0.0) ** 2 for r in s.regions) / max(whole, 1))


def _rank(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def unknowns(unit: Finished, run: FinishedRun) -> Section | None:
    """Unknown numbers of the equation: found, true, and on their way; None where there are none."""
    rows, blocks = [], list[Any]()
    for name in unit.result.names:
        trained = _trained(name, run)
        for u in unit.result.scores[name].unknowns:
            off = None if not u.truth else abs(u.found - u.truth) / abs(u.truth)
            spread = "-" if u.spread is None else f"± {u.spread:.3g}"
            rows.append(
                [f"{name}: {u.name}", f"{u.start:.4g}", f"{u.found:.5g}", spread, number(u.truth), percent(off)]
            )
            paths = [] if trained is None else _paths(trained, u.name)
            if paths:
                drawn = equation_figures.unknown(paths, u.name, u.truth)
                blocks.append(Picture(drawn, f"{name}: {u.name} as it was learned, member by member."))
    if not rows:
        return None
    header = ["unknown", "first guess", "found", "members differ by", "truth", "off by"]
    note = "Found: mean of the members. They differ by their sample standard deviation, which knows no common error."
    return Section("The unknown numbers of the equation", (), [Table(header, rows, note), *blocks])


def _paths(trained: Finished, name: str) -> list[tuple[list[float], list[float]]]:
    paths = []
    for rows in read_json(trained.folder / trained.result.unknowns) or ():
        last = max((row["step"] for row in rows if "step" in row), default=0)
        shown = [(row["step"] if "step" in row else last + row["polish"], row[name]) for row in rows if name in row]
        if len(shown) > 1:
            paths.append(([float(x) for x, _ in shown], [float(y) for _, y in shown]))
    return paths


def characteristics(unit: Finished) -> Section | None:
    """Paths of the particles of Lagrangian networks; None where there is no such network."""
    blocks, text = list[Any](), []
    for name in unit.result.names:
        s = unit.result.scores[name]
        arrays = unit.arrays(s.file)
        if "paths" in arrays:
            drawn = equation_figures.characteristics(arrays["paths"], arrays["path_times"])
            blocks.append(Picture(drawn, f"{name}: where particles that start at equal distances go."))
        if s.stretch is not None:
            verdict = "they never meet" if s.stretch > 0 else "they cross, and the solution there is one of several"
            text.append(
                f"{name}: neighbouring paths come as close as {s.stretch:.3g} of their first distance; {verdict}."
            )
    return Section("Characteristics", text, blocks) if blocks else None


def speed(unit: Finished, run: FinishedRun) -> Section | None:
    """Training and evaluation beside the known solution, and whether it ever pays."""
    found = unit.times.get("speed")
    if not found:
        return None
    rows, text = [], []
    for name, cost in found.items():
        trained = _trained(name, run)
        training = None if trained is None else trained.cpu_seconds
        spent = "-" if training is None else f"{training:.3g} s"
        reference = [None if cost[key] is None else milliseconds(cost[key]) for key in ("reference", "again")]
        rows.append([name, spent, milliseconds(cost["network"]), *(r or "-" for r in reference)])
        if training is not None and cost["reference"] is not None:
            text.append(_pays(name, training, cost))
    points = next(iter(found.values()))["points"]
    header = ["solution", "training", "network", "known solution, first", "known solution, again"]
    note = f"CPU time for values at {points} points; training is that of all members, once for this one problem."
    return Section("What it costs", text, [Table(header, rows, note)])


def _pays(name: str, training: float, cost: dict[str, Any]) -> str:
    first, again, network = float(cost["reference"]), float(cost["again"]), float(cost["network"])
    text = (
        f"{name}: training took {training:.3g} CPU s, the known solution {milliseconds(first)} with its first values: "
    )
    if network >= again:
        return text + "the network never pays where that solution can be had. It is for problems where it cannot."
    calls = math.ceil(max(training - first, 0.0) / (again - network))
    return text + f"the network pays after {calls:,} calls for values at {cost['points']} points each."


def training(unit: Finished) -> Section:
    """Parts of the loss along the training, and what it took."""
    result = unit.result
    header = ["members", "weights each", "steps", "L-BFGS", "different points inside", "CPU s", "peak memory"]
    row = [str(result.members), f"{result.parameters:,}", ", ".join(map(str, result.steps)), str(result.polished)]
    row += [f"{result.points:,}", f"{unit.cpu_seconds:.0f}", f"{unit.memory:.0f} MB"]
    blocks: list[Any] = [Table(header, [row])]
    text = [f"A member stopped before its budget's end: {result.stopped}."] if result.stopped else []
    rows = read_json(unit.folder / result.history) or []
    curves, polish = _losses([r for r in rows if r.get("member", 0) == 0], result.parts)
    if curves:
        drawn = equation_figures.losses(curves, polish)
        blocks.append(Picture(drawn, "Unweighted parts of the loss of the first member, and its validation loss."))
    return Section(f"How it learned: {unit.name}", text, blocks)


def _losses(
    rows: list[dict[str, Any]], parts: tuple[str, ...]
) -> tuple[dict[str, tuple[list[float], list[float]]], int | None]:
    """Curves by part, L-BFGS appended behind the descent; where it begins."""
    rows = _in_a_row(rows)
    last = max((int(r["step"]) for r in rows if "step" in r), default=0)
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for name, key in [*((p, p) for p in parts), ("validation loss", "valid")]:
        found = [(r["step"] if "step" in r else last + r["polish"], r[key]) for r in rows if r.get(key) is not None]
        found = found[:: max(1, len(found) // _POINTS)]
        if len(found) > 1:
            curves[name] = ([float(x) for x, _ in found], [float(y) for _, y in found])
    return curves, last if any("polish" in r for r in rows) else None


def _in_a_row(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of trainings in a row with their steps counted on from stage to stage."""
    counted, before, stage, last = [], 0, 0, 0
    for row in rows:
        if row.get("stage", stage) != stage:
            stage, before = row["stage"], last
        counted.append(row | {"step": row["step"] + before} if "step" in row else row)
        last = max(last, counted[-1].get("step", 0))
    return counted


def _trained(name: str, run: FinishedRun) -> Finished | None:
    """The training of a solution that the run made itself."""
    return next((u for u in run.of("solve_equation") if u.name == name), None)
