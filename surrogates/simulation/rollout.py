"""Rolling an operator out in time, beside the truth and beside doing nothing."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.tasks.field_scores import relative_l2

Mode = Literal["autoregressive", "teacher"]


class LeftData(SurrogatesWarning):
    """A rollout met fields unlike the training data, or stopped being finite."""


@dataclass(frozen=True)
class Rollout:
    """Predicted trajectories, step by step.

    Args:
        times: of the predicted frames (frames,), in the data's unit.
        fields: by name, (trajectories, frames, *space, *components). std: calibrated standard deviations, None without
            a spread. truth: what the data say, of the frames they have.
        error: relative L2 error of each step by field, (trajectories, steps). persistence: of the newest frame of the
            start, (trajectories, steps), which a surrogate should beat. truth_change, mean_change: how far the mean
            over the domain moved from the start's, (trajectories, frames), in truth and in prediction.
        left_data: the first step whose input is unlike the training data, (trajectories,); -1 for none.
        seconds: CPU seconds of the prediction, all trajectories together.
        mode: "autoregressive" fed with its own output, "teacher" with the truth.
    """

    times: np.ndarray
    fields: dict[str, np.ndarray]
    std: dict[str, np.ndarray] | None
    truth: dict[str, np.ndarray]
    error: dict[str, np.ndarray]
    persistence: dict[str, np.ndarray]
    mean_change: dict[str, np.ndarray]
    truth_change: dict[str, np.ndarray]
    left_data: np.ndarray
    seconds: float = field(compare=False)
    mode: str = "autoregressive"

    def __str__(self) -> str:
        lines = [f"{len(self.left_data)} trajectories, {len(self.times)} frames, {self.mode}, {self.seconds:.3g} CPU s"]
        for name, error in self.error.items():
            if not error.shape[1]:
                lines.append(f"{name}: no truth to compare with")
                continue
            mean, still = error.mean(axis=0), self.persistence.get(name)
            row = f"{name}: relative L2 error {100 * mean[0]:.3g} %, after {len(mean)} steps {100 * mean[-1]:.3g} %"
            lines.append(row + ("" if still is None else f" (no change {100 * still.mean(axis=0)[-1]:.3g} %)"))
        return "\n".join(lines)


def rollout(
    surrogate: Any, data: Any, *, steps: int | None = None, mode: Mode = "autoregressive", spread: bool | None = None
) -> Rollout:
    """Predict trajectories of `data` from their first window to their end, or for `steps` steps.

    Args:
        surrogate: a Fitted, an OperatorMap or an ensemble of them. Members roll out apart, their mean is the result.
        data: trajectories, a `Fields`. Steps beyond their end have no truth and no error; the first frames alone will
            do, with `steps`.
        mode: "autoregressive", or "teacher", which feeds the truth at each step and shows the error of single steps. A
            task without steps (u[0] to u[-1] or to all frames at once) makes its one prediction.
        spread: calibrated bands; wherever the surrogate has them, unless told otherwise.
    Warns (LeftData) where a trajectory leaves the training data. Raises DomainError for what is no operator.
    """
    members, band = _parts(surrogate)
    task = members[0]
    if mode not in ("autoregressive", "teacher"):
        raise DomainError(f"mode={mode!r} is unknown; choose 'autoregressive' or 'teacher'")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise DomainError(f"steps={steps!r}; give a whole number from 1 up, or None for as many as the data have")
    if steps is not None and steps > 1 and not task.relative:
        raise DomainError("this surrogate makes one prediction, not steps; train it on selections such as u[t], u[t+1]")
    wanted = band is not None if spread is None else spread
    if wanted and band is None:
        raise DomainError("this surrogate has no calibrated spread; call .calibrate(data) on it, or leave spread away")
    parts, seconds = [], 0.0
    for batch in task.rollout_batches(data, steps=steps):
        begun = time.process_time()
        parts.append(_one(members, band if wanted else None, getattr(surrogate, "domain", None), batch, steps, mode))
        seconds += time.process_time() - begun
    joined = _joined(parts)
    left = joined.pop("left")
    _warn(left)
    return _measured(task, data, joined, left, seconds, mode)


def _parts(surrogate: Any) -> tuple[tuple[Any, ...], Any]:
    members = tuple(getattr(surrogate, "members", (surrogate,)))
    if not all(hasattr(m, "rollout_batches") for m in members):
        raise DomainError(
            f"a {type(surrogate).__name__} is no operator on fields; give a trained OperatorMap, or several"
        )
    return members, getattr(surrogate, "spread", None)


@torch.no_grad()
def _one(members: Sequence[Any], band: Any, domain: Any, batch: Any, steps: int | None, mode: str) -> dict[str, Any]:
    """Predicted channels, truths and bands of one batch, by name."""
    task = members[0]
    here = task.target_scale
    parameters = batch.parameters.to(here)
    mask = None if batch.mask is None else batch.mask.to(here.device)
    values = [batch.values.to(here)] * len(members)
    count = len(batch.truths) if steps is None else steps
    if not count:
        raise DomainError("the trajectories have no frame after the start; say how many steps, rollout(..., steps=10)")
    left = torch.full((len(batch.values),), -1)
    found: dict[str, Any] = {"fields": [], "std": [], "start": task.input_layout.unpack(batch.values)}
    for step in range(count):
        if domain is not None:
            out = domain.foreign(values[0], parameters).to(left.device)
            left = torch.where((left < 0) & out, step, left)
        said = [m.step(v, parameters, mask) for m, v in zip(members, values, strict=True)]
        fields = [task.target_layout.unpack(s) for s in said]
        left = torch.where((left < 0) & ~_finite(torch.cat(said, dim=1)), step, left)
        if band is None:
            found["fields"].append({n: torch.stack([f[n] for f in fields]).mean(dim=0) for n in fields[0]})
        else:
            result = band.around(fields, task.dim, step=None if mode == "teacher" else step)
            found["fields"].append(result.fields)
            found["std"].append(result.std)
        if step + 1 < count:
            truth = batch.truths[step].to(here) if mode == "teacher" and step < len(batch.truths) else None
            values = [task.advance(v, s if truth is None else truth) for v, s in zip(values, said, strict=True)]
    found["truth"] = [task.target_layout.unpack(t) for t in batch.truths]
    return {**found, "left": left}


def _finite(values: Tensor) -> Tensor:
    return values.flatten(1).isfinite().all(dim=1).cpu()


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Batches behind each other, steps along the axis of frames; numpy."""
    found: dict[str, Any] = {"left": torch.cat([p["left"] for p in parts]).numpy()}
    for kind in ("fields", "std", "truth"):
        names = parts[0][kind][0] if parts[0][kind] else ()
        rows = {n: torch.cat([torch.cat([s[n] for s in p[kind]], dim=1) for p in parts]) for n in names}
        found[kind] = {n: r.double().cpu().numpy() for n, r in rows.items()}
    found["start"] = {n: torch.cat([p["start"][n] for p in parts]).double().cpu().numpy() for n in parts[0]["start"]}
    return found


def _measured(task: Any, data: Any, joined: dict[str, Any], left: np.ndarray, seconds: float, mode: str) -> Rollout:
    fields, start, dim = joined["fields"], joined["start"], task.dim
    truth = joined["truth"] or {name: values[:, :0] for name, values in fields.items()}
    mask = None if data[0].mask is None else np.stack([data[i].mask for i in range(len(data))])
    error, persistence, mean_change, truth_change = {}, {}, {}, {}
    for name, values in fields.items():
        known, frames = truth[name], len(_offsets(task, name))
        each = [slice(k, k + frames) for k in range(0, known.shape[1], frames)]
        each = each if task.relative else [slice(k, k + 1) for k in range(known.shape[1])]
        none = [np.zeros((len(values), 0))]
        found = [relative_l2(values[:, s], known[:, s], dim, mask)[:, None] for s in each]
        error[name] = np.concatenate(none + found, axis=1)
        if name in start:
            before = start[name][:, -1:]
            found = [
                relative_l2(np.broadcast_to(before, known[:, s].shape), known[:, s], dim, mask)[:, None] for s in each
            ]
            persistence[name] = np.concatenate(none + found, axis=1)
            mean_change[name] = _mean(values, dim, mask) - _mean(before, dim, mask)
            truth_change[name] = _mean(known, dim, mask) - _mean(before, dim, mask)
    return Rollout(
        times=_times(task, data, next(iter(fields.values())).shape[1]),
        fields=fields,
        std=joined["std"] or None,
        truth=truth,
        error=error,
        persistence=persistence,
        mean_change=mean_change,
        truth_change=truth_change,
        left_data=left,
        seconds=seconds,
        mode=mode,
    )


def _times(task: Any, data: Any, count: int) -> np.ndarray:
    """Times of the predicted frames; beyond the data's end they go on in its last step, 1 where there is none."""
    times = np.asarray(data[0].times, dtype=float)
    offsets = _offsets(task, task.target_layout.names[0])
    if not task.relative and len(times) < 2:
        return times
    start = task.start if any(s.relative for s in task.targets) else 0
    index = [start + k * task.stride + offset for k in range(count // len(offsets)) for offset in offsets]
    step = times[-1] - times[-2] if len(times) > 1 else 1.0
    index = [i + len(times) if i < 0 else i for i in index]  # u[-1]
    return np.array([times[i] if i < len(times) else times[-1] + (i - len(times) + 1) * step for i in index])


def _offsets(task: Any, name: str) -> list[int]:
    """The frames of a field that one prediction has, counted from `t`, or from the first one of the trajectory."""
    found: list[int] = []
    for b in task.target_layout.blocks:
        if b.name == name:
            first = b.selection.first or 0
            found += range(first, first + b.frames)
    return found


def _mean(values: np.ndarray, dim: int, mask: np.ndarray | None) -> np.ndarray:
    """Mean over the domain (trajectories, frames); of a vector its first component."""
    flat, space = values, tuple(range(2, 2 + dim))
    for _ in range(values.ndim - 2 - dim):
        flat = flat[..., 0]
    if mask is None:
        return np.asarray(flat.mean(axis=space))
    inside = np.broadcast_to(mask[:, None], flat.shape)
    return np.asarray(np.sum(flat, axis=space, where=inside) / inside.sum(axis=space))


def _warn(left: np.ndarray) -> None:
    rows = np.flatnonzero(left >= 0)
    if len(rows):
        first = rows[np.argmin(left[rows])]
        warnings.warn(
            f"{len(rows)} of {len(left)} rollouts leave the training data, the first one trajectory {first} at step "
            f"{left[first] + 1}; from there on errors may be larger than the bands say",
            LeftData,
            stacklevel=3,
        )
