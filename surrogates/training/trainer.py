"""Gradient descent step by step, in any domain: only the Task protocol is used here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from surrogates.training.budget import learning_rate
from surrogates.training.ema import Average
from surrogates.training.plan import Plan


@dataclass
class Progress:
    """The plain numbers of a training that a resume needs; JSON-able."""

    step: int = 0
    elapsed: float = 0.0
    validations: int = 0
    since_best: int = 0
    since_halving: int = 0
    halvings: int = 0
    best: float | None = None
    valid: float | None = None
    stopped: str | None = None
    sums: dict[str, float | int] = field(default_factory=dict)  # over the steps of the running epoch
    counts: dict[str, int] = field(default_factory=dict)  # of those steps, in how many a part occurred
    history: list[dict[str, float | int]] = field(default_factory=list)
    times: list[list[float | int]] = field(default_factory=list)  # step and seconds of each validation


class NotFinite(ArithmeticError):
    """The loss or the gradient of a step is not finite; the weights are those before the step."""


class Trainer:
    """A task, its optimiser and its averaged weights.

    Args:
        task: a Task; trained in place. train, valid: data sets. plan: settings. seed: of the order of samples.
    """

    def __init__(self, task: Any, train: Any, valid: Any, plan: Plan, seed: int) -> None:
        self.task, self.plan, self.progress = task, plan, Progress()
        self._train, self._valid, self._seed = train, valid, seed
        self.device = next(task.parameters()).device
        self.optimizer = _optimizer(task, plan)
        self.average = Average(task, plan.ema)
        self.best: dict[str, Tensor] = {}
        self.steps_per_epoch = max(1, math.ceil(len(train) / plan.batch_size))
        self._order: tuple[int, list[int]] = (-1, [])

    @property
    def epoch(self) -> int:
        """Whole epochs made."""
        return self.progress.step // self.steps_per_epoch

    def rows(self) -> list[int]:
        """The training rows of the next step: a new order each epoch, a function of the seed and the epoch only.

        Data of several heads bring their own order, which mixes them.
        """
        if self._order[0] != self.epoch:
            generator = torch.Generator().manual_seed((self._seed << 32) + self.epoch)
            mixed = getattr(self._train, "order", None)
            order = mixed(generator) if mixed else torch.randperm(len(self._train), generator=generator).tolist()
            self._order = (self.epoch, order)
        begin = (self.progress.step % self.steps_per_epoch) * self.plan.batch_size
        return self._order[1][begin : begin + self.plan.batch_size]

    def names(self, rows: Sequence[int]) -> list[Any]:
        """The rows as messages name them: their numbers, and their heads where there are several."""
        name = getattr(self._train, "name", None)
        return [name(row) for row in rows] if name else list(rows)

    def step(self, fraction: float) -> tuple[float, dict[str, float | int], float]:
        """One step at this share of the budget: loss, parts, learning rate. Raises NotFinite, weights untouched."""
        lr = learning_rate(self.plan, fraction, self.progress.halvings)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        loss, parts = self.loss(self.rows())
        if loss.requires_grad:  # by the weights alone: gradients by positions would be a seventh of the work
            loss.backward(inputs=[p for p in self.task.parameters() if p.requires_grad])
        norm = nn.utils.clip_grad_norm_(self.task.parameters(), self.plan.clip or math.inf)
        if not math.isfinite(loss.item()) or not math.isfinite(norm.item()):
            raise NotFinite
        self.optimizer.step()
        self.average.update()
        return loss.item(), self._record(loss.item(), parts, lr), lr

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of some training rows at the present weights."""
        return self._loss([self._train[i] for i in rows])

    def validate(self) -> dict[str, float]:
        """Validation loss of the averaged weights, `valid`, and its parts, `valid.NAME`; {} without data.

        The weights are kept if `valid` is the lowest so far. A task with a `criterion` makes it of the parts.
        """
        if not len(self._valid):
            return {}
        progress = self.progress
        parts = self._valid_parts()
        criterion = getattr(self.task, "criterion", None)
        progress.valid = parts["loss"] if criterion is None else criterion(parts)
        progress.since_best += 1
        progress.since_halving += 1
        if math.isfinite(progress.valid) and (progress.best is None or progress.valid < progress.best):
            progress.best, progress.since_best, progress.since_halving = progress.valid, 0, 0
            self.best = {name: w.clone() for name, w in self.average.weights.items()}
        if self.plan.schedule == "plateau" and progress.since_halving >= self.plan.plateau_patience:
            progress.halvings, progress.since_halving = progress.halvings + 1, 0
        return {"valid": progress.valid, **{f"valid.{name}": x for name, x in parts.items() if name != "loss"}}

    def _valid_parts(self) -> dict[str, float]:
        """Means over the validation rows that have them: the loss and its parts."""
        sums: dict[str, float] = {}
        rows: dict[str, int] = {}
        self.task.eval()
        with self.average.applied(), torch.no_grad():
            for chunk in _chunks(self._valid, max(32, self.plan.batch_size)):
                loss, parts = self._loss(chunk)
                for name, value in {"loss": loss, **parts}.items():
                    sums[name] = sums.get(name, 0.0) + len(chunk) * value.item()
                    rows[name] = rows.get(name, 0) + len(chunk)
        self.task.train()
        return {name: total / rows[name] for name, total in sums.items()}

    def note(self, **values: float) -> None:
        """Add a row to the history; its keys are sorted, as they are after a resume."""
        step = self.progress.step
        row = {"epoch": step / self.steps_per_epoch, "step": step, **values}
        self.progress.history.append(dict(sorted(row.items())))

    def keep_best(self) -> None:
        """Give the task the best averaged weights, or the last ones when nothing was validated."""
        self.average.set(self.best or self.average.weights)

    def culprits(self) -> list[int]:
        """Rows of the next step whose own loss or gradient is not finite, each looked at alone."""
        return [row for row in self.rows() if not self._is_finite(row)]

    def _is_finite(self, row: int) -> bool:
        self.optimizer.zero_grad(set_to_none=True)
        loss, _ = self.loss([row])
        if not math.isfinite(loss.item()):
            return False
        if loss.requires_grad:
            loss.backward()
        return all(bool(p.grad.isfinite().all()) for p in self.task.parameters() if p.grad is not None)

    def _loss(self, samples: Sequence[Any]) -> tuple[Tensor, dict[str, Tensor]]:
        batch = self.task.collate(samples).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.dtype == "bfloat16"):
            return self.task.loss(batch, self.plan.weights)

    def _record(self, loss: float, parts: dict[str, Tensor], lr: float) -> dict[str, float | int]:
        progress, values = self.progress, {name: part.item() for name, part in parts.items()}
        for name, value in {"loss": loss, **values}.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + value
            progress.counts[name] = progress.counts.get(name, 0) + 1
        progress.step += 1
        if progress.step % self.steps_per_epoch == 0:
            means = {name: total / progress.counts[name] for name, total in progress.sums.items()}
            self.note(lr=lr, **means)
            progress.sums, progress.counts = {}, {}
        return values


def _optimizer(task: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    trained = [p for p in task.parameters() if p.requires_grad]
    if plan.optimizer == "adamw":
        return torch.optim.AdamW(trained, lr=plan.lr, weight_decay=plan.weight_decay, fused=True)
    return torch.optim.Adam(trained, lr=plan.lr, weight_decay=plan.weight_decay, amsgrad=True, fused=True)


def _chunks(data: Any, size: int) -> Iterator[list[Any]]:
    if hasattr(data, "chunks"):  # of one head each
        yield from data.chunks(size)
        return
    for begin in range(0, len(data), size):
        yield [data[i] for i in range(begin, min(begin + size, len(data)))]
