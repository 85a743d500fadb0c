"""Training: one potential, or several members of an ensemble side by side; calibrated where there is data for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, DataParts, Fraction, Minutes, Model, Output, Positive, Within
from surrogates.workflows.files import read_json, sha256, write_json

_BUDGETS = ("epochs", "steps", "minutes")
_DESCENT = ("batch_size", "lr", "weights", "optimizer", "weight_decay", "schedule", "warmup", "ema", "clip")
_PLAN = (*_BUDGETS, *_DESCENT, "validations", "patience", "dtype")


@dataclass(frozen=True)
class Train:
    """Train a potential on the parts `train` and `valid`, calibrate its spread on `calibration`.

    Args:
        data: a step with these parts, or files by these names. model: the potential; elements come from the data.
        members: of the ensemble, trained from different seeds. epochs, steps, minutes: the budget of each, one of them;
            epochs and steps repeat to the bit. batch_size: structures a step. lr: peak learning rate.
        weights: of the loss's parts, in 1/eV^2 (energy), Å^2/eV^2 (forces), Å^6/eV^2 (stress).
        optimizer, weight_decay, schedule, warmup, ema, clip, validations, patience, dtype: see training.Plan.
        learning_curve: shares of the training data on which one more member each is trained, with that share of the
            budget (the same epochs), to see what more data would bring; [] for none.
    """

    PARTS: ClassVar = ("train", "valid", "calibration")

    data: DataParts
    model: Model
    members: Count = 1
    epochs: Count | None = None
    steps: Count | None = None
    minutes: Minutes | None = None
    batch_size: Count = 5
    lr: Positive = 0.01
    weights: dict[str, Annotated[float, Within(0)]] = field(
        default_factory=lambda: {"energy": 1.0, "forces": 100.0, "stress": 100.0}
    )
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: Annotated[float, Within(0)] = 0.0
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup: Fraction = 0.0
    ema: Fraction = 0.99
    clip: Positive | None = 10.0
    validations: Count = 20
    patience: Count | None = None
    dtype: Literal["float32", "float64", "bfloat16"] = "float32"
    learning_curve: list[Fraction] = field(default_factory=lambda: [0.125, 0.25])

    def __post_init__(self) -> None:
        given = [name for name in ("epochs", "steps", "minutes") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"the budget has {' and '.join(given) or 'nothing'}; give one of epochs, steps, minutes")
        if isinstance(self.data, dict) and "train" not in self.data:
            raise ValueError("the data has no part `train`")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("surrogate", "potential.safetensors")}

    def jobs(self) -> list[str]:
        shares = range(len(self.learning_curve)) if self._has_valid() else ()
        return [*(f"member-{k}" for k in range(self.members)), *(f"curve-{k}" for k in shares)]

    def work(self, job: str, desk: Desk) -> None:
        kind, _, number = job.rpartition("-")
        share = self.learning_curve[int(number)] if kind == "curve" else 1.0
        self._fit(desk.job_folder(job), desk, 1000 * desk.seed + (0 if kind == "curve" else int(number)), share)

    def _fit(self, folder: Any, desk: Desk, seed: int, share: float) -> None:
        """Train one member on a share of the data, spread evenly over it, with that share of the budget."""
        from surrogates.tasks.energy import EnergyForces
        from surrogates.training import fit

        train, valid = self._part("train"), self._part("valid")
        if share < 1:
            count = max(1, round(share * len(train)))
            train = train[[int((k + 0.5) * len(train) / count) for k in range(count)]]
        task = EnergyForces(self._model(train, desk, seed))
        fitted = fit(
            task, train, valid, plan=self._plan(desk, share), hooks=[self._hook(desk)], seed=seed, directory=folder
        )
        fitted.save(folder / "member.safetensors")
        write_json(folder / "training.json", fitted.timings)
        error = fitted.evaluate(valid).force_mae if len(valid) else None
        write_json(folder / "curve.json", {"frames": len(train), "force_mae": error})

    def _plan(self, desk: Desk, share: float) -> Any:
        from surrogates.training import Plan

        settings = {name: getattr(self, name) for name in _PLAN}
        if settings["minutes"] is not None:
            settings["minutes"] *= share
        if settings["steps"] is not None:
            settings["steps"] = max(1, round(share * settings["steps"]))
        return Plan(**settings, device=desk.device)

    def _has_valid(self) -> bool:
        return not isinstance(self.data, dict) or "valid" in self.data

    def finish(self, desk: Desk) -> Trained:
        from surrogates.training import combine, load

        folders = [desk.job_folder(f"member-{k}") for k in range(self.members)]
        fitted = combine([load(folder / "member.safetensors", trust=desk.trust) for folder in folders])
        calibration = self._part("calibration")
        if len(calibration):  # with too few there is no spread, and the verdict says so
            fitted = fitted.calibrate(calibration, self._part("train"))
        fitted.save(desk.folder / "potential.safetensors")
        write_json(desk.folder / "history.json", [dict(row) for row in fitted.history])
        return self._result(fitted, len(calibration), desk)

    def _result(self, fitted: Any, calibration: int, desk: Desk) -> Trained:
        facts = fitted.provenance
        steps = facts["steps"] if isinstance(facts["steps"], list) else [facts["steps"]]
        return Trained(
            file="potential.safetensors",
            digest=sha256(desk.folder / "potential.safetensors"),
            history="history.json",
            members=len(fitted.members),
            parameters=sum(p.numel() for p in fitted.members[0].parameters()),
            steps=tuple(steps),
            stopped=facts["stopped"],
            train=len(self._part("train")),
            valid=len(self._part("valid")),
            calibration=calibration,
            elements=tuple(fitted.elements),
            papers=tuple(facts["papers"]),
            curve=tuple(self._curve(desk)),
        )

    def _curve(self, desk: Desk) -> list[CurvePoint]:
        """Validation error by training frames, the smallest share first, the members last."""
        jobs = sorted(self.jobs(), key=lambda job: job.startswith("member"))
        rows = [read_json(desk.job_folder(job) / "curve.json") or {} for job in jobs]
        return [CurvePoint(r["frames"], r["force_mae"]) for r in rows if r.get("force_mae") is not None]

    def _part(self, name: str) -> Any:
        from surrogates.workflows.inputs import read_data

        assert isinstance(self.data, dict)  # links were replaced by paths
        return read_data(self.data[name]) if name in self.data else ()

    def _model(self, train: Any, desk: Desk, seed: int) -> Any:
        """The potential, its weights drawn from `seed`, for the elements in the data unless the file names others."""
        import inspect

        import torch

        from surrogates.construct import construct, part

        spec = dict(self.model)
        if "elements" not in spec and "elements" in inspect.signature(part(spec["use"], desk.trust)).parameters:
            spec["elements"] = list(train.elements)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return construct(spec, desk.trust)

    def _hook(self, desk: Desk) -> Any:
        def hook(state: Any) -> None:
            unit = f"% of the budget, step {state.step}, loss {state.loss:.3g}"
            desk.progress(round(100 * min(state.fraction, 1.0), 1), 100, unit)

        return hook


@dataclass(frozen=True)
class CurvePoint:
    """A point of the learning curve: training `frames`, and the error on the validation part, `force_mae`, in eV/Å."""

    frames: int
    force_mae: float


@dataclass(frozen=True)
class Trained:
    """A trained surrogate.

    Args:
        file, digest: the checkpoint and its SHA-256. history: losses by epoch and validation.
        members, parameters: how many, and weights in each. steps: that each member made. stopped: why before its
            budget's end, None where it was not. train, valid, calibration: structures of each part.
        elements: atomic numbers. papers: titles of the methods. curve: validation error by training frames.
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
    elements: tuple[int, ...]
    papers: tuple[str, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
