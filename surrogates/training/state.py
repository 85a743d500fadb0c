"""What a training shows to those who watch it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """A training after one of its steps; hooks are called with it.

    Args:
        step, epoch: steps made, epochs begun (counted from 1).
        fraction: of the budget that is spent, 0 to 1.
        loss, parts: of the last batch: weighted sum, and unweighted parts by name.
        valid: the last validation loss, best: the lowest so far; None before the first one.
        lr: learning rate of the last step.
        rate: samples per second. elapsed, remaining: seconds, CPU time on a CPU.
    """

    step: int
    epoch: int
    fraction: float
    loss: float
    parts: Mapping[str, float]
    valid: float | None
    best: float | None
    lr: float
    rate: float
    elapsed: float
    remaining: float


Hook = Callable[[State], None]
