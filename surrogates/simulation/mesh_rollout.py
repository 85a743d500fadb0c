"""Rolling a network on meshes out in time, beside the truth and beside doing nothing.

The measures are those of Learning Mesh-Based Simulation with Graph Networks (arXiv:2010.03409), table 1: RMSE over
nodes and components of the first step, of the first 50 and of all.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.datasets import MeshPrediction, MeshSample
from surrogates.physics.errors import DomainError
from surrogates.simulation.rollout import LeftData
from surrogates.tasks.mesh_scores import Errors, mass_matrix
from surrogates.tasks.mesh_windows import MeshWindow, MeshWindows, chunked

HORIZON = 50


@dataclass(frozen=True)
class MeshRollout:
    """Predicted histories of fields on meshes.

    Args:
        predictions: for each mesh, fields (times, nodes, *components) and their std where there is a spread.
        rmse: over nodes and components of each step by field (meshes, steps), in the field's unit; relative_l2: with
            the mass matrix. NaN beyond the data's end. persistence: `rmse` of the start's newest frame.
        left_data: the first step whose input is unlike the training data, or that is not finite (meshes,); -1 for none.
        seconds: CPU seconds of the prediction, all meshes together. mode: "autoregressive" or "teacher".
    """

    predictions: list[MeshPrediction]
    rmse: dict[str, np.ndarray]
    relative_l2: dict[str, np.ndarray]
    persistence: dict[str, np.ndarray]
    left_data: np.ndarray
    seconds: float = field(compare=False)
    mode: str = "autoregressive"

    @property
    def steps(self) -> int:
        """Predicted."""
        return int(next(iter(self.rmse.values())).shape[1])

    def over(self, steps: int | None = None, *, of: Mapping[str, np.ndarray] | None = None) -> dict[str, float]:
        """RMSE by field over the first `steps` steps (None: all), all meshes; `of` other steps' RMSE than the
        prediction's."""
        return {name: _root_mean(x[:, :steps]) for name, x in (of or self.rmse).items()}

    def __str__(self) -> str:
        lines = [f"{len(self.predictions)} meshes, {self.steps} steps, {self.mode}, {self.seconds:.3g} CPU s"]
        for name in self.rmse:
            row = [
                f"{word} {self.over(k)[name]:.3g} ({self.over(k, of=self.persistence)[name]:.3g})"
                if name in self.persistence
                else f"{word} {self.over(k)[name]:.3g}"
                for word, k in (("1 step", 1), (f"{HORIZON} steps", HORIZON), ("all", None))
            ]
            beside = "  (no change)" if name in self.persistence else ""
            lines.append(f"{name}: RMSE {', '.join(row)}{beside}")
        return "\n".join(lines)


def rollout(
    surrogate: Any,
    data: Any,
    steps: int | None = None,
    *,
    mode: str = "autoregressive",
    spread: bool | None = None,
) -> MeshRollout:
    """Predict histories of `data` from their first frames to their end, or for `steps` steps.

    Args:
        surrogate: a Fitted, a MeshMap or an ensemble. Members roll out apart, their mean is the result.
        data: a Meshes, or one MeshSample. Steps beyond its frames have no truth; what is prescribed stays as it was.
        mode: "autoregressive", or "teacher", which feeds the truth at each step and shows the error of single steps.
        spread: calibrated bands; wherever the surrogate has them, unless told otherwise.
    Warns (LeftData) where a history leaves the training data. Raises DomainError for a task without steps.
    """
    members = tuple(getattr(surrogate, "members", (surrogate,)))
    if not all(hasattr(m, "prescribed") and hasattr(m, "advance") for m in members):
        raise DomainError(f"a {type(surrogate).__name__} is no network on meshes; give a trained MeshMap, or several")
    task, band = members[0], getattr(surrogate, "spread", None)
    if not task.relative:
        raise DomainError("this surrogate makes one prediction, not steps; train it on selections such as u[t], u[t+1]")
    if mode not in ("autoregressive", "teacher"):
        raise DomainError(f"mode={mode!r} is unknown; choose 'autoregressive' or 'teacher'")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise DomainError(f"steps={steps!r}; give a whole number from 1 up, or None for as many as the data have")
    if spread and band is None:
        raise DomainError("this surrogate has no calibrated spread; call .calibrate(data) on it, or leave spread away")
    band = None if spread is False else band
    data = [data] if isinstance(data, MeshSample) else data
    known = [_known(task, data[k]) for k in range(len(data))]
    count = max(known, default=0) if steps is None else steps
    if not count:
        raise DomainError("the meshes have no frame after the start; say how many steps, rollout(..., steps=10)")
    first = MeshWindows(data, (min(task.span[0], 0), max(1, *(s.stop or 1 for s in task.inputs if s.relative)))).first()
    parts, seconds = [], 0.0
    for windows in chunked(first):
        for w in windows:
            task.facts.check(w.sample, w.row)
        begun = time.process_time()
        parts.append(_Run(members, band, getattr(surrogate, "domain", None), windows).made(count, mode))
        seconds += time.process_time() - begun
    predictions = [p for found, _ in parts for p in found]
    left = np.concatenate([x for _, x in parts])
    _warn(left)
    rmse, relative, still = _measured(task, first, predictions, count, known)
    return MeshRollout(predictions, rmse, relative, still, left, seconds, mode)


class _Run:
    """Some meshes that are rolled out together."""

    def __init__(self, members: Sequence[Any], band: Any, domain: Any, windows: list[MeshWindow]) -> None:
        self.members, self.band, self.windows, self.task = members, band, windows, members[0]
        self.ends = np.cumsum([0, *(len(w.sample) for w in windows)])
        self.watch: list[Callable[[np.ndarray], bool]] = (
            [] if domain is None else [domain.watch(self.task, w) for w in windows]
        )

    @torch.no_grad()
    def made(self, count: int, mode: str) -> tuple[list[MeshPrediction], np.ndarray]:
        """Predictions of `count` steps, and the step at which each leaves the data."""
        task, layout = self.task, self.task.target_layout
        batches = [m.collate(self.windows, targets=False).to(m.target_scale.device) for m in self.members]
        states = [b.values for b in batches]
        left = np.full(len(self.windows), -1)
        means, stds = [], []
        for step in range(count):
            here = [replace(w, t=w.t + step * task.stride) for w in self.windows]
            self._look(states[0], left, step)
            said = [
                self._known(m.step(v, b.graph), b, here) for m, v, b in zip(self.members, states, batches, strict=True)
            ]
            plain = [s.double().cpu() for s in said]
            means.append(torch.stack(plain).mean(dim=0))
            if self.band is not None:
                stds.append(self.band.std(plain, here, 0 if mode == "teacher" else step + 1))
            truth = mode == "teacher" and all(_reaches(task, w, task.stride) for w in here)
            if step + 1 < count:
                states = (
                    [b.values for b in self._next(here)]
                    if truth
                    else [m.advance(v, s) for m, v, s in zip(self.members, states, said, strict=True)]
                )
        found = []
        for w, a, b in zip(self.windows, self.ends[:-1], self.ends[1:], strict=True):
            fields = _frames([layout.unpack(x[a:b].numpy()) for x in means])
            around = _frames([layout.unpack(x[a:b].numpy()) for x in stds]) if stds else None
            found.append(MeshPrediction(w.sample, fields, around, times=_times(task, w, count)))
        return found, left

    def _known(self, predicted: Tensor, batch: Any, here: list[MeshWindow]) -> Tensor:
        if not self.task.prescribed:
            return predicted
        layout = self.task.target_layout
        values = np.concatenate([self.task.prescribed.values(w, layout) for w in here])
        known: Tensor = self.task.known(predicted, replace(batch, target=torch.from_numpy(values).to(predicted)))
        return known

    def _next(self, here: list[MeshWindow]) -> list[Any]:
        after = [replace(w, t=w.t + self.task.stride) for w in here]
        return [m.collate(after, targets=False).to(m.target_scale.device) for m in self.members]

    def _look(self, values: Tensor, left: np.ndarray, step: int) -> None:
        fields = values[:, : self.task.input_layout.count].double().cpu().numpy()
        for k, (a, b) in enumerate(zip(self.ends[:-1], self.ends[1:], strict=True)):
            out = not np.isfinite(fields[a:b]).all() or (bool(self.watch) and self.watch[k](fields[a:b]))
            if left[k] < 0 and out:
                left[k] = step


def _measured(
    task: Any, windows: Sequence[MeshWindow], predictions: Sequence[MeshPrediction], count: int, known: Sequence[int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """RMSE, relative L2 and the RMSE of no change, (meshes, steps) by field."""
    layout, names = task.target_layout, task.target_layout.names
    shape = (len(windows), count)
    rmse, relative, still = ({name: np.full(shape, np.nan) for name in names} for _ in range(3))
    for k, (w, said) in enumerate(zip(windows, predictions, strict=True)):
        mass, nodes = mass_matrix(w.sample), len(w.sample)
        start = task.input_layout.unpack(task.input_layout.pack(w.sample, w.t))
        for step in range(min(count, known[w.row])):
            truths = layout.unpack(layout.pack(w.sample, w.t + step * task.stride))
            for name, truth in truths.items():
                flat = truth.reshape(len(truth), nodes, -1).astype(np.float64)
                here = np.asarray(said.fields[name])[step * len(truth) : (step + 1) * len(truth)].reshape(flat.shape)
                errors = Errors.of(here, flat, mass)
                rmse[name][k, step], relative[name][k, step] = errors.square**0.5, errors.relative_l2
                if name in start:
                    before = start[name][-1].reshape(nodes, -1)
                    still[name][k, step] = np.sqrt(np.square(before - flat).mean())
    return rmse, relative, {name: x for name, x in still.items() if name in task.input_layout.names}


def _frames(steps: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([s[name] for s in steps]) for name in steps[0]}


def _known(task: Any, sample: Any) -> int:
    """Steps whose truth a mesh has."""
    if sample.times is None:
        raise DomainError("the mesh has no times; a rollout starts from fields with times, of one frame at least")
    room = len(sample.times) - task.span[1] + min(task.span[0], 0)
    return max(0, room // task.stride + 1) if room >= 0 else 0


def _reaches(task: Any, window: MeshWindow, ahead: int) -> bool:
    """Whether the mesh has the input fields `ahead` frames later."""
    newest = max(s.stop or 1 for s in task.inputs if s.relative)
    return window.t + ahead + newest <= len(window.sample.times)


def _times(task: Any, window: MeshWindow, count: int) -> np.ndarray:
    """Times of the predicted frames; beyond the data's end they go on in its last step, 1 where there is none."""
    times = np.asarray(window.sample.times, dtype=float)
    block = task.target_layout.blocks[0]
    places = [
        window.t + k * task.stride + (block.selection.first or 0) + frame
        for k in range(count)
        for frame in range(block.frames)
    ]
    step = times[-1] - times[-2] if len(times) > 1 else 1.0
    return np.array([times[p] if p < len(times) else times[-1] + (p - len(times) + 1) * step for p in places])


def _root_mean(rmse: np.ndarray) -> float:
    known = np.isfinite(rmse)
    return float(np.sqrt(np.mean(np.square(rmse[known])))) if known.any() else float("nan")


def _warn(left: np.ndarray) -> None:
    rows = np.flatnonzero(left >= 0)
    if len(rows):
        first = rows[np.argmin(left[rows])]
        warnings.warn(
            f"{len(rows)} of {len(left)} rollouts leave the training data, the first one mesh {first} at step "
            f"{left[first] + 1}; from there on errors may be larger than the bands say",
            LeftData,
            stacklevel=3,
        )
