"""What a training on an equation keeps beside its weights: unknown numbers on their way, the rounds of a polish."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from surrogates.workflows.cpu import cpu_seconds
from surrogates.workflows.files import read_json, write_json

_ROWS = 200  # of unknown numbers kept along a training


class Trace:
    """A hook of `fit` that writes the unknown numbers of an equation to a file, 200 times along the training.

    Rows that a killed training had written beyond the state it goes on from are dropped.
    """

    def __init__(self, path: Path, task: Any) -> None:
        self._path, self._task = path, task
        self._rows: list[dict[str, float | int]] = read_json(path) or []
        self._fresh = True

    def __call__(self, state: Any) -> None:
        if not self._task.problem.parameters:
            return
        if self._fresh:
            self._rows, self._fresh = [row for row in self._rows if row.get("step", state.step) < state.step], False
        if not self._rows or int(_ROWS * state.fraction) > int(_ROWS * self._rows[-1]["fraction"]):
            self._rows.append({"step": state.step, "fraction": state.fraction, **self._task.parameters_found})
            write_json(self._path, self._rows)


def polished(fitted: Any, points: Any, valid: Any, settings: Any, folder: Path, desk: Any) -> Any:
    """`fitted` after rounds of L-BFGS; each round is a file in `folder`, from which a killed job goes on."""
    from surrogates.training import load, polish

    path, made, seconds = folder / "polished.safetensors", 0, 0.0
    if path.exists():
        found = load(path, trust=desk.trust)
        fitted = replace(fitted, members=found.members, provenance=found.provenance, history=found.history)
        made = fitted.provenance["polish"]["iterations"][0]
        seconds = (read_json(folder / "polished.json") or {}).get("seconds", 0.0)
    while made < settings.steps and not fitted.provenance.get("polish", {}).get("ended"):
        left = None if settings.minutes is None else max(settings.minutes - seconds / 60, 0.0)
        if left == 0.0:
            break
        asked = min(settings.round, settings.steps - made)
        desk.progress(100 * made / settings.steps, 100.0, f"% of L-BFGS, iteration {made}")
        begun = cpu_seconds()
        found = _counted(polish(fitted, points, valid, steps=asked, minutes=left), len(fitted.history), made, asked)
        fitted, seconds = found, seconds + cpu_seconds() - begun
        made = fitted.provenance["polish"]["iterations"][0]
        _note_unknowns(folder / "unknowns.json", fitted.members[0], made)
        write_json(folder / "polished.json", {"seconds": seconds})
        fitted.save(path)
    return fitted


def _counted(found: Any, before: int, made: int, asked: int) -> Any:
    """A round's result with the iterations of earlier rounds counted; `ended` where it stopped before its end."""
    rows = [row | {"polish": row["polish"] + made} for row in found.history[before:]]
    facts, done = found.provenance["polish"], found.provenance["polish"]["iterations"][0]
    facts = facts | {"iterations": [made + done], "ended": done < asked}
    return replace(found, history=(*found.history[:before], *rows), provenance=found.provenance | {"polish": facts})


def _note_unknowns(path: Path, task: Any, made: int) -> None:
    if task.problem.parameters:
        rows = [row for row in read_json(path) or [] if row.get("polish", 0) < made]
        write_json(path, [*rows, {"polish": made, **task.parameters_found}])
