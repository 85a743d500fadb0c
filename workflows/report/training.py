"""Data and training: what was learned from, how the loss fell, what more data would bring."""

from __future__ import annotations

import math
from typing import Any

from surrogates.evaluation.learning_curve import PowerLaw, power_law
from surrogates.workflows.files import read_json
from surrogates.workflows.report import figures
from surrogates.workflows.report.finished import Finished
from surrogates.workflows.report.page import Picture, Section, Table
from surrogates.workflows.report.words import number

_LABELS = ("energy", "forces", "stress")
_BETTER = 0.5  # the error that the learning curve is asked for, as a share of today's


def data(unit: Finished) -> Section:
    """Parts of the reference data, with what the reference could not label."""
    walkers, rows = unit.settings.get("walkers", {}), []
    for name, part in unit.result.parts.items():
        rows.append(
            [name, str(part.samples), _sampled(walkers.get(name)), str(part.calls), str(part.failed), part.hash[:12]]
        )
    reference = ", ".join(f"{k} {v}" for k, v in unit.result.reference.items())
    failed = [reason for part in unit.result.parts.values() for reason in part.reasons]
    text = [f"Reference: {reference}.", *(f"Not labelled: {reason}" for reason in failed[:5])]
    header = ["part", "structures", "sampled", "reference calls", "failed", "hash"]
    note = f"{unit.cpu_seconds:.0f} CPU s in all. Calls without those of dynamics between samples."
    return Section("What it learned from", text, [Table(header, rows, note)])


def _sampled(walkers: Any) -> str:
    """One walker, or several of one part, in words; each starts from the step's structures unless it names its own."""
    several = walkers if isinstance(walkers, list) else [walkers or {}]
    words = [", ".join(f"{k} {v}" for k, v in w.items() if k not in ("samples", "structures")) for w in several]
    if len(several) > 1:
        words = [f"{w.get('samples')} by {text}" for w, text in zip(several, words, strict=True)]
    return "; ".join(words)


def training(unit: Finished, invested: float) -> Section:
    """Loss curves, the learning curve and its power law; `invested` CPU seconds made the reference data."""
    result = unit.result
    header = ["members", "weights each", "steps", "training frames", "CPU s", "peak memory"]
    steps = ", ".join(map(str, result.steps))
    row = [str(result.members), f"{result.parameters:,}", steps, str(result.train), f"{unit.cpu_seconds:.0f}"]
    blocks: list[Any] = [Table(header, [[*row, f"{unit.memory:.0f} MB"]])]
    text = [f"A member stopped before its budget's end: {result.stopped}."] if result.stopped else []
    text += _beginning(unit)
    parts = _parts(unit)
    if parts:
        blocks.append(parts)
    curves = _losses(unit)
    if curves:
        svg = figures.history(curves, xlabel="training step", ylabel="validation loss")
        blocks.append(Picture(svg, "Validation loss of each member, and of each head; averaged weights."))
    law = curve_law(unit)
    if law is not None:
        points = [(p.frames, 1e3 * p.force_mae) for p in result.curve]
        fitted = (1e3 * law.amplitude, law.exponent)
        drawn = figures.learning_curve([p[0] for p in points], [p[1] for p in points], fitted)
        blocks.append(Picture(drawn, "Error on the validation part; each point had a budget in proportion."))
        text.append(_advice(unit, law, invested))
    return Section("How it learned", text, blocks)


def curve_law(unit: Finished) -> PowerLaw | None:
    """The power law through the learning curve, None with fewer than two sizes."""
    points = [p for p in unit.result.curve if p.force_mae > 0]
    if len({p.frames for p in points}) < 2:
        return None
    return power_law([p.frames for p in points], [p.force_mae for p in points])


def _advice(unit: Finished, law: PowerLaw, invested: float) -> str:
    """N more frames, M minutes, to reach X."""
    now = law.error(unit.result.train)
    wanted = _BETTER * now
    frames = law.samples(wanted)
    if not math.isfinite(frames) or frames > 1e3 * unit.result.train:
        return "The learning curve is flat: more data of this kind will not help; look at the model or the labels."
    more = math.ceil(frames - unit.result.train)
    minutes = (frames / unit.result.train - 1) * (invested + unit.cpu_seconds) / 60
    return (
        f"Error falls as n^(-{law.exponent:.2f}). To reach {1e3 * wanted:.1f} meV/Å, half of today's, the law asks for "
        f"{more} more frames: about {minutes:.0f} more CPU minutes for data and training together."
    )


def _beginning(unit: Finished) -> list[str]:
    """From where a fine-tuning started, what trained, and what became of isolated atoms."""
    result, start = unit.result, unit.settings.get("start")
    if not start:
        return []
    trained = result.parameters - result.frozen
    text = [f"Fine-tuned from {start}: {trained:,} weights trained, {result.frozen:,} were frozen."]
    if result.heads:
        text.append(f"Heads on one trunk, trained together: {', '.join(result.heads)}; this surrogate is the first.")
    seen = {name.split(".")[1] for row in _rows(unit) for name in row if name.endswith(".loss")}
    blind = [head for head in result.heads if head not in seen]
    if blind:
        text.append(f"No validation data for {', '.join(blind)}: nothing told whether it got worse.")
    for head, words in result.isolated.items():
        text.append(f"Isolated atoms{f' of head {head}' if head else ''}: {words}.")
    return text


def _parts(unit: Finished) -> Table | None:
    """Every head's validation loss and its parts, at the weights that were kept; None without validation."""
    best: dict[int, dict[str, Any]] = {}
    for row in _rows(unit):
        member = int(row.get("member", 0))
        if member not in best or row["valid"] < best[member]["valid"]:
            best[member] = row
    rows = []
    for member, row in sorted(best.items()):
        for head in [h for h in unit.result.heads if f"valid.{h}.loss" in row] or [""]:
            prefix = f"valid.{head}." if head else "valid."
            loss = row.get(f"{prefix}loss", row["valid"])
            costs = [row.get(prefix + part) for part in _LABELS]
            rows.append([f"member {member}{f', head {head}' if head else ''}", number(loss), *map(number, costs)])
    header = ["at the kept weights", "validation loss", *_LABELS]
    note = "Parts are costs of errors in eV/atom, eV/Å and eV/Å^3, unweighted; - where there are no labels."
    return Table(header, rows, note) if rows else None


def _rows(unit: Finished) -> list[dict[str, Any]]:
    """The rows of the history that have a validation loss."""
    return [row for row in read_json(unit.folder / unit.result.history) or () if row.get("valid") is not None]


def _losses(unit: Finished) -> dict[str, tuple[list[float], list[float]]]:
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for row in _rows(unit):
        member = f"member {row.get('member', 0)}"
        own = {f"{member}, {head}": row.get(f"valid.{head}.loss") for head in unit.result.heads}
        for name, value in {member: row["valid"], **own}.items():
            if value is not None:
                x, y = curves.setdefault(name, ([], []))
                x.append(float(row["step"]))
                y.append(value)
    return {name: curve for name, curve in curves.items() if len(curve[0]) > 1}
