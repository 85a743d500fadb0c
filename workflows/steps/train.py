"""Training: one potential, or several members of an ensemble side by side; calibrated where there is data for it.

From scratch, or from a trained surrogate: fine-tuned, with a frozen trunk, or with the old data replayed through a head
of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from surrogates.physics.errors import DomainError
from surrogates.workflows.descent import check_budget, plan_of, progress_hook
from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import (
    Count,
    DataParts,
    Fraction,
    Minutes,
    Model,
    Output,
    Positive,
    TrainedSurrogate,
    Unit,
    Within,
)
from surrogates.workflows.files import read_json, sha256, write_json

_LOSS_PARTS = ("energy", "forces", "stress")
_NEW, _OLD = "new", "pretrained"  # heads of a training with replay


@dataclass(frozen=True)
class Train:
    """Train a potential on the parts `train` and `valid`, calibrate its spread on `calibration`.

    Args:
        data: a step with these parts, or files by these names. model: the potential; elements come from the data.
        start: a trained surrogate to go on from, instead of a model; of an ensemble member k starts from its member k.
        start_head: which head of it, where it has several.
        isolated: energies of isolated atoms of `start`: "keep", "refit" for another level of theory, or by symbol; when
            not given, they are kept if the new energies fit them, and it is an error if not.
        freeze: what of `start` does not train: "nothing", "trunk" (only the readout trains), or a number k (the readout
            and the last k layers train).
        replay: data of the level of `start`, parts `train` and `valid`, that a head of its own goes on learning, so
            that the model forgets nothing; the step's output is the new head, and `pretrained` the old one.
        replay_weight: of the old head in the loss, where the new one has 1.
        members: of the ensemble, trained from different seeds. epochs, steps, minutes: the budget of each, one of them;
            epochs and steps repeat to the bit. batch_size: structures a step. lr: peak learning rate.
        weights: of the loss's parts, in 1/eV^2 (energy), Å^2/eV^2 (forces), Å^6/eV^2 (stress).
        optimizer, weight_decay, schedule, warmup, ema, clip, validations, patience, dtype: see training.Plan.
        learning_curve: shares of the training data on which one more member each is trained, with that share of the
            budget (the same epochs), to see what more data would bring; [] for none.
    """

    PARTS: ClassVar = ("train", "valid", "calibration")

    data: DataParts
    model: Model | None = None
    start: TrainedSurrogate | None = None
    start_head: str | None = None
    isolated: Literal["keep", "refit"] | dict[str, Annotated[float, Unit("eV")]] | None = None
    freeze: Literal["nothing", "trunk"] | Count = "nothing"
    replay: DataParts | None = None
    replay_weight: Positive = 1.0
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
        check_budget(self)
        for name, parts in (("data", self.data), ("replay", self.replay)):
            if isinstance(parts, dict) and "train" not in parts:
                raise ValueError(f"the {name} has no part `train`")
        self._check_start()
        strange = [word for word in self.weights if word not in _LOSS_PARTS]
        if strange or not any(self.weights.values()):
            what = f"weights name {strange[0]!r}" if strange else "all weights are 0"
            raise ValueError(f"{what}; the loss has {', '.join(_LOSS_PARTS)}")

    def _check_start(self) -> None:
        if (self.model is None) == (self.start is None):
            raise ValueError("give one of model and start: a new potential, or a trained surrogate to go on from")
        only = ("start_head", "isolated", "replay")
        given = [name for name in only if getattr(self, name) is not None] + ["freeze"] * (self.freeze != "nothing")
        if self.start is None and given:
            raise ValueError(f"`{given[0]}` is for going on from a trained surrogate; name it with `start:`")

    def outputs(self) -> dict[str, Output]:
        old = {_OLD: Output("surrogate", f"{_OLD}.safetensors")} if self.replay is not None else {}
        return {"": Output("surrogate", "potential.safetensors"), **old}

    def jobs(self) -> list[str]:
        shares = range(len(self.learning_curve)) if self._has_valid() else ()
        return [*(f"member-{k}" for k in range(self.members)), *(f"curve-{k}" for k in shares)]

    def work(self, job: str, desk: Desk) -> None:
        kind, _, number = job.rpartition("-")
        share = self.learning_curve[int(number)] if kind == "curve" else 1.0
        self._fit(desk.job_folder(job), desk, 0 if kind == "curve" else int(number), share)

    def _fit(self, folder: Any, desk: Desk, member: int, share: float) -> None:
        """Train one member on a share of the data, spread evenly over it, with that share of the budget."""
        from surrogates.training import FineTune, fit

        seed = 1000 * desk.seed + member
        train, valid = self._part("train"), self._part("valid")
        if share < 1:
            count = max(1, round(share * len(train)))
            train = train[[int((k + 0.5) * len(train) / count) for k in range(count)]]
        begin = self._begin(train, desk, seed, member)
        start = None
        if self.start is not None:
            start = FineTune({_NEW: self.isolated} if self.replay is not None else self.isolated, self.freeze)
        fitted = fit(
            begin,
            self._with_old(train, "train"),
            self._with_old(valid, "valid"),
            plan=plan_of(self, desk, share),
            hooks=[progress_hook(desk)],
            seed=seed,
            directory=folder,
            start=start,
        )
        fitted.save(folder / "member.safetensors")
        write_json(folder / "training.json", fitted.timings)
        new = fitted.head(_NEW) if fitted.heads else fitted
        error = new.evaluate(valid).force_mae if len(valid) else None
        write_json(folder / "curve.json", {"frames": len(train), "force_mae": error})

    def _begin(self, train: Any, desk: Desk, seed: int, member: int) -> Any:
        """What is trained: a new task, or a member of the surrogate to start from, with a second head for replay."""
        from dataclasses import replace

        from surrogates.tasks.energy import EnergyForces
        from surrogates.training import load, with_replay

        if self.start is None:
            return EnergyForces(self._model(train, desk, seed))
        loaded = load(self.start, trust=desk.trust)
        if loaded.heads and self.start_head is None:
            names = ", ".join(loaded.heads)
            raise DomainError(f"{self.start} has the heads {names}; name the one to go on from with start_head")
        loaded = loaded if self.start_head is None else loaded.head(self.start_head)
        one = replace(loaded, members=(loaded.members[member % len(loaded.members)],), spread=None)
        weights = {_NEW: 1.0, _OLD: self.replay_weight}
        return one if self.replay is None else with_replay(one, new=_NEW, replay=_OLD, weights=weights)

    def _with_old(self, data: Any, part: str) -> Any:
        """The data, and beside them those that are replayed."""
        if self.replay is None:
            return data
        found = {_NEW: data, _OLD: self._part(part, self.replay)}
        return {head: rows for head, rows in found.items() if len(rows)}

    def _has_valid(self) -> bool:
        return not isinstance(self.data, dict) or "valid" in self.data

    def finish(self, desk: Desk) -> Trained:
        from surrogates.training import combine, load

        folders = [desk.job_folder(f"member-{k}") for k in range(self.members)]
        fitted = combine([load(folder / "member.safetensors", trust=desk.trust) for folder in folders])
        if fitted.heads:
            fitted.head(_OLD).save(desk.folder / f"{_OLD}.safetensors")
            fitted = fitted.head(_NEW)
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
            frozen=facts.get("parameters", {}).get("frozen", 0),
            heads=tuple(facts["data"].get("heads", {})),
            isolated=_isolated(facts.get("start", {}).get("isolated", {})),
        )

    def _curve(self, desk: Desk) -> list[CurvePoint]:
        """Validation error by training frames, the smallest share first, the members last."""
        jobs = sorted(self.jobs(), key=lambda job: job.startswith("member"))
        rows = [read_json(desk.job_folder(job) / "curve.json") or {} for job in jobs]
        return [CurvePoint(r["frames"], r["force_mae"]) for r in rows if r.get("force_mae") is not None]

    def _part(self, name: str, parts: Any = None) -> Any:
        from surrogates.workflows.inputs import read_data

        parts = self.data if parts is None else parts
        assert isinstance(parts, dict)  # links were replaced by paths
        return read_data(parts[name]) if name in parts else ()

    def _model(self, train: Any, desk: Desk, seed: int) -> Any:
        """The potential, its weights drawn from `seed`, for the elements in the data unless the file names others."""
        import inspect

        import torch

        from surrogates.construct import construct, part

        spec = dict(self.model or {})
        if "elements" not in spec and "elements" in inspect.signature(part(spec["use"], desk.trust)).parameters:
            spec["elements"] = list(train.elements)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return construct(spec, desk.trust)


def _isolated(report: dict[str, Any]) -> dict[str, str]:
    """What became of the energies of isolated atoms, in words, by head; "" is the only one."""
    by_head = report if "isolated" not in report else {"": report}
    found = {}
    for head, done in by_head.items():
        moved = [f"{symbol} {old:.3f} -> {new:.3f} eV" for symbol, (old, new) in done.get("moved", {}).items()]
        found[head] = f"{done['isolated']}{': ' if moved else ''}{', '.join(moved)}"
    return found


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
        frozen: weights that did not train. heads: those trained together, the first one is the result. isolated: what
            became of the starting model's energies of isolated atoms, by head, "" where there is one.
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
    frozen: int = 0
    heads: tuple[str, ...] = ()
    isolated: dict[str, str] = field(default_factory=dict)
