"""Training of an operator on fields, or of the members of an ensemble side by side; calibrated where data is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from surrogates.physics.errors import DomainError
from surrogates.selection import parse_all
from surrogates.workflows.descent import check_budget, plan_of, progress_hook
from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import (
    Count,
    FieldParts,
    Fraction,
    Minutes,
    OperatorModel,
    Output,
    Positive,
    Within,
)
from surrogates.workflows.files import read_json, sha256, write_json

FILE = "operator.safetensors"


@dataclass(frozen=True)
class TrainOperator:
    """Train an operator on the parts `train` and `valid`, calibrate its bands on `calibration`.

    Args:
        data: a step with these parts, or files by these names. model: the operator.
        input, target: what goes in and comes out, such as "u[0]" and "u[-1]", "a" and "u", or, for one step of a
            rollout from any time, "u[t-9:t+1]" and "u[t+1]".
        parameters: of the data that the model is told, such as nu. conserve: fields whose mean stays as it was.
        loss: "relative_l2", "relative_h1" or "mean_squared". unroll: steps that the loss goes through; through: whether
            the gradient runs through "all" of them or the "last" one only (the pushforward trick).
        every: train on each n-th grid point along every axis.
        members: of the ensemble, trained from different seeds. epochs, steps, minutes: the budget of each, one of them;
            epochs and steps repeat to the bit. batch_size: samples a step. lr: peak learning rate.
        weights: of the fields in the loss, 1 unless given.
        optimizer, weight_decay, schedule, warmup, ema, clip, validations, patience, dtype: see training.Plan.
        learning_curve: shares of the training data on which one more member each is trained, with that share of the
            budget (the same epochs), to see what more data would bring; [] for none.
    """

    PARTS: ClassVar = ("train", "valid", "calibration")

    data: FieldParts
    model: OperatorModel
    input: str | list[str]
    target: str | list[str]
    parameters: list[str] = field(default_factory=list)
    conserve: list[str] = field(default_factory=list)
    loss: Literal["relative_l2", "relative_h1", "mean_squared"] = "relative_l2"
    unroll: Count = 1
    through: Literal["all", "last"] = "all"
    every: Count = 1
    members: Count = 1
    epochs: Count | None = None
    steps: Count | None = None
    minutes: Minutes | None = None
    batch_size: Count = 20
    lr: Positive = 1e-3
    weights: dict[str, Annotated[float, Within(0)]] | None = None
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: Annotated[float, Within(0)] = 1e-4
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup: Fraction = 0.0
    ema: Fraction = 0.99
    clip: Positive | None = None
    validations: Count = 20
    patience: Count | None = None
    dtype: Literal["float32", "float64", "bfloat16"] = "float32"
    learning_curve: list[Fraction] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_budget(self)
        if isinstance(self.data, dict) and "train" not in self.data:
            raise ValueError("the data has no part `train`")
        try:
            parse_all(self.input), parse_all(self.target)
        except DomainError as error:  # of the file, before anything runs
            raise ValueError(str(error)) from error

    def outputs(self) -> dict[str, Output]:
        return {"": Output("operator", FILE)}

    def jobs(self) -> list[str]:
        curve = range(len(self.learning_curve)) if "valid" in self.data else ()
        return [*(f"member-{k}" for k in range(self.members)), *(f"curve-{k}" for k in curve)]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.training import fit

        kind, _, number = job.rpartition("-")
        share = self.learning_curve[int(number)] if kind == "curve" else 1.0
        seed = 1000 * desk.seed + (0 if kind == "curve" else int(number))
        folder, train, valid = desk.job_folder(job), self._part("train"), self._part("valid")
        if share < 1:
            count = max(1, round(share * len(train)))
            train = train[[int((k + 0.5) * len(train) / count) for k in range(count)]]
        task = self._task(desk, seed)
        plan = plan_of(self, desk, share)
        fitted = fit(task, train, valid, plan=plan, hooks=[progress_hook(desk)], seed=seed, directory=folder)
        fitted.save(folder / "member.safetensors")
        write_json(folder / "training.json", fitted.timings)
        error = fitted.evaluate(valid).relative_l2 if len(valid) else None
        write_json(folder / "curve.json", {"samples": len(train), "error": error})

    def _task(self, desk: Desk, seed: int) -> Any:
        """The task with a new model, its weights drawn from `seed`."""
        import torch

        from surrogates.construct import construct
        from surrogates.tasks.operator_map import OperatorMap

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return OperatorMap(
                construct(self.model, desk.trust),
                input=self.input,
                target=self.target,
                parameters=self.parameters,
                loss=self.loss,
                unroll=self.unroll,
                through=self.through,
                conserve=self.conserve,
            )

    def finish(self, desk: Desk) -> TrainedOperator:
        from surrogates.training import combine, load

        folders = [desk.job_folder(f"member-{k}") for k in range(self.members)]
        fitted = combine([load(folder / "member.safetensors", trust=desk.trust) for folder in folders])
        calibration = self._part("calibration")
        if len(calibration):  # with too few there is no spread, and the verdict says so
            fitted = fitted.calibrate(calibration, self._part("train"))
        fitted.save(desk.folder / FILE)
        write_json(desk.folder / "history.json", [dict(row) for row in fitted.history])
        facts = fitted.provenance
        return TrainedOperator(
            file=FILE,
            digest=sha256(desk.folder / FILE),
            history="history.json",
            members=len(fitted.members),
            parameters=sum(p.numel() for p in fitted.members[0].parameters()),
            steps=tuple(facts["steps"] if isinstance(facts["steps"], list) else [facts["steps"]]),
            stopped=facts["stopped"],
            train=len(self._part("train")),
            valid=len(self._part("valid")),
            calibration=len(calibration),
            papers=tuple(facts["papers"]),
            curve=tuple(self._curve(desk)),
        )

    def _curve(self, desk: Desk) -> list[ErrorAt]:
        """Validation error by training samples, the smallest share first, the members last."""
        jobs = sorted(self.jobs(), key=lambda job: job.startswith("member"))
        rows = [read_json(desk.job_folder(job) / "curve.json") or {} for job in jobs]
        return [ErrorAt(r["samples"], r["error"]) for r in rows if r.get("error") is not None]

    def _part(self, name: str) -> Any:
        from surrogates.workflows.field_inputs import field_data

        assert isinstance(self.data, dict)  # links were replaced by paths
        return field_data(self.data[name], self.every) if name in self.data else ()


@dataclass(frozen=True)
class ErrorAt:
    """A point of the learning curve: training `samples`, and the relative L2 `error` on the validation part."""

    samples: int
    error: float


@dataclass(frozen=True)
class TrainedOperator:
    """A trained operator.

    Args:
        file, digest: the checkpoint and its SHA-256. history: losses by epoch and validation.
        members, parameters: how many, and weights in each. steps: that each member made. stopped: why before its
            budget's end, None where it was not. train, valid, calibration: trajectories of each part.
        papers: titles of the methods. curve: validation error by training samples.
    """

    file: str
    digest: str
    history: str
    members: int
    parameters: int
    steps: tuple[int, ...]
    stopped: str | None
    train: int
    valid: int
    calibration: int
    papers: tuple[str, ...] = ()
    curve: tuple[ErrorAt, ...] = ()
