"""Fields on grids: errors, maps, bands, laws, rollouts and what they cost beside the solver."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from surrogates.evaluation.learning_curve import power_law
from surrogates.workflows.files import read_json
from surrogates.workflows.report import accuracy, bands, field_figures, figures
from surrogates.workflows.report.costs import invested
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.page import Picture, Section, Table
from surrogates.workflows.report.words import milliseconds, percent


def judged(unit: Finished, run: FinishedRun) -> Iterator[Section]:
    """What a step `evaluate_operator` found."""
    yield errors(unit)
    optional = (spread(unit), physics(unit), certified(unit), accuracy.laws(unit), speed(unit, run))
    yield from (section for section in optional if section is not None)


def errors(unit: Finished) -> Section:
    """Table of errors beside trivial predictions, and maps of the best, a median and the worst sample."""
    rows = []
    for name in unit.result.names:
        s = unit.result.scores[name]
        still = "-" if s.relative_l2_persistence is None else percent(s.relative_l2_persistence)
        for field, value in s.by_field.items():
            waves = " ".join(percent(b) for b in s.bands.get(field, ())) or "-"
            grid = " x ".join(map(str, s.grid))
            rows.append(
                [
                    f"{name}: {field}",
                    str(s.samples),
                    grid,
                    percent(value),
                    percent(s.relative_l2_trivial),
                    still,
                    f"{s.max_error[field]:.3g}",
                    waves,
                ]
            )
    header = ["data", "samples", "grid", "relative L2", "mean field", "no change", "largest error"]
    note = (
        "Relative L2: |prediction - truth| / |truth|, mean over samples. The last column splits the error by "
        "wavenumber: below 5, 5 to 12, from 13 periods over the domain."
    )
    blocks: list[Any] = [Table([*header, "low, middle, high waves"], rows, note)]
    for name in unit.result.names:
        s = unit.result.scores[name]
        arrays = unit.arrays(s.file)
        for field in s.by_field:
            drawn = field_figures.samples(arrays, field, dim=len(s.grid))
            blocks.append(Picture(drawn, f"{name}, {field}: the best, the median and the worst sample, last frame."))
        if name == unit.result.names[0]:
            blocks.append(Picture(field_figures.errors(arrays["relative_l2"]), f"{name}: errors of all samples."))
    return Section("How wrong it is", (), blocks)


def spread(unit: Finished) -> Section | None:
    """Coverage, width and rank correlation of the calibrated bands; None without a spread."""
    rows, clouds, terciles = [], {}, {}
    level = 0.9
    for name in unit.result.names:
        s = unit.result.scores[name]
        arrays = unit.arrays(s.file)
        for field, band in s.spread.items():
            level = band.level
            rows.append(bands.row(f"{name}: {field}", band))
            terciles[f"{name}: {field}"] = (band.coverage, band.terciles)
            if f"{field}_cloud_std" in arrays and name == unit.result.names[0]:
                width = 1.6449 * arrays[f"{field}_cloud_std"]
                clouds[f"{name}: {field}"] = (width, np.maximum(arrays[f"{field}_cloud_error"], 1e-12))
    if not rows:
        return None
    pictures = [
        Picture(figures.spread_against_error({n: pair}, unit="field's unit"), f"{n}: band at each point.")
        for n, pair in clouds.items()
    ]
    pictures.append(Picture(figures.coverage_by_tercile(terciles, level=level), "All, and thirds by band width."))
    flagged = [f"{n}: {100 * s.foreign:.1f} %" for n, s in unit.result.scores.items() if s.foreign is not None]
    text = [f"Called unlike the training data: {', '.join(flagged)} of the inputs."] if flagged else []
    note = bands.promise(level, "The band at a point")
    return Section("How sure it is", text, [Table(bands.HEADER, rows, note), *pictures])


def physics(unit: Finished) -> Section | None:
    """Physics says, statistics says: the residual of the equation beside the band, a row a data set."""
    rows = []
    for name in unit.result.names:
        s = unit.result.scores[name]
        drift = ", ".join(f"{field} {percent(v)}" for field, v in s.mean_drift.items())
        if s.residual is None and not s.spread:
            continue
        own = "-" if s.residual is None else f"{s.residual:.3g}"
        truth = "-" if s.residual_truth is None else f"{s.residual_truth:.3g}"
        widths = ", ".join(f"± {b.mean_width:.3g}" for b in s.spread.values()) or "no spread"
        made = ", ".join(f"{b.mean_error:.3g}" for b in s.spread.values()) or "-"
        rows.append([name, own, truth, drift, widths, made])
    if not rows:
        return None
    note = (
        "Physics: by how much the prediction misses its equation on these frames, relative to the equation's terms "
        "(the truth's own residual is what the frames' spacing leaves), and how far the mean over the domain is off. "
        "Statistics: the mean 90 % band at a point, beside the mean error that was made."
    )
    header = ["data", "residual", "the truth's residual", "error of the mean", "statistics says", "error made"]
    return Section("Physics says, statistics says", (), [Table(header, rows, note)])


def certified(unit: Finished) -> Section | None:
    """How much work the operator saves the solver that finishes; None where it was not asked."""
    c = unit.result.certified
    if c is None:
        return None
    work = "iterations of the solver" if c.how == "conjugate gradients" else "sweeps of the solver, slices in parallel"
    text = (
        f"{'Certified' if c.converged else 'Not certified'}: from the operator's answer the solver took {c.work:.3g} "
        f"{work} instead of {c.alone:.3g} ({c.how}, mean of {c.samples}) and left a relative defect of {c.defect:.1e}; "
        f"the answer itself was {percent(c.error)} off."
    )
    return Section("Finished by the solver", [text])


def speed(unit: Finished, run: FinishedRun) -> Section | None:
    """The solver on coarser and coarser grids beside the operator, and the break-even at equal error."""
    found = unit.times.get("speed")
    if not found:
        return None
    solver = found.get("solver") or []
    rows = [["surrogate, alone", str(found["points"]), milliseconds(found["surrogate"]), percent(found["error"])]]
    rows.append(["surrogate, 32 at once", str(found["points"]), milliseconds(found["batch"]), percent(found["error"])])
    rows += [["solver", str(s["points"]), milliseconds(s["seconds"]), percent(s["error"])] for s in solver]
    header = ["who", "points an axis", "CPU time a sample", "relative L2 at the end"]
    blocks: list[Any] = [Table(header, rows)]
    if solver:
        blocks.append(Picture(field_figures.work_precision(found), "Error against time: lower left is better."))
    return Section("What it costs", [_equal_error(found, invested(run))] if solver else (), blocks)


def _equal_error(found: dict[str, Any], spent: tuple[float, float]) -> str:
    good = [s for s in found["solver"] if s["error"] <= found["error"]]
    data, training = spent
    paid = f"Invested: {data:.0f} CPU s for data, {training:.0f} CPU s for training. "
    if not good:
        return paid + "The solver reaches no such error on the grids tried."
    best = min(good, key=lambda s: float(s["seconds"]))
    ratio = best["seconds"] / found["batch"]
    text = (
        f"At an error no larger than the surrogate's the solver needs {best['points']} points an axis and "
        f"{milliseconds(best['seconds'])} a sample, the surrogate {milliseconds(found['batch'])}: "
    )
    if ratio <= 1:
        return f"{paid}{text}the surrogate is {1 / ratio:.1f} times slower and never pays at this size."
    calls = math.ceil((data + training) / (best["seconds"] - found["batch"]))
    return f"{paid}{text}{ratio:.1f} times faster, paid after {calls:,} samples."


def rollout(unit: Finished) -> Section:
    """Error growth beside persistence and a coarse solver, conserved means, spectra and frames."""
    result = unit.result
    arrays = unit.arrays(result.file)
    blocks: list[Any] = []
    rows = []
    for name, error in result.error.items():
        ends = [error[0][0], error[-1][0], error[-1][2]]
        still, coarse = result.persistence.get(name), result.coarse.get(name)
        rows.append(
            [name, *(percent(e) for e in ends)]
            + [percent(x[-1]) if x else "-" for x in (still, coarse)]
            + [f"{result.mean_change[name][-1]:.2g}" if name in result.mean_change else "-"]
            + [f"{result.truth_change[name][-1]:.2g}" if name in result.truth_change else "-"]
        )
        curves = {"surrogate": [e[0] for e in error], "each step from the truth": list(result.single[name])}
        if still:
            curves["no change"] = list(still)
        if coarse:
            curves["solver on a coarse grid"] = list(coarse)
        drawn = field_figures.growth(curves, [(e[1], e[2]) for e in error])
        blocks.append(Picture(drawn, f"{name}: relative L2 error by step; shaded, 80 % of the trajectories."))
        drawn = field_figures.strip(arrays, name)
        if drawn:
            blocks.append(Picture(drawn, f"{name}: a median trajectory, truth above, surrogate below."))
        pair = (arrays[f"{name}_spectrum_reference"], arrays[f"{name}_spectrum"])
        blocks.append(Picture(field_figures.spectra(*pair), f"{name}: power by wavenumber in the last frame."))
        if result.coverage.get(name):
            shares = result.coverage[name]
            curve = {"inside the 90 % band": ([float(k + 1) for k in range(len(shares))], list(shares))}
            drawn = figures.lines(curve, xlabel="frame", ylabel="share of values", title="Coverage along the rollout")
            blocks.append(Picture(drawn, f"{name}: every step has a band of its own."))
    header = ["field", "first step", "last step", "its 90 % quantile", "no change", "coarse solver"]
    note = "Change of the mean: |mean over the domain now - at the start|, mean over trajectories, last frame."
    table = Table([*header, "change of the mean", "the truth's"], rows, note)
    text = [f"{result.trajectories} trajectories, {result.steps} steps; {result.left_data} left the training data."]
    return Section(f"Rolled out: {unit.name}", text, [table, *blocks])


def training(unit: Finished) -> Section:
    """Loss curves and the learning curve."""
    result = unit.result
    header = ["members", "weights each", "steps", "training trajectories", "CPU s", "peak memory"]
    steps = ", ".join(map(str, result.steps))
    row = [str(result.members), f"{result.parameters:,}", steps, str(result.train), f"{unit.cpu_seconds:.0f}"]
    blocks: list[Any] = [Table(header, [[*row, f"{unit.memory:.0f} MB"]])]
    text = [f"A member stopped before its budget's end: {result.stopped}."] if result.stopped else []
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for point in read_json(unit.folder / result.history) or ():
        if point.get("valid") is not None:
            x, y = curves.setdefault(f"member {point.get('member', 0)}", ([], []))
            x.append(float(point["step"]))
            y.append(float(point["valid"]))
    if curves:
        drawn = figures.history(curves, xlabel="training step", ylabel="validation loss")
        blocks.append(Picture(drawn, "Validation loss of each member; averaged weights."))
    points = [(p.samples, p.error) for p in result.curve if p.error > 0]
    if len({n for n, _ in points}) > 1:
        law = power_law([n for n, _ in points], [e for _, e in points])
        drawn = figures.learning_curve(
            [n for n, _ in points],
            [100 * e for _, e in points],
            (100 * law.amplitude, law.exponent),
            xlabel="training trajectories",
            ylabel="relative L2 (%)",
        )
        blocks.append(Picture(drawn, "Error on the validation part; each point had a budget in proportion."))
        text.append(f"Error falls as n^(-{law.exponent:.2f}) with the number n of training trajectories.")
    return Section("How it learned", text, blocks)


def data(unit: Finished) -> Section:
    """Parts of the data: grids, frames, fields, parameters."""
    rows = []
    for name, part in unit.result.parts.items():
        fields = ", ".join(f"{n}{'' if not r else f' (rank {r})'}" for n, r in part.fields.items())
        told = ", ".join(
            f"{n} {low:g}" if low == high else f"{n} {low:g} to {high:g}" for n, (low, high) in part.parameters.items()
        )
        grid = " x ".join(map(str, part.grid))
        rows.append([name, str(part.samples), str(part.frames), grid, fields, told or "-", part.hash[:12]])
    settings = ", ".join(f"{k} {v}" for k, v in (unit.settings.get("settings") or {}).items())
    source = unit.settings.get("generator") or unit.settings.get("file", "")
    text = [f"{source}{': ' if settings else ''}{settings}"]
    header = ["part", "trajectories", "frames", "grid", "fields", "parameters", "hash"]
    return Section("What it learned from", text, [Table(header, rows, f"{unit.cpu_seconds:.0f} CPU s in all.")])
