"""Characterizing possible failure modes in physics-informed neural networks (arXiv:2109.01050): trainings in a row.

Kept: curriculum, from an equation that is easy to the one that is asked for (a convection of speed 1, 5, ..., 30), each
from the weights of the one before; sequence to sequence, one piece of time after the other (see pinns.time_windows).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from surrogates.physics.errors import TrainingError
from surrogates.pinns.problem import Problem
from surrogates.pinns.time_windows import TimeWindows, in_window
from surrogates.tasks.collocation import Collocation
from surrogates.training.fit import fit
from surrogates.training.fitted import Fitted
from surrogates.training.plan import Plan
from surrogates.training.state import Hook


def curriculum(
    task: Collocation,
    problems: Sequence[Problem],
    *,
    plan: Plan | Sequence[Plan],
    edge: int = 100,
    valid: int = 500,
    hooks: Sequence[Hook] = (),
    seed: int = 0,
    directory: str | Path | None = None,
) -> Fitted:
    """Train the network of `task` on each problem in turn, from easy to hard; the result is for the last one.

    Args:
        problems: of as many coordinates as the task's, such as [convection(beta=b) for b in (1, 5, 10, 20, 30)].
        plan: one for all, or one for each. edge, valid: points on each condition a step, points to validate on.
        hooks, seed, directory: as in `fit`; a stage keeps its state in the folder stage-K.
    The history names the stage of each row. Raises TrainingError for no problems, or plans that are not one for each.
    """
    plans = _plans(plan, len(problems))
    fitted: Fitted | None = None
    history: list[dict[str, float | int]] = []
    for stage, (problem, chosen) in enumerate(zip(problems, plans, strict=True)):
        begin: Any
        if fitted is None:
            begin = task.with_problem(problem)
        else:
            begin = replace(fitted, members=(fitted.members[0].with_problem(problem),))
        stream, fixed = problem.stream(edge=edge, seed=stage), problem.points(valid, edge=edge)
        folder = None if directory is None else Path(directory) / f"stage-{stage}"
        fitted = fit(begin, stream, fixed, plan=chosen, hooks=hooks, seed=seed, directory=folder)
        history += [{"stage": stage, **row} for row in fitted.history]
    assert fitted is not None
    return replace(fitted, history=tuple(history))


def march(
    task: Collocation,
    *,
    plan: Plan | Sequence[Plan],
    edge: int = 100,
    valid: int = 500,
    hooks: Sequence[Hook] = (),
    seed: int = 0,
    directory: str | Path | None = None,
) -> Fitted:
    """Train a task whose model is TimeWindows piece by piece, each from where the one before ended.

    Arguments and errors as in `curriculum`; the stages are the pieces, and the scores afterwards those of all times.
    """
    model, problem = task.model, task.problem
    if not isinstance(model, TimeWindows):
        raise TrainingError(f"march goes through pieces of time; the model is {type(model).__name__}, not TimeWindows")
    plans = _plans(plan, len(model.nets))
    fitted: Fitted | None = None
    history: list[dict[str, float | int]] = []
    trains = {name: p.requires_grad for name, p in task.named_parameters()}
    try:
        for stage, chosen in enumerate(plans):
            model.active = stage
            for name, p in task.named_parameters():
                other = name.startswith("model.nets.") and not name.startswith(f"model.nets.{stage}.")
                p.requires_grad_(trains[name] and not other)
            piece = task.with_problem(in_window(problem, model.edges[stage], model.edges[stage + 1]))
            stream, fixed = piece.problem.stream(edge=edge, seed=stage), piece.problem.points(valid, edge=edge)
            folder = None if directory is None else Path(directory) / f"stage-{stage}"
            piece.known.fill_(False)  # a piece begins like a new network
            fitted = fit(piece, stream, fixed, plan=chosen, hooks=hooks, seed=seed, directory=folder)
            task.unknowns.load_state_dict(piece.unknowns.state_dict())
            history += [{"stage": stage, **row} for row in fitted.history]
    finally:
        model.active = None
        for name, p in task.named_parameters():
            p.requires_grad_(trains[name])
    assert fitted is not None
    task.known.fill_(True)
    return replace(fitted, members=(task.eval(),), history=tuple(history))


def _plans(plan: Plan | Sequence[Plan], count: int) -> list[Plan]:
    if not count:
        raise TrainingError("there are no problems to train on; give at least one")
    plans = [plan] * count if isinstance(plan, Plan) else list(plan)
    if len(plans) != count:
        raise TrainingError(f"{len(plans)} plans for {count} stages; give one for all, or one for each")
    return plans
