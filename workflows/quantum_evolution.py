"""The runs of a step `evolve`, in pieces that survive a kill, and what their differences say."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from surrogates.physics.tensor_networks import MPS, expect_operator, mpo, save
from surrogates.workflows.desk import Desk
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.quantum_objects import (
    entropies,
    evolved,
    made_model,
    made_start,
    operators_of,
    plain,
    read_state,
    write_record,
)
from surrogates.workflows.steps.evolve import FILE, Evolve, Evolved

_SAVED = 20.0  # s between two states that are kept
_ZERO = 1e-9  # an energy that counts as none
_SAME = 1e-3  # difference of measured values that counts as none
_ENTROPY, _ENERGY = "entanglement", "energy"


def follow(step: Evolve, job: str, desk: Desk) -> None:
    """One run, measurement by measurement; after a kill it goes on from the last state that was kept."""
    folder, model = desk.job_folder(job), made_model(step.model)
    count, chi, dt = round(step.time / step.dt), step.chi, step.dt
    if job == "half-chi":
        chi = max(2, step.chi // 2)
    if job == "twice-dt":
        count, dt = count // (2 * step.every) * step.every, 2 * step.dt
    names = operators_of(model.site, step.measure)
    kept = read_json(folder / "rows.json")
    rows: list[dict[str, Any]] = kept or []
    if rows:
        state = read_state(str(folder / f"{len(rows) - 1}.h5"))
    else:
        state = read_state(step.state) if step.state else made_start(step.start, model, desk.seed)
    operator = mpo(model)

    def energy(here: MPS) -> torch.Tensor:
        return torch.tensor(expect_operator(operator, here).real, dtype=torch.float64)

    measure: dict[str, Any] = {**{n: n for n in names}, _ENTROPY: entropies, _ENERGY: energy}
    saved = time.monotonic()
    for done in range(max(len(rows) - 1, 0) * step.every, count, step.every):
        piece = evolved(
            model, state, step.method, time=step.every * dt, dt=dt, chi_max=chi, measure=measure, every=step.every
        )
        state = piece.state
        for k in (0, 1) if not rows else (1,):
            found = {name: values[k].tolist() for name, values in piece.measured.items()}
            at = (done + k * step.every) * dt
            cost = {"discarded": piece.discarded * k, "error_bound": piece.error_bound * k}
            rows.append({"time": at, "chi": int(piece.chi[k]), **cost, **found})
        desk.progress(done + step.every, count, "steps")
        if time.monotonic() - saved > _SAVED or done + step.every >= count:
            _keep(folder, state, rows)
            saved = time.monotonic()


def _keep(folder: Path, state: MPS, rows: list[dict[str, Any]]) -> None:
    """The state of the last row first, then the rows that name it, then the older states go."""
    save(state, folder / f"{len(rows) - 1}.h5")
    write_json(folder / "rows.json", rows)
    for old in folder.glob("*.h5"):
        if old.stem != str(len(rows) - 1):
            old.unlink()


def gathered(step: Evolve, desk: Desk) -> Evolved:
    """Arrays of the main run, and how far the others are from it."""
    runs = {job: read_json(desk.job_folder(job) / "rows.json") for job in step.jobs()}
    rows, names = runs["main"], operators_of(made_model(step.model).site, step.measure)
    arrays: dict[str, Any] = {n: np.array([row[n] for row in rows]) for n in ("time", _ENERGY, "chi", *names)}
    arrays["entropy"] = np.array([row[_ENTROPY] for row in rows])
    for job in step.jobs()[1:]:
        at, off = differences(rows, runs[job], names)
        arrays[f"{job}_time"], arrays[f"{job}_off"] = at, off
        arrays[f"{job}_entropy"] = np.array([row[_ENTROPY] for row in runs[job]])[:, (step.model.length - 1) // 2]
        arrays[f"{job}_clock"] = np.array([row["time"] for row in runs[job]])
    np.savez(desk.folder / "arrays.npz", **arrays)
    state = read_state(str(desk.job_folder("main") / f"{len(rows) - 1}.h5"))
    discarded, error_bound = (float(sum(row[k] for row in rows)) for k in ("discarded", "error_bound"))
    state = replace(
        state, discarded=discarded, error_bound=error_bound
    )  # of the whole way, so that whoever takes the state knows
    save(state, desk.folder / FILE)
    energy, scale = arrays[_ENERGY], _scale(arrays[_ENERGY][0])
    found = Evolved(
        model=step.model.told,
        length=step.model.length,
        method=step.method,
        start="a state of another step" if step.state else _told(step.start),
        time=step.time,
        dt=step.dt,
        chi=step.chi,
        chi_reached=int(arrays["chi"].max()),
        energy_drift=float(np.abs(energy - energy[0]).max() / scale),
        discarded=discarded,
        error_bound=error_bound,
        chi_differs=float(arrays["half-chi_off"].max()) if step.check else None,
        dt_differs=float(arrays["twice-dt_off"].max()) if step.check else None,
        trusted=_trusted(arrays) if step.check else None,
        entropy=float(arrays["entropy"][-1, (step.model.length - 1) // 2]),
        measured=tuple(names),
    )
    words = {"model": plain(step.model), "start": None if step.state else step.start, "method": step.method}
    write_record(desk.folder, "evolve", {**words, "measure": names, "dt": step.dt, "every": step.every}, found)
    return found


def differences(
    rows: list[dict[str, Any]], others: list[dict[str, Any]], names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Times that two runs share, and the largest difference of what is measured there."""
    known = {round(row["time"], 9): row for row in others}
    pairs = [(row, known[round(row["time"], 9)]) for row in rows if round(row["time"], 9) in known]
    off = [max(float(np.abs(np.subtract(a[n], b[n])).max()) for n in names) for a, b in pairs]
    return np.array([a["time"] for a, _ in pairs]), np.array(off)


def _trusted(arrays: dict[str, np.ndarray]) -> float:
    """The last time before half of chi gives something else."""
    worse = np.flatnonzero(arrays["half-chi_off"] > _SAME)
    last = len(arrays["half-chi_off"]) if not len(worse) else worse[0]
    return float(arrays["half-chi_time"][max(last - 1, 0)])


def _scale(energy: float) -> float:
    """What a drift is relative to: the energy at the start, or 1 where that vanishes."""
    return abs(energy) if abs(energy) > _ZERO else 1.0


def _told(start: str | list[Any]) -> str:
    return start if isinstance(start, str) else "given"
