"""How surrogates on meshes learned, and what from."""

from __future__ import annotations

from typing import Any

from surrogates.workflows.files import read_json
from surrogates.workflows.report import figures, mesh_figures
from surrogates.workflows.report.finished import Finished
from surrogates.workflows.report.page import Picture, Section, Table
from surrogates.workflows.report.words import number, percent


def training(unit: Finished) -> Section:
    """Loss curves of a network."""
    result = unit.result
    header = ["network", "members", "weights each", "steps", "training meshes", "calibration", "CPU s", "peak memory"]
    row = [result.model, str(result.members), f"{result.parameters:,}", ", ".join(map(str, result.steps))]
    row += [str(result.train), str(result.calibration), f"{unit.cpu_seconds:.0f}", f"{unit.memory:.0f} MB"]
    blocks: list[Any] = [Table(header, [row])]
    text = [f"A member stopped before its budget's end: {result.stopped}."] if result.stopped else []
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for point in read_json(unit.folder / result.history) or ():
        if point.get("valid") is not None:
            x, y = curves.setdefault(f"member {point.get('member', 0)}", ([], []))
            x.append(float(point["step"]))
            y.append(float(point["valid"]))
    if any(len(x) > 1 for x, _ in curves.values()):
        drawn = figures.history(curves, xlabel="training step", ylabel="validation loss")
        blocks.append(Picture(drawn, "Validation loss of each member; averaged weights."))
    return Section(f"How it learned: {unit.name}", text, blocks)


def processes(unit: Finished) -> Section:
    """Modes, floors and lengths of an MMGP."""
    result = unit.result
    rows = [
        [name, str(f.modes), percent(f.truncation), percent(f.morph), percent(f.left_out)]
        for name, f in result.fields.items()
    ]
    note = (
        "Floors that no regression can undercut: what the modes leave of the training fields, and what is lost on the "
        "way to the common mesh and back. Left out: relative L2 error in leave-one-out, which calibrates the band."
    )
    header = ["field", "modes", "truncation", "there and back", "left out"]
    spent = (f"{unit.cpu_seconds:.1f}", f"{unit.memory:.0f} MB")
    facts = [[str(result.train), str(result.shape_modes), f"{result.nodes:,}", *spent]]
    head = ["training meshes", "modes of the shape", "nodes of the common mesh", "CPU s", "peak memory"]
    blocks: list[Any] = [Table(head, facts), Table(header, rows, note)]
    spectra = {name: list(f.spectrum) for name, f in result.fields.items() if len(f.spectrum) > 1}
    if spectra:
        drawn = mesh_figures.decay(spectra, xlabel="mode", ylabel="share of the variance")
        blocks.append(Picture(drawn, "Share of the training variance in each mode of a field."))
    return Section(f"How it learned: {unit.name}", result.notes, blocks)


def data(unit: Finished) -> Section:
    """Parts of the data, a few meshes of the first part, and the files that were left out."""
    rows = []
    for name, part in unit.result.parts.items():
        fields = ", ".join(f"{n}{'' if k == 1 else f' ({k})'}" for n, k in part.fields.items())
        told = ", ".join(
            f"{n} {low:g}" if low == high else f"{n} {low:g} to {high:g}" for n, (low, high) in part.parameters.items()
        )
        nodes = f"{part.nodes[0]:,}" if part.nodes[0] == part.nodes[1] else f"{part.nodes[0]:,} to {part.nodes[1]:,}"
        cells = ", ".join(part.cells)
        row = [name, str(part.samples), nodes, cells, str(part.frames), fields or "-", ", ".join(part.tags) or "-"]
        rows.append([*row, told or "-", part.hash[:12]])
    settings = ", ".join(f"{k} {v}" for k, v in (unit.settings.get("settings") or {}).items())
    source = unit.settings.get("generator") or unit.settings.get("file", "")
    text = [f"{source}{': ' if settings else ''}{settings}"]
    header = ["part", "meshes", "nodes", "cells", "frames", "fields", "tags", "parameters", "hash"]
    blocks: list[Any] = [Table(header, rows, f"{unit.cpu_seconds:.0f} CPU s in all.")]
    misfits = getattr(unit.result, "misfits", {})
    if misfits:
        whole = sum(part.samples for part in unit.result.parts.values()) + len(misfits)
        text.append(f"{len(misfits)} of {whole} files were left out; every reason is below.")
        blocks.append(Table(["file", "why it was left out"], [[name, why] for name, why in misfits.items()]))
    name, part = next(iter(unit.result.parts.items()))
    file = f"{part.file.removesuffix('.h5')}.npz"
    if part.fields and (unit.folder / file).is_file():
        arrays = unit.arrays(file)
        keys = [str(k) for k in arrays["rows"]]
        drawn = mesh_figures.multiples(arrays, keys, "shown", "truth", [f"mesh {k}" for k in keys])
        field = list(part.fields)[-1]
        unit_of = part.units.get(field, "")
        blocks.append(Picture(drawn, f"{name}: {field}{f' ({unit_of})' if unit_of else ''} of meshes drawn evenly."))
    return Section("What it learned from", text, blocks)


def rollout(unit: Finished) -> Section:
    """Error growth beside no change, coverage along the way, and strips of frames of a median history."""
    from surrogates.workflows.report import field_figures

    result = unit.result
    arrays = unit.arrays(result.file)
    blocks: list[Any] = []
    rows = []
    for name, error in result.error.items():
        still = result.persistence.get(name) or ()
        ends = [percent(e) for e in (error[0][0], error[-1][0], error[-1][2])]
        row = [name, *ends, percent(still[-1]) if still else "-"]
        rows.append([*row, *(number(x.get(name)) for x in (result.rmse_first, result.rmse, result.rmse_persistence))])
        curves = {"surrogate": [e[0] for e in error]}
        if result.single.get(name):
            curves["each step from the truth"] = list(result.single[name])
        if still:
            curves["no change"] = list(still)
        drawn = field_figures.growth(curves, [(e[1], e[2]) for e in error])
        blocks.append(Picture(drawn, f"{name}: relative L2 error by step; shaded, 80 % of the histories."))
        if f"strip_{name}_truth" in arrays:
            drawn = mesh_figures.strip(arrays, name)
            blocks.append(Picture(drawn, f"{name}: a median history; solver, surrogate, difference."))
        if result.coverage.get(name):
            shares = result.coverage[name]
            curve = {"inside the 90 % band": ([float(k + 1) for k in range(len(shares))], list(shares))}
            drawn = figures.lines(curve, xlabel="step", ylabel="share of values", title="Coverage along the rollout")
            blocks.append(Picture(drawn, f"{name}: every step has a band of its own."))
    header = ["field", "first step", "last step", "its 90 % quantile", "no change", "RMSE, first step", "RMSE, all"]
    note = "Relative L2 with the mass matrix; RMSE over nodes and components, in the field's unit."
    seconds = unit.times.get("rollout") or {}
    left = f"{result.left_data} left the training data"
    text = [f"{result.histories} histories, {result.steps} steps, fed with its own output; {left}."]
    if seconds:
        told = f"{1e3 * seconds['step']:.3g} CPU ms a step of a mesh of {seconds['nodes']:,.0f} nodes"
        text.append(f"The rollout takes {told}.")
    return Section(f"Rolled out: {unit.name}", text, [Table([*header, "RMSE, no change"], rows, note), *blocks])
