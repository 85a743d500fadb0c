"""The searches of a step `ground_state`, each kept when it is done, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from surrogates.physics.tensor_networks import MPS, Schedule, dmrg, save
from surrogates.workflows.desk import Desk
from surrogates.workflows.quantum_objects import (
    entropies,
    made_model,
    made_start,
    operators_of,
    plain,
    read_state,
    write_record,
)
from surrogates.workflows.steps.ground_state import (
    FILE,
    GroundState,
    GroundStateFound,
    Search,
    keep_rows,
    rows_in,
)


def search(step: GroundState, number: int, folder: Path, desk: Desk) -> None:
    """All bond dimensions from the first start, the largest alone from another; what is done already is kept."""
    model = made_model(step.model)
    operators_of(model.site, step.measure)
    sizes = step.chi if number == 0 else step.chi[-1:]
    rows = rows_in(folder)
    for chi in sizes[len(rows) :]:
        warm = bool(rows)
        state = read_state(str(folder / FILE)) if warm else made_start(step.starts[number], model, desk.seed)
        done = 0

        def progress(_: Any, at: int = len(rows)) -> None:
            nonlocal done
            done += 1
            desk.progress(at * step.max_sweeps + done, len(sizes) * step.max_sweeps, "sweeps")

        found = dmrg(
            model,
            state,
            chi_max=chi,
            energy_tol=step.energy_tol,
            sites=step.sites,
            conserve=step.conserve,
            schedule=Schedule(max_sweeps=step.max_sweeps, noise=() if warm else Schedule().noise, seed=desk.seed),
            progress=progress,
        )
        save(found.state, folder / FILE)
        rows.append(
            {
                "start": _told(step.starts[number]),
                "chi": chi,
                "energy": found.energy,
                "variance": max(found.variance, 0.0),
                "discarded": found.discarded,
                "sweeps": len(found.sweeps),
                "converged": found.converged,
                "curve": [s.energy for s in found.sweeps],
            }
        )
        keep_rows(folder, rows)
    if number == 0 and step.levels > 1:
        _levels(step, model, folder, desk)


def _levels(step: GroundState, model: Any, folder: Path, desk: Desk) -> None:
    """States above the first one, each orthogonal to those below."""
    below, rows = [read_state(str(folder / FILE))], []
    for level in range(1, step.levels):
        start = made_start("random", model, desk.seed + level)
        schedule = Schedule(max_sweeps=step.max_sweeps, seed=desk.seed)
        found = dmrg(
            model, start, chi_max=step.chi[-1], energy_tol=step.energy_tol, sites=step.sites, above=below,
            schedule=schedule,
        )  # fmt: skip
        below.append(found.state)
        rows.append({"energy": found.energy, "converged": found.converged})
        desk.progress(level, step.levels - 1, "levels")
    keep_rows(_made(folder / "levels"), rows)


def gathered(step: GroundState, desk: Desk) -> GroundStateFound:
    """The lowest of the states found, and what the others say about it."""
    folders = [desk.job_folder(job) for job in step.jobs()]
    states = [read_state(str(folder / FILE)) for folder in folders]
    rows = [rows_in(folder) for folder in folders]
    best = min(range(len(rows)), key=lambda k: rows[k][-1]["energy"])
    if rows[best][-1]["energy"] > rows[0][-1]["energy"] - step.energy_tol:
        best = 0  # alike: the one that went through all bond dimensions
    state, last = states[best], rows[best][-1]
    ends = [r[-1]["energy"] for r in rows]
    searches = [
        Search(**{k: v for k, v in row.items() if k != "curve"}, fidelity=None if row is not r[-1] else _same(s, state))
        for r, s in zip(rows, states, strict=True)
        for row in r
    ]
    zero = extrapolated([(r["variance"], r["energy"]) for r in rows[0]])
    above = rows_in(folders[0] / "levels")
    arrays, names = _pictures(state, step.measure)
    for k, r in enumerate(rows):
        arrays[f"curve_{k}"] = np.concatenate([row["curve"] for row in r])
    np.savez(desk.folder / "arrays.npz", **arrays)
    save(state, desk.folder / FILE)
    found = GroundStateFound(
        model=step.model.told,
        length=len(state),
        energy=last["energy"],
        variance=last["variance"],
        discarded=last["discarded"],
        converged=last["converged"],
        chi=max(state.bonds, default=1),
        searches=tuple(searches),
        extrapolated=zero,
        extrapolation_error=None if zero is None else abs(zero - last["energy"]),
        starts_differ=max(ends) - min(ends) if len(ends) > 1 else None,
        levels=(last["energy"], *(row["energy"] for row in above)),
        levels_converged=all(row["converged"] for row in above),
        entropy=float(arrays["entropy"][(len(state) - 1) // 2]),
        measured=tuple(names),
    )
    words = {"model": plain(step.model), "sites": step.sites, "conserve": step.conserve}
    write_record(desk.folder, "ground_state", words, found)
    return found


def extrapolated(points: list[tuple[float, float]]) -> float | None:
    """Energy at variance zero by the line through the last two (variance, energy); None where the variance rises.

    Not through more: the largest variance would draw the line, and the smallest ones know best.
    """
    if len(points) < 2:
        return None
    (x, y), (x_last, y_last) = points[-2:]
    if not (x_last < x and y_last <= y):
        return None
    return y_last - x_last * (y - y_last) / (x - x_last)


def _same(state: MPS, other: MPS) -> float:
    return 1.0 if state is other else state.fidelity(other)


def _pictures(state: MPS, measure: list[str] | None) -> tuple[dict[str, Any], list[str]]:
    names = operators_of(state.site, measure)
    arrays: dict[str, Any] = {"entropy": entropies(state).numpy()}
    for name in names:
        arrays[f"local_{name}"] = state.expect(name).numpy()
    first, middle = names[0], len(state) // 2
    pairs = state.correlations(first, first).numpy()[middle]
    local = state.expect(first).numpy()
    connected = pairs - local[middle] * local
    arrays["correlation"] = connected.real if np.iscomplexobj(connected) else connected
    return arrays, names


def _told(start: str | list[Any]) -> str:
    return start if isinstance(start, str) else "given"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
