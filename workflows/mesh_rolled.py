"""Rollouts of networks on meshes as plain results and pictures. Imported in workers only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.datasets import Meshes
from surrogates.evaluation.coverage import energy_band
from surrogates.simulation.mesh_rollout import rollout
from surrogates.tasks.mesh_scores import Errors, mass_matrix
from surrogates.workflows.mesh_pictures import Arrays, placed, valued
from surrogates.workflows.steps.mesh_rollout import MeshesRolledOut

_FRAMES = 5  # of a strip


def rolled_out(
    surrogate: Any, data: Meshes, steps: int | None, arrays: Path
) -> tuple[MeshesRolledOut, dict[str, float]]:
    """A rollout beside the truth and beside no change; frames for pictures go to `arrays`. And CPU seconds a step."""
    found = rollout(surrogate, data, steps)
    once = rollout(surrogate, data, steps, mode="teacher", spread=False)
    task = getattr(surrogate, "members", (surrogate,))[0]
    known = int(max(np.isfinite(x).sum(axis=1).max() for x in found.relative_l2.values()))
    error = {name: x[:, :known] for name, x in found.relative_l2.items()}
    middle = _median(error)
    np.savez(arrays, **_strip(task, data, found, middle, known))  # type: ignore[arg-type]
    still = {name: [_still(task, sample, name, known) for sample in data] for name in found.persistence}
    whole = found.over(known)
    told = MeshesRolledOut(
        histories=len(found.predictions),
        steps=known,
        times=tuple(float(t) for t in np.asarray(found.predictions[middle].times)),
        error={name: tuple(_quantiles(x)) for name, x in error.items()},
        single={name: tuple(_means(x[:, :known])) for name, x in once.relative_l2.items()},
        persistence={name: tuple(_means(np.array(rows))) for name, rows in still.items()},
        rmse=whole,
        rmse_first=found.over(1),
        rmse_persistence=found.over(known, of=found.persistence) if found.persistence else {},
        coverage=_coverage(task, data, found, known),
        left_data=int((found.left_data >= 0).sum()),
        file=arrays.name,
    )
    nodes = float(np.mean([len(sample) for sample in data]))
    seconds = found.seconds / max(len(found.predictions) * found.steps, 1)
    return told, {"step": seconds, "nodes": nodes}


def _truths(task: Any, sample: Any, steps: int) -> Iterator[tuple[int, Mapping[str, np.ndarray]]]:
    """The truth (frames, nodes, *components) of each step of a rollout from the first frame that fits."""
    start = -min(task.span[0], 0)
    frames = len(sample.times)
    for step in range(steps):
        t = start + step * task.stride
        if t + task.span[1] <= frames:
            yield step, task.target_layout.unpack(task.target_layout.pack(sample, t))


def _still(task: Any, sample: Any, name: str, steps: int) -> list[float]:
    """Relative L2 error of no change, step by step; NaN beyond the data."""
    start, nodes, mass = -min(task.span[0], 0), len(sample), mass_matrix(sample)
    begin = task.input_layout.unpack(task.input_layout.pack(sample, start))[name][-1:].reshape(1, nodes, -1)
    found = [float("nan")] * steps
    for step, truth in _truths(task, sample, steps):
        flat = truth[name].reshape(len(truth[name]), nodes, -1).astype(np.float64)
        found[step] = Errors.of(np.broadcast_to(begin, flat.shape), flat, mass).relative_l2
    return found


def _coverage(task: Any, data: Meshes, found: Any, steps: int) -> dict[str, tuple[float, ...]]:
    """Share of values inside the 90 % band, step by step."""
    if any(p.std is None for p in found.predictions):
        return {}
    inside: dict[str, list[list[float]]] = {}
    for sample, said in zip(data, found.predictions, strict=True):
        for step, truth in _truths(task, sample, steps):
            for name, values in truth.items():
                rows = slice(step * len(values), (step + 1) * len(values))
                error = np.abs(np.asarray(said.fields[name])[rows].reshape(values.shape) - values)
                band = energy_band(np.asarray(said.std[name])[rows].reshape(values.shape))
                free = (band > 0) | (error > 1e-6 * np.abs(values).max())  # not what is prescribed
                shares = inside.setdefault(name, [[] for _ in range(steps)])
                shares[step].append(float(np.mean((error <= band)[free])) if free.any() else 1.0)
    return {name: tuple(float(np.mean(s)) for s in shares if s) for name, shares in inside.items()}


def _strip(task: Any, data: Meshes, found: Any, row: int, steps: int) -> Arrays:
    """Frames of one history, evenly drawn, as they are shown."""
    sample, said = data[row], found.predictions[row]
    arrays, seen = placed("strip", sample)
    known = list(_truths(task, sample, steps))
    some = np.unique(np.linspace(0, len(known) - 1, _FRAMES).astype(int))
    for name in found.relative_l2:
        truth = np.stack([known[k][1][name][-1] for k in some])
        width = len(known[0][1][name])
        mine = np.stack([np.asarray(said.fields[name])[(known[k][0] + 1) * width - 1] for k in some])
        arrays |= valued("strip", name, seen.nodes, truth, mine, lead=2)
    times = np.asarray(said.times, dtype=float)
    per = max(1, len(times) // max(found.steps, 1))
    arrays["strip_times"] = np.array([times[(known[k][0] + 1) * per - 1] for k in some])
    return arrays


def _median(error: Mapping[str, np.ndarray]) -> int:
    """The history whose mean error is the median one."""
    mean = np.mean([np.nanmean(x, axis=1) for x in error.values()], axis=0)
    return int(np.argsort(mean)[len(mean) // 2])


def _means(x: np.ndarray) -> list[float]:
    return [float(v) for v in np.nanmean(x, axis=0)]


def _quantiles(x: np.ndarray) -> list[tuple[float, float, float]]:
    """Mean, 10 % and 90 % quantile over histories, step by step."""
    ends = np.nanquantile(x, [0.1, 0.9], axis=0)
    return [(float(a), float(b), float(c)) for a, b, c in zip(np.nanmean(x, axis=0), *ends, strict=True)]
