"""What every step that trains has in common: its budget, its plan, its progress."""

from __future__ import annotations

from typing import Any

from surrogates.workflows.desk import Desk

BUDGETS = ("epochs", "steps", "minutes")
_DESCENT = ("batch_size", "lr", "weights", "optimizer", "weight_decay", "schedule", "warmup", "ema", "clip")
_PLAN = (*BUDGETS, *_DESCENT, "validations", "patience", "dtype")


def check_budget(step: Any) -> None:
    """Raises ValueError unless exactly one of epochs, steps and minutes is given."""
    given = [name for name in BUDGETS if getattr(step, name) is not None]
    if len(given) != 1:
        raise ValueError(f"the budget has {' and '.join(given) or 'nothing'}; give one of epochs, steps, minutes")


def plan_of(step: Any, desk: Desk, share: float = 1.0) -> Any:
    """The training.Plan that a step's keys describe, with a share of its budget (epochs stay as they are)."""
    from surrogates.training import Plan

    settings = {name: getattr(step, name) for name in _PLAN}
    if settings["minutes"] is not None:
        settings["minutes"] *= share
    if settings["steps"] is not None:
        settings["steps"] = max(1, round(share * settings["steps"]))
    return Plan(**settings, device=desk.device)


def progress_hook(desk: Desk) -> Any:
    """A hook of `fit` that tells the desk how far it is."""

    def hook(state: Any) -> None:
        own = [f"{n.removesuffix('.loss')} {x:.3g}" for n, x in state.parts.items() if n.endswith(".loss")]
        heads = f" ({', '.join(own)})" if own else ""
        unit = f"% of the budget, step {state.step}, loss {state.loss:.3g}{heads}"
        desk.progress(round(100 * min(state.fraction, 1.0), 1), 100.0, unit)

    return hook
