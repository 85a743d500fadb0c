"""Training of a network, or of an ensemble of them, on an equation: no data, only points and a residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from surrogates.workflows.descent import check_budget, plan_of, progress_hook
from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import (
    Count,
    EquationModel,
    EquationProblem,
    EquationWeighting,
    Fraction,
    Minutes,
    Output,
    Positive,
    Within,
)
from surrogates.workflows.files import read_json, sha256, write_json
from surrogates.workflows.parts import parameters_of, takes_how
from surrogates.workflows.words import accepted

FILE = "equation.safetensors"
_WINDOWS = "surrogates.pinns.time_windows:TimeWindows"
_EPOCH = 100  # steps in an epoch of points that never come twice
_VALID_SEED, _FIXED_SEED, _POLISH_SEED, _CALIBRATION_SEED = 1001, 1002, 1003, 1004


@dataclass(frozen=True)
class Derivatives:
    """How the derivatives of an equation are computed while it is learned.

    Args:
        how: "exact", or a random estimate: "sparse" (along some of the axes) or "dense" (along random directions).
        samples: directions at each point. law: of dense directions. unbiased: square the residual from two independent
            draws, so that its gradient has no bias.
    """

    how: Literal["exact", "sparse", "dense"]
    samples: Count = 16
    law: Literal["rademacher", "gaussian"] = "rademacher"
    unbiased: bool = False

    def __post_init__(self) -> None:
        if self.how == "exact" and self.unbiased:
            raise ValueError("exact derivatives have no bias; leave `unbiased` away, or estimate: how: sparse")


@dataclass(frozen=True)
class Polish:
    """L-BFGS on fixed points after the descent.

    Args:
        steps: iterations. points: how many points, on all of which each iteration looks. minutes: at most, a member.
        round: iterations after which the state is saved, and the memory of L-BFGS begins anew.
    """

    steps: Count
    points: Count = 2000
    minutes: Minutes | None = None
    round: Count = 250


@dataclass(frozen=True)
class SolveEquation:
    """Train a physics-informed network, or the members of an ensemble, on an equation of `surrogates list problems`.

    Args:
        problem: the equation. model: the network, with wrappers around it for values that hold exactly.
        derivatives: how they are computed while learning; left away, they are exact or planned by cost.
        weighting: of the residuals of a step, such as causal weights. curriculum: an argument of the problem and values
            of it to learn before, from easy to hard, such as beta: [1, 5, 10, 20]; the budget is shared equally, and
            so it is among the pieces of a model TimeWindows, which are trained in turn.
        members: of the ensemble, from different seeds.
        epochs, steps, minutes: the budget of each, one of them; an epoch is 100 steps, or once through `fixed` points.
        points: inside, each step. edge: on each condition, each step. fixed: train on so many points, always the same
            ones; left away, every step has fresh ones. lr: peak learning rate.
        weights: of the parts of the loss (residuals and conditions by name), 1 unless given.
        polish: L-BFGS at the end.
        valid: points on which the best weights are chosen. calibrate: points, where the solution is known, on which the
            bands are calibrated; left away, the scatter of the members is all there is.
        optimizer, weight_decay, schedule, warmup, ema, clip, validations, patience, dtype: see training.Plan.
    """

    problem: EquationProblem
    model: EquationModel
    derivatives: Derivatives | None = None
    weighting: EquationWeighting | None = None
    curriculum: dict[str, list[float | int]] | None = None
    members: Count = 1
    epochs: Count | None = None
    steps: Count | None = None
    minutes: Minutes | None = None
    points: Count = 128
    edge: Count = 100
    fixed: Count | None = None
    valid: Count = 500
    calibrate: Count | None = None
    lr: Positive = 1e-3
    weights: dict[str, Annotated[float, Within(0)]] | None = None
    polish: Polish | None = None
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: Annotated[float, Within(0)] = 0.0
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup: Fraction = 0.0
    ema: Fraction = 0.99
    clip: Positive | None = None
    validations: Count = 20
    patience: Count | None = None
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        check_budget(self)
        if self.derivatives is not None and not takes_how(self.problem["use"]):
            raise ValueError(
                f"{self.problem['use']} has one way to its derivatives only; leave the key `derivatives` away"
            )
        windows = self.model["use"] == _WINDOWS
        if (self.curriculum is not None or windows) and self.fixed is not None:
            raise ValueError("trainings in a row draw fresh points each step; leave `fixed` away")
        if self.curriculum is not None:
            known = [p.name for p in parameters_of(*self.problem["use"].split(":"))]
            if len(self.curriculum) != 1 or windows:
                raise ValueError(
                    "a curriculum is one argument of the problem, and not for TimeWindows; give one of both"
                )
            for name, values in self.curriculum.items():
                if name not in known or not values:
                    raise ValueError(
                        f"curriculum: {name} = {values}; give values of an argument, {accepted(known, name)}"
                    )

    @property
    def batch_size(self) -> int:
        """Samples of a step, as training.Plan calls them."""
        return self.points

    def outputs(self) -> dict[str, Output]:
        return {"": Output("equation", FILE)}

    def jobs(self) -> list[str]:
        return [f"member-{k}" for k in range(self.members)]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.equation_training import polished

        folder, seed = desk.job_folder(job), 1000 * desk.seed + int(job.rpartition("-")[2])
        task = self._task(desk, seed)
        problem = task.problem
        valid = problem.points(self.valid, edge=self.edge, seed=_VALID_SEED)
        fitted = self._descended(task, valid, desk, {"seed": seed, "directory": folder})
        if self.polish is not None:
            fixed = problem.points(self.polish.points, edge=self.edge, seed=_POLISH_SEED)
            fitted = polished(fitted, fixed, valid, self.polish, folder, desk)
        fitted.save(folder / "member.safetensors")
        write_json(folder / "training.json", fitted.timings)

    def _descended(self, task: Any, valid: Any, desk: Desk, settings: dict[str, Any]) -> Any:
        """The trained network: of one training, or of several in a row."""
        from surrogates.training import fit
        from surrogates.training.curriculum import curriculum, march
        from surrogates.workflows.equation_inputs import made_problem
        from surrogates.workflows.equation_training import Trace

        hooks, around = [progress_hook(desk)], dict[str, Any](edge=self.edge, valid=self.valid)
        if self.model["use"] == _WINDOWS:
            plan = plan_of(self, desk, 1 / len(task.model.nets))
            return march(task, plan=plan, hooks=hooks, **around, **settings)
        if self.curriculum is not None:
            ((name, values),) = self.curriculum.items()
            easier = [made_problem({**self.problem, name: value}, self.derivatives) for value in values]
            plan = plan_of(self, desk, 1 / (1 + len(values)))
            return curriculum(task, [*easier, task.problem], plan=plan, hooks=hooks, **around, **settings)
        trace = Trace(settings["directory"] / "unknowns.json", task)
        return fit(task, self._points(task.problem), valid, plan=plan_of(self, desk), hooks=[*hooks, trace], **settings)

    def _points(self, problem: Any) -> Any:
        if self.fixed is not None:
            return problem.points(self.fixed, edge=self.edge, seed=_FIXED_SEED)
        return problem.stream(points=_EPOCH * self.points, edge=self.edge)

    def _task(self, desk: Desk, seed: int) -> Any:
        """The task with a new network, its weights drawn from `seed`."""
        import torch

        from surrogates.construct import construct
        from surrogates.tasks.collocation import Collocation
        from surrogates.workflows.equation_inputs import made_problem

        problem = made_problem(self.problem, self.derivatives)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            weighting = None if self.weighting is None else construct(self.weighting, desk.trust)
            unbiased = self.derivatives is not None and self.derivatives.unbiased
            return Collocation(construct(self.model, desk.trust), problem, weighting=weighting, unbiased=unbiased)

    def finish(self, desk: Desk) -> SolvedEquation:
        from surrogates.training import combine, load

        folders = [desk.job_folder(job) for job in self.jobs()]
        fitted = combine([load(folder / "member.safetensors", trust=desk.trust) for folder in folders])
        if self.calibrate is not None:
            problem = fitted.members[0].problem
            fitted = fitted.calibrate(problem.points(self.calibrate, edge=self.edge, seed=_CALIBRATION_SEED))
        fitted.save(desk.folder / FILE)
        write_json(desk.folder / "history.json", [dict(row) for row in fitted.history])
        write_json(desk.folder / "unknowns.json", [read_json(folder / "unknowns.json") or [] for folder in folders])
        facts, steps = fitted.provenance, steps_of(fitted)
        polished = [row["polish"] for row in fitted.history if "polish" in row]
        return SolvedEquation(
            file=FILE,
            digest=sha256(desk.folder / FILE),
            history="history.json",
            unknowns="unknowns.json",
            members=len(fitted.members),
            parameters=sum(p.numel() for p in fitted.members[0].parameters()),
            steps=steps,
            polished=int(max(polished, default=0)),
            points=self.fixed or min(steps) * self.points,
            parts=tuple(fitted.members[0].loss_parts),
            stopped=facts["stopped"],
            papers=tuple(facts["papers"]),
        )


def steps_of(fitted: Any) -> tuple[int, ...]:
    """Steps that each member made, in all stages of trainings in a row."""
    last: dict[tuple[int, int], int] = {}
    for row in fitted.history:
        if "step" in row:
            where = (row.get("member", 0), row.get("stage", 0))
            last[where] = max(last.get(where, 0), row["step"])
    return tuple(sum(n for (m, _), n in last.items() if m == k) for k in range(len(fitted.members)))


@dataclass(frozen=True)
class SolvedEquation:
    """A network that solves an equation.

    Args:
        file, digest: the checkpoint and its SHA-256. history: losses by epoch and validation. unknowns: the unknown
            numbers of the equation along the training of each member: rows of `step` and values by name.
        members, parameters: how many, and weights in each. steps: of the descent that each member made. polished:
            iterations of L-BFGS after it. points: different points inside that a member learned from.
        parts: of the loss. stopped: why before its budget's end, None where it was not. papers: titles of the methods.
    """

    file: str
    digest: str
    history: str
    unknowns: str
    members: int
    parameters: int
    steps: tuple[int, ...]
    polished: int
    points: int
    parts: tuple[str, ...]
    stopped: str | None
    papers: tuple[str, ...] = ()
