"""How much of a plan's budget is spent, and the learning rate that goes with it."""

from __future__ import annotations

import math
import time

import torch

from surrogates.training.plan import Plan


class Clock:
    """Seconds of this training: of the process's CPU time on a CPU, of wall time on a GPU; goes on after a resume."""

    def __init__(self, device: torch.device, spent: float = 0.0) -> None:
        self._now = time.process_time if device.type == "cpu" else time.perf_counter
        self._start = self._now() - spent

    def elapsed(self) -> float:
        """Seconds since the training began, pauses left out."""
        return self._now() - self._start


class Budget:
    """The end of a training, in steps or in minutes.

    Args:
        plan: where the budget stands. steps_per_epoch: of this training set.
    """

    def __init__(self, plan: Plan, steps_per_epoch: int) -> None:
        epochs = plan.epochs if plan.epochs or plan.steps or plan.minutes else 100
        self.steps = epochs * steps_per_epoch if epochs else plan.steps
        self.seconds = 60 * plan.minutes if plan.minutes else None
        self.reserve = 0.0  # seconds kept for the last validation and the closing refit

    def fraction(self, step: int, elapsed: float) -> float:
        """Share of the budget that is spent, 0 to 1."""
        spent = step / self.steps if self.steps else elapsed / max((self.seconds or 0.0) - self.reserve, 1e-9)
        return min(spent, 1.0)

    def remaining(self, step: int, elapsed: float) -> float:
        """Seconds left, by the rate so far."""
        spent = self.fraction(step, elapsed)
        return elapsed * (1 - spent) / spent if spent > 0 else math.inf


def learning_rate(plan: Plan, fraction: float, halvings: int) -> float:
    """Rate after `fraction` of the budget: warm-up, then the plan's schedule; `halvings` counts a plateau's."""
    if fraction < plan.warmup:
        return plan.lr * (fraction + 1e-3) / (plan.warmup + 1e-3)
    if plan.schedule == "constant":
        return plan.lr
    if plan.schedule == "plateau":
        return plan.lr * 0.5**halvings
    through = (fraction - plan.warmup) / (1 - plan.warmup)
    return plan.lr * (plan.final + (1 - plan.final) * (1 + math.cos(math.pi * through)) / 2)
