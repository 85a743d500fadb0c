"""Training, in every domain: a task, its data, a plan."""

from __future__ import annotations

import copy
import json
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from surrogates.construct import describe
from surrogates.physics.errors import FileError, SurrogatesWarning, TrainingError
from surrogates.training import resume
from surrogates.training.budget import Budget, Clock
from surrogates.training.fine_tune import FineTune, frozen, warn_of_rounding
from surrogates.training.fitted import Fitted, provenance, row_digests
from surrogates.training.interrupt import held_back
from surrogates.training.plan import Plan, check_weights
from surrogates.training.state import Hook, State
from surrogates.training.trainer import NotFinite, Trainer

_IN_MEMORY = 20_000  # samples; larger sets are read from their file each epoch
_SAVE_EVERY = 20.0  # wall seconds


class TrainingStopped(SurrogatesWarning):
    """A training ended before its plan said so; the best weights until then were kept."""


def fit(
    task: Any,
    train: Any,
    valid: Any = (),
    *,
    plan: Plan | None = None,
    hooks: Sequence[Hook] = (),
    seed: int = 0,
    directory: str | Path | None = None,
    start: FineTune | None = None,
) -> Fitted:
    """Train `task` (in place) on `train`, keep the averaged weights that are best on `valid`, refit in closed form.

    A trained task, or a Fitted (which stays as it was; the result knows its training rows too), is fine-tuned: its
    normalisation is not taken from the data again, and `start` says what becomes of isolated atoms and what trains.
    With `directory` the state is written there every 20 s and taken up again. Ctrl-C ends the training early with the
    best weights so far; with `directory` it saves and passes the interrupt on. A loss that is not finite ends it too,
    and the warning names the rows; within the first epoch it is an error.
    Raises TrainingError for rows that are in both sets, an empty training set, weights of unknown parts of the loss, or
    another training in `directory`; DomainError for labels or elements that do not fit the task.
    """
    plan, parent = plan or Plan(), task if isinstance(task, Fitted) else None
    task = task if parent is None else _copy(parent)
    if plan.weights is None:
        plan = replace(plan, weights=dict(getattr(task, "default_weights", {})))
    train, valid = _gathered(task, train, valid)
    labels = _check(task, train, valid, plan)
    if not isinstance(start, FineTune | None):
        raise TrainingError(f"start={start!r} is unknown; write start=FineTune(isolated=..., freeze=...)")
    if start is not None and not getattr(task, "trained", False):
        raise TrainingError("start=FineTune(...) goes on from a trained task, and this one is new; leave `start` away")
    device = _device(plan.device)
    dtype = torch.float64 if plan.dtype == "float64" else torch.float32
    identity = {"plan": asdict(plan), "seed": seed, "task": _told(task), **_hashes(train, valid)}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        began = None if not getattr(task, "trained", False) else _go_on(task, train, start or FineTune(), device, dtype)
        if began is None:
            task.to(device=device, dtype=dtype)
            task.prepare(train)
        task.train()
        with frozen(task, "nothing" if start is None else start.freeze) as parameters:
            trainer = Trainer(task, _in_memory(train), _in_memory(valid), plan, seed)
            begun = {} if start is None else {"start": start.plain()}
            timings = _run(trainer, plan, hooks, directory, identity | begun)
            trainer.keep_best()
        task.eval()
        task.refit(train)
    progress = trainer.progress
    facts = provenance(task, train, plan, seed) | {"steps": progress.step, "stopped": progress.stopped}
    facts["data"] |= {"labels": labels} if labels else {}
    facts |= {"parameters": parameters} | ({} if began is None else {"start": began})
    fitted = Fitted(
        (task,), facts, tuple(progress.history), train_rows=row_digests(train), timings=timings, train_data=train
    )
    return fitted if parent is None else _child(fitted, parent)


def _copy(parent: Fitted) -> Any:
    if len(parent.members) > 1:
        raise TrainingError(
            f"an ensemble of {len(parent.members)} members cannot be trained as one; fine-tune each and join them: "
            "combine([fit(task, ...) for task in fitted.members])"
        )
    return copy.deepcopy(parent.members[0])


def _child(fitted: Fitted, parent: Fitted) -> Fitted:
    """With where it came from, and with the parent's training rows among its own."""
    facts = {k: v for k, v in parent.provenance.items() if k not in ("versions", "papers")}
    rows = [r for r in (parent.train_rows, fitted.train_rows) if r is not None]
    return replace(
        fitted,
        provenance=fitted.provenance | {"parent": facts},
        train_rows=torch.unique(torch.cat(rows), dim=0) if rows else None,
    )


def _go_on(task: Any, train: Any, start: FineTune, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Move a trained task, keep its normalisation; what was done, as JSON."""
    warn_of_rounding(task, dtype)
    task.to(device=device, dtype=dtype)
    return {"isolated": task.restart(train, start.isolated), "freeze": start.plain()["freeze"]}


def _gathered(task: Any, train: Any, valid: Any) -> tuple[Any, Any]:
    """The data of a task with heads as one data set each."""
    if not hasattr(task, "gather"):
        return train, valid
    train, valid = task.gather(train), task.gather(valid)
    task.check_validation(valid)
    return train, valid


def _run(
    trainer: Trainer, plan: Plan, hooks: Sequence[Hook], directory: str | Path | None, identity: dict[str, Any]
) -> dict[str, Any]:
    path = None if directory is None else Path(directory) / resume.FILE
    if path is not None:
        resume.restore(path, trainer, identity)
    clock, budget = Clock(trainer.device, trainer.progress.elapsed), Budget(plan, trainer.steps_per_epoch)
    saved = time.monotonic()
    try:
        with held_back() as interrupt:
            while _unfinished(trainer, budget, clock):
                _advance(trainer, plan, budget, clock, hooks)
                interrupt.check()
                if path is not None and time.monotonic() - saved > _SAVE_EVERY:
                    _save(path, trainer, clock, identity)
                    saved = time.monotonic()
    except KeyboardInterrupt:
        if path is not None:
            _save(path, trainer, clock, identity)
            raise
        _stop(trainer, "it was interrupted")
    except NotFinite:
        _break_down(trainer)
    if path is not None:
        _save(path, trainer, clock, identity)
    return {"seconds": clock.elapsed(), "steps": trainer.progress.step, "validations": trainer.progress.times}


def _save(path: Path, trainer: Trainer, clock: Clock, identity: dict[str, Any]) -> None:
    trainer.progress.elapsed = clock.elapsed()
    resume.save(path, trainer, identity)


def _unfinished(trainer: Trainer, budget: Budget, clock: Clock) -> bool:
    progress = trainer.progress
    return progress.stopped is None and budget.fraction(progress.step, clock.elapsed()) < 1


def _advance(trainer: Trainer, plan: Plan, budget: Budget, clock: Clock, hooks: Sequence[Hook]) -> None:
    """One step, and a validation when its time has come."""
    progress = trainer.progress
    loss, parts, lr = trainer.step(budget.fraction(progress.step, clock.elapsed()))
    fraction = budget.fraction(progress.step, clock.elapsed())
    if fraction >= (progress.validations + 1) / plan.validations or fraction >= 1:
        _validate(trainer, plan, budget, clock, fraction)
    elapsed = clock.elapsed()
    state = State(
        step=progress.step,
        epoch=(progress.step - 1) // trainer.steps_per_epoch + 1,
        fraction=fraction,
        loss=loss,
        parts=parts,
        valid=progress.valid,
        best=progress.best,
        lr=lr,
        rate=progress.step * plan.batch_size / max(elapsed, 1e-9),
        elapsed=elapsed,
        remaining=budget.remaining(progress.step, elapsed),
    )
    for hook in hooks:
        hook(state)


def _validate(trainer: Trainer, plan: Plan, budget: Budget, clock: Clock, fraction: float) -> None:
    progress, begin = trainer.progress, clock.elapsed()
    progress.validations = max(progress.validations + 1, int(fraction * plan.validations))
    found = trainer.validate()
    if not found:
        return
    if budget.seconds is not None:
        budget.reserve = min(2 * (clock.elapsed() - begin), 0.1 * budget.seconds)
    trainer.note(**found)
    progress.times.append([progress.step, clock.elapsed()])
    if plan.patience is not None and progress.since_best >= plan.patience:
        progress.stopped = f"no better validation loss in {plan.patience} validations"


def _break_down(trainer: Trainer) -> None:
    rows = trainer.culprits()
    told, batch = trainer.names(rows), trainer.names(trainer.rows())
    where = f"of training rows {told}" if rows else f"of the batch {batch} (each row alone is finite)"
    reason = f"the loss or gradient {where} was not finite at step {trainer.progress.step + 1}"
    if trainer.epoch < 1:
        raise TrainingError(f"{reason}; look at these structures and labels, or train with a smaller lr")
    _stop(trainer, reason)


def _stop(trainer: Trainer, reason: str) -> None:
    trainer.progress.stopped = reason
    step = trainer.progress.step
    warnings.warn(
        f"training ended after {step} steps: {reason}; the best weights were kept", TrainingStopped, stacklevel=5
    )


def _check(task: Any, train: Any, valid: Any, plan: Plan) -> dict[str, Any]:
    """Refuses what cannot be trained; labels in the data, where the task counts them."""
    if isinstance(task, str | Path):
        raise TrainingError(f"{task} is a path; load it first: fit(load({str(task)!r}), ...)")
    if not (hasattr(task, "prepare") and hasattr(task, "loss")):
        raise TrainingError(
            f"a {type(task).__name__} is no task; wrap a potential as EnergyForces(model), an operator as "
            "OperatorMap(model, input=..., target=...)"
        )
    if isinstance(train, Mapping) or isinstance(valid, Mapping):
        raise TrainingError("data by head are for tasks with heads; this one has none: give one data set, or MultiHead")
    if not (hasattr(train, "__len__") and hasattr(valid, "__len__")):
        names = f"{type(train).__name__} and {type(valid).__name__}"
        raise TrainingError(f"training and validation data are {names}; give data sets, or lists of samples")
    if hasattr(task, "loss_parts"):
        check_weights(plan.weights or {}, task.loss_parts)
    if len(train) == 0:
        raise TrainingError("the training set is empty; give at least one sample")
    if hasattr(train, "row_hashes") and hasattr(valid, "row_hashes"):
        seen = set(train.row_hashes())
        shared = [row for row, name in enumerate(valid.row_hashes()) if name in seen]
        if shared:
            raise TrainingError(
                f"{len(shared)} validation rows ({shared[:5]}...) are training rows too; split the data with data.split"
            )
    return task.count_labels(train, plan.weights) if hasattr(task, "count_labels") else {}


def _told(task: Any) -> str:
    """What a task and its model were made with, so that another one does not go on from its state."""
    try:
        return json.dumps(describe(task), sort_keys=True, default=str)
    except FileError:  # a class that no file can name
        return type(task).__qualname__


def _hashes(train: Any, valid: Any) -> dict[str, Any]:
    return {"train": getattr(train, "hash", len(train)), "valid": getattr(valid, "hash", len(valid))}


def _in_memory(data: Any) -> Any:
    if hasattr(data, "in_memory"):
        return data.in_memory(_IN_MEMORY)
    return [data[i] for i in range(len(data))] if len(data) <= _IN_MEMORY else data


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise TrainingError(f"device={name!r} is unknown; write auto, cpu, cuda or cuda:1") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError(f"device={name!r}, but this torch sees no GPU; use device='cpu' or 'auto'")
    return device
