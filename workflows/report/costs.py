"""Speed beside the reference at named sizes, and after how many calls data and training have paid."""

from __future__ import annotations

import math
from typing import Any

from surrogates.evaluation.breakeven import BreakEven
from surrogates.workflows.report import figures
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.page import Picture, Section, Table

_TRAINING = ("train", "train_operator", "solve_equation", "train_mesh_surrogate", "fit_mmgp", "train_plate_graph")


def invested(run: FinishedRun) -> tuple[float, float]:
    """CPU seconds for (reference data, training)."""
    data = [u for kind in ("generate", "generate_fields", "generate_meshes") for u in run.of(kind)]
    training = [u for kind in _TRAINING for u in run.of(kind)]
    return sum(u.cpu_seconds for u in data), sum(u.cpu_seconds for u in training)


def speed(unit: Finished, run: FinishedRun) -> Section | None:
    """Times a call and the break-even count by size; None where nothing was timed."""
    found = unit.times.get("speed") or []
    if not found:
        return None
    data, training = invested(run)
    rows, names, seconds = [], [], []
    for timing in found:
        size, own, theirs = int(timing["atoms"]), float(timing["surrogate"]), timing.get("reference")
        names.append(f"surrogate, {size} atoms")
        seconds.append(own)
        if theirs is None:
            rows.append([str(size), f"{1e3 * own:.2f}", "-", "-", "-"])
            continue
        names.append(f"reference, {size} atoms")
        seconds.append(theirs)
        rows.append(
            [
                str(size),
                f"{1e3 * own:.2f}",
                f"{1e3 * theirs:.2f}",
                *_pays(BreakEven(size, own, theirs, data + training)),
            ]
        )
    header = ["atoms", "surrogate (CPU ms)", "reference (CPU ms)", "surrogate is", "paid after"]
    note = (
        f"Invested in this run: {data:.0f} CPU s for data, {training:.0f} CPU s for training; labels that an earlier "
        "run left in the cache cost nothing here. Energy and forces, one thread."
    )
    title = "What it costs" + (f": {unit.name}" if len(list(run.of("evaluate"))) > 1 else "")
    return Section(title, (), [Table(header, rows, note), Picture(figures.times(names, seconds, title=""))])


def _pays(cost: BreakEven) -> list[str]:
    if math.isinf(cost.calls):
        return [f"{1 / cost.speedup:.1f} times slower", "never at this size"]
    return [f"{cost.speedup:.1f} times faster", f"{cost.calls:,.0f} calls"]


def provenance(run: FinishedRun) -> list[tuple[str, str]]:
    """Names and values for the foot of the page."""
    rows: list[tuple[str, Any]] = [("run", run.name), ("seed", run.workflow.get("seed", 0))]
    rows += [("machine", ", ".join(f"{k} {v}" for k, v in run.machine.items()))]
    rows += [("versions", ", ".join(f"{k} {v}" for k, v in run.versions.items()))]
    for unit in (u for kind in _TRAINING for u in run.of(kind)):
        rows += [("checkpoint", f"{unit.name}/{unit.result.file}, SHA-256 {unit.result.digest}")]
        rows += [("method", paper) for paper in unit.result.papers]
    rows += [("CPU seconds", ", ".join(f"{u.name} {u.cpu_seconds:.0f}" for u in run.units))]
    rows += [("peak memory of a process", f"{max((u.memory for u in run.units), default=0):.0f} MB")]
    return [(name, str(value)) for name, value in rows]
