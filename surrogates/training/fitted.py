"""What training gives: a task that predicts, where it came from, and how far to trust it."""

from __future__ import annotations

import inspect
import math
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates import uncertainty
from surrogates.evaluation.metrics import with_spread
from surrogates.physics.errors import SurrogatesWarning, TrainingError
from surrogates.tasks.multi_head import HeadScores
from surrogates.training.plan import Plan

_PACKAGES = ("torch", "e3nn", "ase", "numpy", "vesin")


class NoSpread(SurrogatesWarning):
    """There were too few calibration structures for a spread."""


class SeenInTraining(SurrogatesWarning):
    """Data that should be new to the model are among its training data."""


@dataclass(frozen=True)
class Fitted:
    """One trained task, or several members of an ensemble; a Surrogate.

    Args:
        members: the trained tasks.
        provenance: data hash and labels, seeds, plan, steps made, parameters trained and frozen, package versions,
            papers; of a fine-tuning also `start` (what became of isolated atoms) and `parent`: plain JSON.
        history: rows by epoch (step, lr, mean loss and its unweighted parts) and by validation (`valid`, `valid.PART`);
            parts of several heads are named `head.loss`, `head.energy`, ...; `member` too when there are several.
        spread: the calibrated spread, None until `calibrate`.
        scores: results of evaluations worth keeping in the file, by name: plain JSON.
        train_rows: first 8 bytes of each training row's hash, so that test rows among them are found.
        timings: of the training just done: `seconds`, `steps`, and `validations` as [step, seconds]; not in files.
        train_data: the training set just used, which `calibrate` needs; not written to files.
    """

    members: tuple[Any, ...]
    provenance: dict[str, Any]
    history: tuple[dict[str, float | int], ...] = ()
    spread: uncertainty.AnySpread | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    train_rows: Tensor | None = field(default=None, repr=False)
    timings: dict[str, Any] = field(default_factory=dict, compare=False)
    train_data: Any = field(default=None, repr=False, compare=False)

    @property
    def task(self) -> Any:
        """The trained task, or an Ensemble of the members."""
        return self.members[0] if len(self.members) == 1 else uncertainty.ensemble_of(self.members)

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads of a MultiHead task, () of a task of one head."""
        return tuple(getattr(self.members[0], "names", ()))

    def head(self, name: str) -> Fitted:
        """The members' head `name`: a surrogate like any other, to calibrate, save and simulate with.

        It keeps the history of all heads and knows the training rows of all, since they shaped the common trunk.
        Raises TrainingError for a surrogate without heads, DomainError for an unknown name.
        """
        if not self.heads:
            raise TrainingError(f"this surrogate has one head only, so there is no head {name!r}; use it as it is")
        parts = getattr(self.train_data, "parts", {})
        return replace(
            self,
            members=tuple(member.head(name) for member in self.members),
            provenance=self.provenance | {"head": name},
            spread=None,
            train_data=parts.get(name),
        )

    @property
    def domain(self) -> Any:
        """Detector of inputs unlike the training data, None until `calibrate`."""
        return None if self.spread is None else self.spread.domain

    @property
    def r_max(self) -> float:
        """Longest cutoff of the members, Å."""
        return max(float(member.r_max) for member in self.members)

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that the model knows, () for any."""
        return tuple(self.members[0].elements)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.members[0].parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return next(self.members[0].parameters()).dtype

    def predict(self, inputs: Any, *, spread: bool = False, **asked: bool) -> Any:
        """What the task says of a batch; `spread` adds calibrated standard deviations, None before `calibrate`."""
        if self.spread is not None:
            return self.spread.predict(inputs, spread=spread, **asked)
        return self.task.predict(inputs, **asked)

    def hessian(self, atoms: Any) -> Tensor:
        """Second derivatives of the energy, (3N, 3N) in eV/Å^2."""
        return self.task.hessian(atoms)

    def evaluate(self, data: Any) -> Any:
        """Scores on held-out data, with coverage of the spread if there is one; warns of rows trained on.

        Of several heads: {head: data} gives scores by head.
        """
        if self.heads:
            parts = self.members[0].gather(data).parts
            return HeadScores({name: self.head(name).evaluate(part) for name, part in parts.items()})
        shared = self.seen(data)
        if shared:
            text = (
                f"{len(shared)} of {len(data)} rows ({shared[:5]}...) were trained on; scores on them tell nothing new"
            )
            warnings.warn(text, SeenInTraining, stacklevel=2)

        def predict(inputs: Any, **asked: bool) -> Any:
            return self.predict(inputs, spread=self.spread is not None, **asked)

        return with_spread(self.members[0].evaluate(data, predict=predict))

    def calibrate(self, calibration: Any, train: Any = None) -> Fitted:
        """The same surrogate with a spread calibrated on data that training has not seen.

        `train` is needed after loading from a file only. Raises TrainingError for rows that were trained on. With too
        few structures to calibrate on, a `NoSpread` warning says so and the surrogate comes back as it was, since
        what was trained is worth keeping.
        """
        if self.heads:
            raise TrainingError(
                f"each head has errors of its own; calibrate one, fitted.head({self.heads[0]!r}).calibrate(...)"
            )
        shared = self.seen(calibration)
        if shared:
            raise TrainingError(
                f"{len(shared)} calibration rows ({shared[:5]}...) were trained on, so their errors say nothing; "
                "calibrate on a part of the data kept apart"
            )
        count = uncertainty.independent(self.members, calibration)
        if count < uncertainty.least_structures():
            text = f"{count} independent calibration samples are too few for a spread: there is none; give at least"
            warnings.warn(f"{text} {uncertainty.least_structures()}", NoSpread, stacklevel=2)
            return self
        data = self.train_data if train is None else train
        return replace(self, spread=uncertainty.calibrate(self.members, data, calibration))

    def seen(self, data: Any) -> list[int]:
        """Rows of `data` that are among the training rows."""
        if self.train_rows is None or not hasattr(data, "row_hashes"):
            return []
        known = {bytes(row) for row in self.train_rows.numpy()}
        return [i for i, row in enumerate(_digests(data)) if bytes(row) in known]

    def with_scores(self, **scores: Any) -> Fitted:
        """The same surrogate with results of `evaluate` noted under their names, to be saved with it."""
        return replace(self, scores=self.scores | {name: _noted(s) for name, s in scores.items()})

    def save(self, path: str | Path) -> Path:
        """Write one checkpoint file, atomically; returns its path."""
        from surrogates.training.checkpoint import save

        return save(self, path)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Fitted:
        """The same surrogate elsewhere or in another precision; the members are moved in place."""
        for member in self.members:
            member.to(device=device, dtype=dtype)
        if self.spread is None:
            return self
        tensors, plain = self.spread.state()
        return replace(self, spread=uncertainty.restore(self.members, tensors, plain))


def combine(members: Sequence[Fitted]) -> Fitted:
    """An ensemble of surrogates that were trained on the same data from different seeds."""
    first = members[0]
    hashes = {m.provenance["data"]["hash"] for m in members}
    if len(hashes) > 1:
        raise TrainingError("the members were trained on different data; an ensemble's members share theirs")
    history = [{"member": k, **row} for k, m in enumerate(members) for row in m.history]
    seeds = [seed for m in members for seed in m.provenance["seeds"]]
    facts = first.provenance | {
        "seeds": seeds,
        "steps": [m.provenance["steps"] for m in members],
        "stopped": next((m.provenance["stopped"] for m in members if m.provenance["stopped"]), None),
    }
    timings = {"seconds": sum(m.timings.get("seconds", 0.0) for m in members)}
    return replace(
        first,
        members=tuple(task for m in members for task in m.members),
        provenance=facts,
        history=tuple(history),
        spread=None,
        timings=timings,
    )


def provenance(task: Any, train: Any, plan: Plan, seed: int) -> dict[str, Any]:
    """Where a training came from, as JSON."""
    data = {"hash": getattr(train, "hash", None), "rows": len(train)}
    if hasattr(train[0], "charge"):
        data["charges"] = sorted({float(train[i].charge) for i in range(len(train))})
    if hasattr(train, "parts"):
        data["heads"] = {n: {"hash": getattr(p, "hash", None), "rows": len(p)} for n, p in train.parts.items()}
    settings = {**asdict(plan), "weights": dict(plan.weights or {})}
    return {"data": data, "seeds": [seed], "plan": settings, "versions": versions(), "papers": papers(task)}


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of those that decide its numbers."""
    from surrogates import __version__

    found = {"python": sys.version.split()[0], "surrogates": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def papers(task: Any) -> list[str]:
    """Titles of the papers that the task's parts implement: first docstring lines of their files that cite one."""
    files = {type(module).__module__: None for module in task.modules()}
    lines = ((inspect.getdoc(sys.modules[name]) or "").split("\n")[0] for name in files)
    return [line for line in lines if re.search(r"arXiv|doi", line, re.IGNORECASE)]


def row_digests(data: Any) -> Tensor | None:
    """First 8 bytes of each row's hash, (rows, 8) uint8; None for data without row hashes."""
    return torch.from_numpy(_digests(data)) if hasattr(data, "row_hashes") else None


def _digests(data: Any) -> np.ndarray:
    rows = [bytes.fromhex(name)[:8] for name in data.row_hashes()]
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, 8).copy()


def plain(value: Any) -> Any:
    """Mappings and sequences as plain dicts and lists, for JSON."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def _noted(scores: Any) -> Any:
    """Scores as JSON: per-sample arrays are left out, and what is no finite number becomes None."""
    if not is_dataclass(scores) or isinstance(scores, type):
        return scores
    values = asdict(replace(scores, arrays={}) if hasattr(scores, "arrays") else scores)
    return _finite(plain({name: value for name, value in values.items() if name != "arrays"}))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
