"""The last digits of a network that solves an equation: L-BFGS on fixed points, after `fit`.

Paper: On the limited memory BFGS method for large scale optimization (doi:10.1007/BF01589116), with a line search that
satisfies the strong Wolfe conditions (torch.optim.LBFGS); after Adam, as in Physics-informed neural networks
(doi:10.1016/j.jcp.2018.10.045).
"""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.errors import TrainingError
from surrogates.training.fit import TrainingStopped
from surrogates.training.fitted import Fitted
from surrogates.training.interrupt import held_back
from surrogates.training.plan import check_weights

_ROUND = 10  # iterations between looks at the clock, at Ctrl-C and at the validation points


def polish(
    fitted: Any,
    points: Any,
    valid: Any = (),
    *,
    steps: int = 500,
    minutes: float | int | None = None,
    weights: Mapping[str, float | int] | None = None,
    memory: int = 50,
    dtype: str = "float64",
) -> Fitted:
    """The same networks after at most `steps` iterations of L-BFGS on all of `points`; `fitted` stays as it was.

    Args:
        fitted: what `fit` gave, one or several members. points: fixed ones, `problem.points(5000)`.
        valid: points that decide which weights are kept; without them those of the lowest loss are.
        minutes: at most this CPU time for each member. weights: of the parts of the loss; None takes those of the fit.
        memory: pairs of vectors that L-BFGS remembers.
        dtype: "float64", in which the networks stay, or "float32", where line searches end early.
    The loss is the plain sum of weighted mean squares: weightings such as Causal do not apply, and derivatives that are
    random estimates use the same draws at every evaluation. Ctrl-C ends it with the best weights so far.
    Raises TrainingError for a task that is no equation, points that are no fixed set, or a loss that is not finite at
    the start.
    """
    _check(fitted, points, steps, dtype)
    asked = weights if weights is not None else fitted.provenance["plan"]["weights"]
    check_weights(asked, fitted.members[0].loss_parts)
    members, rows, told = [], list(fitted.history), []
    seconds = math.inf if minutes is None else 60.0 * minutes
    for k, member in enumerate(fitted.members):
        run = _Run(copy.deepcopy(member), points, valid, asked, dtype)
        told.append(run.descend(steps, seconds, memory))
        members.append(run.task.eval())
        rows += [{"member": k, **row} if len(fitted.members) > 1 else row for row in run.history]
    facts = {"iterations": told, "points": points.hash, "weights": dict(asked), "dtype": dtype, "memory": memory}
    return replace(
        fitted,
        members=tuple(members),
        provenance=fitted.provenance | {"polish": facts},
        history=tuple(rows),
        spread=None,
    )


class _Run:
    """One member on its way down."""

    def __init__(self, task: Any, points: Any, valid: Any, weights: Mapping[str, float | int], dtype: str) -> None:
        self.task = task.to(dtype=torch.float64 if dtype == "float64" else torch.float32).train()
        self.weights, self.history = weights, list[dict[str, float | int]]()
        self._batch = _whole(self.task, points)
        self._valid = _whole(self.task, valid) if len(valid) else None
        self._parameters = [p for p in self.task.parameters() if p.requires_grad]
        self._best, self._kept = math.inf, [p.detach().clone() for p in self._parameters]

    def descend(self, steps: int, seconds: float, memory: int) -> int:
        """Iterations made; the task carries the best weights then."""
        optimizer = torch.optim.LBFGS(
            self._parameters,
            max_iter=min(_ROUND, steps),
            max_eval=4 * _ROUND,
            history_size=memory,
            tolerance_grad=1e-14,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        begun, made = time.process_time(), 0
        if not math.isfinite(self._note(0)):
            raise TrainingError(
                "the loss of these networks is not finite at these points, so there is nothing to polish"
            )
        try:
            with held_back() as interrupt:
                while made < steps and time.process_time() - begun < seconds:
                    optimizer.param_groups[0]["max_iter"] = min(_ROUND, steps - made)
                    optimizer.step(self._closure(optimizer))
                    done = int(optimizer.state[self._parameters[0]]["n_iter"])
                    loss = self._note(done)
                    if done == made or not math.isfinite(loss):  # converged, or a line search that found nothing
                        break
                    made = done
                    interrupt.check()
        except KeyboardInterrupt:
            text = f"polishing ended after {made} iterations: it was interrupted; the best weights were kept"
            warnings.warn(text, TrainingStopped, stacklevel=4)
        with torch.no_grad():
            for p, best in zip(self._parameters, self._kept, strict=True):
                p.copy_(best)
        return made

    def _closure(self, optimizer: torch.optim.Optimizer) -> Callable[[], Tensor]:
        def evaluate() -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            loss = self._objective(self._batch)[0]
            loss.backward(inputs=self._parameters)  # type: ignore[no-untyped-call]
            return loss

        return evaluate

    def _objective(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        device = self._parameters[0].device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            found: tuple[Tensor, dict[str, Tensor]] = self.task.objective(batch, self.weights)
        return found

    def _note(self, made: int) -> float:
        """Adds a row to the history and keeps the weights if they are the best so far; the loss that decides."""
        loss, parts = self._objective(self._batch)
        row = {"polish": made, "loss": float(loss.detach()), **{n: float(p.detach()) for n, p in parts.items()}}
        if self._valid is not None:
            row["valid"] = float(self._objective(self._valid)[0].detach())
        self.history.append(row)
        decides = float(row["loss" if self._valid is None else "valid"])
        if decides < self._best:
            self._best = decides
            self._kept = [p.detach().clone() for p in self._parameters]
        return decides


def _whole(task: Any, points: Any) -> Any:
    return task.collate([points[i] for i in range(len(points))])


def _check(fitted: Any, points: Any, steps: Any, dtype: str) -> None:
    if not isinstance(fitted, Fitted) or not hasattr(fitted.members[0], "objective"):
        kind = type(fitted.members[0] if isinstance(fitted, Fitted) else fitted).__name__
        raise TrainingError(f"polish is for networks that solve an equation, trained by fit; this is a {kind}")
    if not hasattr(points, "interior"):
        raise TrainingError(
            f"polish needs fixed points, not a {type(points).__name__}; give problem.points(5000): a line search "
            "compares losses, which must not change by themselves"
        )
    if not isinstance(steps, int) or steps < 1 or dtype not in ("float64", "float32"):
        raise TrainingError(f"polish(steps={steps!r}, dtype={dtype!r}); give a positive number, float64 or float32")
