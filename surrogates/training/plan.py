"""How long and how to train."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from surrogates.physics.errors import TrainingError

_CHOICES = {
    "optimizer": ("adam", "adamw"),
    "schedule": ("cosine", "constant", "plateau"),
    "dtype": ("float32", "float64", "bfloat16"),
}
_BUDGETS = ("epochs", "steps", "minutes")


@dataclass(frozen=True)
class Plan:
    """A budget and the settings of gradient descent; the defaults suit force fits of small molecules.

    Args:
        epochs, steps, minutes: the budget, at most one of them (none: 100 epochs). Epochs and steps are repeatable to
            the bit; minutes are the process's CPU minutes on a CPU, wall minutes on a GPU, and the steps made are kept.
        batch_size: samples a step.
        lr: peak learning rate.
        weights: of the parts of the loss, by name; the task documents their units, and `fit` refuses names that it does
            not have. A part that is not named weighs nothing. None: the task's own (`default_weights`).
        optimizer: "adam" (with amsgrad) or "adamw". weight_decay: used by both.
        schedule: "cosine" from lr to `final` * lr over the budget, "constant", or "plateau" (times 0.5 after
            `plateau_patience` validations without a better loss).
        warmup: share of the budget over which lr rises from zero.
        ema: decay a step of the averaged weights, which are validated and kept; 0 keeps the last weights.
        clip: largest norm of the gradient; None for no limit.
        validations: how often the validation loss is measured, evenly over the budget.
        patience: stop after this many validations without a better loss; None never stops early.
        dtype: "float32", "float64", or "bfloat16": float32 weights and mixed-precision products.
        device: "auto", "cpu", "cuda", "cuda:1".
    """

    epochs: int | None = None
    steps: int | None = None
    minutes: float | int | None = None
    batch_size: int = 5
    lr: float | int = 0.01
    weights: Mapping[str, float | int] | None = None
    optimizer: str = "adam"
    weight_decay: float | int = 0.0
    schedule: str = "cosine"
    warmup: float | int = 0.0
    final: float | int = 0.0
    plateau_patience: int = 3
    ema: float | int = 0.99
    clip: float | int | None = 10.0
    validations: int = 20
    patience: int | None = None
    dtype: str = "float32"
    device: str = "auto"

    def __post_init__(self) -> None:
        """Raises TrainingError for a value that makes no sense."""
        given = [name for name in _BUDGETS if getattr(self, name) is not None]
        if len(given) > 1:
            raise TrainingError(f"Plan({', '.join(given)}): give one budget only, {', '.join(_BUDGETS)}")
        for name, words in _CHOICES.items():
            _choice(name, getattr(self, name), words)
        for name in (*(n for n in given if n != "minutes"), "batch_size", "validations", "plateau_patience"):
            _require(name, getattr(self, name), isinstance(getattr(self, name), int), "a whole number")
        for name in (*given, "lr"):
            _require(name, getattr(self, name), isinstance(getattr(self, name), int | float), "a number")
        for name in (*given, "batch_size", "lr", "validations", "plateau_patience"):
            _require(name, getattr(self, name), getattr(self, name) > 0, "a positive number")
        for name in ("warmup", "final", "ema"):
            _require(name, getattr(self, name), 0 <= getattr(self, name) < 1, "a number from 0 to below 1")
        for name in ("clip", "patience"):
            _require(
                name, getattr(self, name), getattr(self, name) is None or getattr(self, name) > 0, "positive or None"
            )
        costs = () if self.weights is None else self.weights.values()
        _require("weights", self.weights, all(math.isfinite(w) and w >= 0 for w in costs), "numbers of at least 0")


def check_weights(weights: Mapping[str, float | int], parts: Sequence[str]) -> None:
    """Raises TrainingError for weights of parts that a task's loss does not have, and for none above zero."""
    for name in weights:
        if name not in parts:
            near = difflib.get_close_matches(str(name), parts, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TrainingError(f"Plan(weights=...) names {name!r}; this task's loss has {', '.join(parts)}{hint}")
    if not any(weight > 0 for weight in weights.values()):
        raise TrainingError(
            f"Plan(weights={dict(weights)}) weighs nothing, so nothing would train; give one of {', '.join(parts)} a "
            "positive weight"
        )


def _choice(name: str, value: Any, words: tuple[str, ...]) -> None:
    if value not in words:
        near = difflib.get_close_matches(str(value), words, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TrainingError(f"Plan({name}={value!r}) is unknown; choose one of {', '.join(words)}{hint}")


def _require(name: str, value: Any, holds: bool, accepted: str) -> None:
    if not holds:
        raise TrainingError(f"Plan({name}={value!r}) makes no sense; give {accepted}")
