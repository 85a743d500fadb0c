"""Surrogates on meshes: errors, maps, bands, physics, laws, side by side, and what they cost beside the solver."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from surrogates.workflows.report import bands, figures, mesh_figures
from surrogates.workflows.report.costs import invested
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.page import Picture, Section, Table
from surrogates.workflows.report.words import milliseconds, number, percent

_PANELS = 6  # numbers of the geometry that errors are drawn against
_FIELDS = 3  # fields of which maps are drawn


def judged(unit: Finished, run: FinishedRun) -> Iterator[Section]:
    """What a step `evaluate_mesh_surrogate` found."""
    yield errors(unit)
    yield maps(unit)
    optional = (geometry(unit), spread(unit), physics(unit), certified(unit), laws(unit), speed(unit, run))
    yield from (section for section in optional if section is not None)


def errors(unit: Finished) -> Section:
    """Every surrogate on every file, field by field, beside what costs nothing."""
    rows, found = [], {}
    for name, file, s in _each(unit):
        for field in s.fields:
            row = [f"{name}, {file}: {field}", str(s.samples), f"{s.nodes:,.0f}", percent(s.relative_l2[field])]
            row += [percent(s.trivial.get(field)), percent(s.persistence.get(field)), percent(s.rrmse.get(field))]
            rows.append([*row, number(s.rmse.get(field)), number(s.max_error.get(field))])
            if file == unit.result.files[0] and field == _main(s):
                found[name] = unit.arrays(s.file)[f"{field}_relative_l2"]
    note = (
        "Relative L2: |prediction - solver| / |solver| over the domain (with the mass matrix of the elements, so that "
        "refinement does not change it), mean over meshes. Beside it the best constant field, and no change in time. "
        "RRMSE: root mean square of each mesh's nodal error over its largest value, as in PLAID. Nodal RMSE and the "
        "largest error are in the field's unit."
    )
    header = ["surrogate, data: field", "meshes", "nodes", "relative L2", "a constant", "no change", "RRMSE"]
    blocks: list[Any] = [Table([*header, "nodal RMSE", "largest error"], rows, note)]
    blocks += _quantities(unit)
    field = _main(_first(unit))
    blocks.append(Picture(mesh_figures.errors(found), f"{field} on {unit.result.files[0]}: share of meshes below."))
    return Section("How wrong it is", _winner(unit), blocks)


def _quantities(unit: Finished) -> list[Any]:
    """Table and parity of numbers such as peaks."""
    rows = []
    for name, file, s in _each(unit):
        for what, q in s.quantities.items():
            inside = "-" if q.coverage is None else f"{100 * q.coverage:.1f} %"
            rank = "-" if q.rank is None else f"{q.rank:.3f}"
            rows.append([f"{name}, {file}: {what}", percent(q.error), rank, inside, percent(q.width)])
    if not rows:
        return []
    note = "Of each mesh: mean |error| over |truth|, rank correlation over meshes, and how its own 90 % band did."
    header = ["surrogate, data: number", "mean relative error", "rank correlation", "inside the band", "half-width"]
    blocks: list[Any] = [Table(header, rows, note)]
    for name in unit.result.names:
        arrays = unit.arrays(_of(unit, name).file)
        keys = [k.removesuffix("_quantity_truth") for k in arrays if k.endswith("_quantity_truth")][:3]
        panels = {
            k: (arrays[f"{k}_quantity_truth"], arrays[f"{k}_quantity_said"], arrays.get(f"{k}_quantity_std"))
            for k in keys
        }
        if panels:
            blocks.append(Picture(mesh_figures.peaks(panels), f"{name}, {unit.result.files[0]}: one point a mesh."))
    return blocks


def _winner(unit: Finished) -> list[str]:
    """One sentence on who is better, where there are several."""
    if len(unit.result.names) < 2:
        return []
    shared = set.intersection(*(set(_of(unit, n).relative_l2) for n in unit.result.names))
    text = []
    for field in (f for f in _first(unit).fields if f in shared):
        order = sorted(unit.result.names, key=lambda n: _of(unit, n).relative_l2[field])
        told = ", ".join(f"{n} {percent(_of(unit, n).relative_l2[field])}" for n in order)
        text.append(f"Side by side, {field} on {unit.result.files[0]}: {told}.")
    return text


def maps(unit: Finished) -> Section:
    """Best, median and worst mesh of the first surrogate, the same meshes by all, and errors of several designs."""
    blocks: list[Any] = []
    first = _first(unit)
    arrays = unit.arrays(first.file)
    keys = [str(k) for k in arrays["shown"]]
    for field in first.fields[:_FIELDS]:
        each = arrays[f"{field}_relative_l2"]
        titles = [f"{percent(float(each[int(k)]))}" for k in keys]
        drawn = mesh_figures.fields(arrays, keys, field, titles)
        text = f"{unit.result.names[0]}, {field}{_unit(arrays, field)}: the best, the median and the worst mesh"
        blocks.append(Picture(drawn, f"{text} of {unit.result.files[0]}; relative L2 at the left."))
    sets = {n: unit.arrays(_of(unit, n).file) for n in unit.result.names}
    field = _main(first)
    common = [str(k) for k in arrays["common"]]
    if len(sets) > 1 and all(f"{common[0]}_{field}_said" in a for a in sets.values()):
        drawn = mesh_figures.beside(sets, common[:3], field)
        blocks.append(Picture(drawn, f"{field}: the same designs by every surrogate; errors in one range of colours."))
    titles = [percent(float(arrays[f"{field}_relative_l2"][int(k)])) for k in common]
    drawn = mesh_figures.multiples(arrays, common, field, "error", titles)
    blocks.append(Picture(drawn, f"{unit.result.names[0]}, {field}: errors on designs drawn evenly, in one range."))
    for file in unit.result.files[1:]:
        s = unit.result.scores[unit.result.names[0]][file]
        other = unit.arrays(s.file)
        worst = [str(other["shown"][-1])]
        titles = [percent(float(other[f"{_main(s)}_relative_l2"][int(worst[0])]))]
        drawn = mesh_figures.fields(other, worst, _main(s), titles)
        blocks.append(Picture(drawn, f"{unit.result.names[0]}, {_main(s)}: the worst mesh of {file}."))
    return Section("Where it is wrong", (), blocks)


def geometry(unit: Finished) -> Section | None:
    """Error against numbers of the geometry and parameters; None where none of them varies."""
    first = _first(unit)
    if not first.follows:
        return None
    arrays = unit.arrays(first.file)
    errors = {n: unit.arrays(_of(unit, n).file)["relative_l2"] for n in unit.result.names}
    order = sorted(first.follows, key=lambda n: -abs(first.follows[n]))
    names = [n for n in order if f"geometry_{n}" in arrays][:_PANELS]
    panels = [(n, arrays[f"geometry_{n}"]) for n in names]
    rows = [
        [n, *(f"{_of(unit, s).follows[n]:.2f}" if n in _of(unit, s).follows else "-" for s in unit.result.names)]
        for n in order
    ]
    text = "Where the error follows one of these numbers, more designs there would help most."
    blocks: list[Any] = [Picture(mesh_figures.against(panels, errors, ylabel="relative L2 (%)"), text)]
    header = ["number", *(f"rank with the error, {n}" for n in unit.result.names)]
    return Section("What its errors follow", (), [Table(header, rows), *blocks])


def spread(unit: Finished) -> Section | None:
    """Coverage, width and rank correlation of the bands of every surrogate; None without one."""
    rows, clouds, terciles, level = [], {}, {}, 0.9
    for name, file, s in _each(unit):
        arrays = unit.arrays(s.file) if file == unit.result.files[0] else {}
        for field, band in s.spread.items():
            level, label = band.level, f"{name}, {file}: {field}"
            rows.append(bands.row(label, band))
            if file == unit.result.files[0] or field == _main(s):
                terciles[label] = (band.coverage, band.terciles)
            if f"{field}_cloud_std" in arrays and field == _main(s):
                width = np.maximum(1.6449 * arrays[f"{field}_cloud_std"], 1e-12)
                clouds[label] = (width, np.maximum(arrays[f"{field}_cloud_error"], 1e-12))
    if not rows:
        return None
    pictures = [
        Picture(figures.spread_against_error({n: pair}, unit="field's unit"), f"{n}: band at each node.")
        for n, pair in clouds.items()
    ]
    pictures.append(Picture(figures.coverage_by_tercile(terciles, level=level), "All nodes, and thirds by band width."))
    flagged = [f"{n}, {f}: {100 * s.foreign:.1f} %" for n, f, s in _each(unit) if s.foreign is not None]
    text = [f"Called unlike the training data: {'; '.join(flagged)} of the meshes."] if flagged else []
    note = bands.promise(level, "The band at a node")
    return Section("How sure it is", text, [Table(bands.HEADER, rows, note), *pictures])


def physics(unit: Finished) -> Section | None:
    """Physics says, statistics says: the finite element residual beside the band, a row a surrogate and file."""
    rows = []
    for name, file, s in _each(unit):
        if s.indicator is None and not s.spread:
            continue
        widths = ", ".join(f"{f} ± {b.mean_width:.3g}" for f, b in s.spread.items()) or "no spread"
        made = ", ".join(f"{b.mean_error:.3g}" for b in s.spread.values()) or "-"
        known = "-" if s.indicator_rank is None else f"{s.indicator_rank:.2f}"
        says = [percent(s.indicator), percent(s.indicator_truth), percent(s.galerkin)]
        rows.append([f"{name}, {file}", *says, known, widths, made])
    if not rows:
        return None
    note = (
        "Physics needs no solution: residuals inside the elements and jumps of the stress between them, over the "
        "energy, of the prediction and of the solver's field (what its mesh leaves); and K u - f, which is zero for "
        "the solver. Its rank correlation with the error from mesh to mesh says whether it knows which meshes are "
        "wrong; medians over meshes. Statistics: the mean 90 % band at a node, beside the error made."
    )
    header = ["surrogate, data", "residuals, jumps", "the solver's", "K u - f", "rank with the error"]
    header += ["statistics says", "error made"]
    return Section("Physics says, statistics says", (), [Table(header, rows, note)])


def certified(unit: Finished) -> Section | None:
    """How much work surrogates save the solver that finishes; None where it was not asked."""
    rows = [
        [
            name,
            c.field,
            str(c.samples),
            f"{c.iterations:.0f}",
            f"{c.alone:.0f}",
            f"{c.defect:.1e}",
            "yes" if c.converged else "no",
            percent(c.error),
        ]
        for name, c in unit.result.certified.items()
    ]
    if not rows:
        return None
    header = ["from", "field", "meshes", "iterations", "from zero", "residual left", "certified", "answer off by"]
    note = (
        "Preconditioned conjugate gradients of the finite elements, begun at the surrogate's displacement and at zero, "
        "to the same residual. How far the answer was off is measured in the energy norm."
    )
    return Section("Finished by the solver", (), [Table(header, rows, note)])


def laws(unit: Finished) -> Section | None:
    """Every law of every surrogate; None where none was measured."""
    rows = []
    for name, found in unit.result.laws.items():
        for law in found:
            allowed = "-" if law.tolerance is None else f"{law.tolerance:.2g}"
            rows.append(
                [f"{name}: {law.name}", number(law.error), number(law.scale), allowed, law.unit, law.verdict, law.note]
            )
    if not rows:
        return None
    header = ["law", "violation", "scale", "allowed", "unit", "verdict", "note"]
    return Section("The laws it obeys", (), [Table(header, rows)])


def speed(unit: Finished, run: FinishedRun) -> Section | None:
    """Time a mesh beside the solver's, at equal error where it can be had, and the break-even."""
    found = unit.times.get("speed")
    if not found:
        return None
    solver = unit.times.get("solver") or []
    rows = []
    for name, cost in found.items():
        if cost is not None:
            scores = _of(unit, name)
            error = ", ".join(f"{f} {percent(scores.relative_l2[f])}" for f in scores.fields)
            rows.append([f"{name}, a new mesh", f"{cost['nodes']:,.0f}", milliseconds(cost["first"]), error])
            rows.append([f"{name}, a known mesh", f"{cost['nodes']:,.0f}", milliseconds(cost["again"]), error])
    for s in solver:
        error = ", ".join(f"{f} {percent(e)}" for f, e in s["error"].items()) or "the reference"
        label = "solver, as in the data" if s["coarser"] == 1 else f"solver, edges {s['coarser']} times longer"
        rows.append([label, f"{s['nodes']:,.0f}", milliseconds(s["seconds"]), error])
    header = ["who", "nodes", "CPU time a mesh", "relative L2"]
    note = "One thread. The solver's time has meshing in it; the surrogates take a mesh as given."
    return Section("What it costs", list(_pays(unit, run, found, solver)), [Table(header, rows, note)])


def _pays(unit: Finished, run: FinishedRun, found: dict[str, Any], solver: list[dict[str, Any]]) -> Iterator[str]:
    """After how many meshes data and training have paid, surrogate by surrogate."""
    data = invested(run)[0]
    for name, cost in found.items():
        if cost is None or not solver:
            continue
        trained = next((u for u in run.units if u.name == name), None)
        training = 0.0 if trained is None else trained.cpu_seconds
        error = _of(unit, name).relative_l2
        field = next((f for f in _of(unit, name).fields if f in solver[0]["error"]), None)
        good = [s for s in solver if s["coarser"] == 1 or (field and s["error"].get(field, math.inf) <= error[field])]
        best = min(good, key=lambda s: float(s["seconds"]))
        spent = f"{name}: invested {data:.0f} CPU s for data and {training:.1f} CPU s for training"
        what = "the solver" if best["coarser"] == 1 else f"the solver on edges {best['coarser']} times longer"
        ratio = float(best["seconds"]) / max(float(cost["first"]), 1e-12)
        beside = f"{milliseconds(cost['first'])} a new mesh, {what} {milliseconds(best['seconds'])} at no larger error"
        if ratio <= 1:
            yield f"{spent}; {beside}: {1 / ratio:.1f} times slower, it never pays at this size."
            continue
        calls = math.ceil((data + training) / (float(best["seconds"]) - float(cost["first"])))
        yield f"{spent}; {beside}: {ratio:.1f} times faster, paid after {calls:,} meshes."


def _each(unit: Finished) -> Iterator[tuple[str, str, Any]]:
    """(surrogate, data, scores), data by data."""
    for file in unit.result.files:
        for name in unit.result.names:
            yield name, file, unit.result.scores[name][file]


def _of(unit: Finished, name: str) -> Any:
    """Scores of a surrogate on the first data."""
    return unit.result.scores[name][unit.result.files[0]]


def _first(unit: Finished) -> Any:
    return _of(unit, unit.result.names[0])


def _main(scores: Any) -> str:
    """The field that is looked at first."""
    return str(scores.fields[0])


def _unit(arrays: dict[str, np.ndarray], field: str) -> str:
    unit = str(arrays[f"{field}_unit"]) if f"{field}_unit" in arrays else ""
    return f" ({unit})" if unit else ""
