"""Calibrated bands around fields predicted on meshes, wide where the error is expected to be large.

Papers: Distribution-Free Predictive Inference for Regression (arXiv:1604.04173), section 5.2, locally weighted bands;
Distribution-free inference with hierarchical data (arXiv:2306.06342), for nodes that come in meshes.

Half-width at a node = factor * expected |error|, a log-linear function of signs of trouble (`mesh_signals`,
`error_scale`): how far the members disagree, how steep and large the field is, how coarse the mesh, how near the border
and the tagged sets are. One third of the calibration meshes fits it, the others give the factors. Single predictions
are one class, steps of a rollout others, each with its own factor (Conditional validity of inductive conformal
predictors, arXiv:1209.2673). Meshes of one group count as one. What is prescribed has no error and no band.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.blocks.quantile import group_quantile, least_groups
from surrogates.datasets import MeshSample
from surrogates.evaluation.coverage import LEVEL, radius
from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.tasks.mesh_windows import MeshWindow
from surrogates.uncertainty.error_scale import ErrorScale, fit_error_scale
from surrogates.uncertainty.field_spread import FieldBand
from surrogates.uncertainty.mesh_domain import MeshDomain
from surrogates.uncertainty.mesh_ensemble import answers
from surrogates.uncertainty.mesh_signals import MeshSignals

POINTS = 400  # values drawn of each field from each calibration mesh (a class)
PLACES = 4  # windows of each calibration mesh that give single predictions
STEPS = (1, 2, 3, 5, 8, 12, 18, 27, 40, 50)  # of a rollout that are classes
RIDGE = 30.0


class UnlikeTraining(SurrogatesWarning):
    """Meshes are unlike the training data, so that errors may be larger than their bands say."""


@dataclass(frozen=True)
class MeshSpread:
    """Task on meshes whose `predict(spread=True)` brings calibrated standard deviations.

    Args:
        members: the trained tasks; their mean predicts. bands: by field, a class for single predictions and one for
            each step of `steps` in a rollout. signals: what the bands are made of. domain: detector of meshes unlike
            the training data. level: what the bands hold. 90 % of errors lie within 1.64 std at 0.9, as for a Gaussian.
    """

    members: tuple[Any, ...]
    bands: dict[str, FieldBand]
    signals: MeshSignals
    domain: MeshDomain
    steps: tuple[int, ...] = ()
    level: float = LEVEL

    def predict(self, data: Any, *, spread: bool = False) -> Any:
        """Mean of the members; `spread` adds the calibrated standard deviations. Warns (UnlikeTraining) of foreign
        meshes."""
        first, found, foreign = self.members[0], [], []
        for windows in first.batches(data):
            said = answers(self.members, windows)
            std = self.std(said, windows) if spread else None
            found += first.told_as(windows, torch.stack(said).mean(dim=0), std)
            foreign += [(w, why) for w in windows if (why := self.domain.foreign(first, w)) is not None]
        if foreign:
            window, why = foreign[0]
            name = "the mesh" if window.row < 0 else f"mesh {window.row}"
            warnings.warn(
                f"{len(foreign)} of {len(found)} meshes are unlike the training data, the first {name}: {why}; errors "
                "may be larger than the bands say",
                UnlikeTraining,
                stacklevel=3,
            )
        return found[0] if isinstance(data, MeshSample | MeshWindow) else found

    def std(self, said: Sequence[Tensor], windows: Sequence[MeshWindow], step: int = 0) -> Tensor:
        """Standard deviations (nodes, targets) of what members said of a batch; `step` of a rollout from 1, else 0."""
        layout, task, begin = self.members[0].target_layout, self.members[0], 0
        kind = class_of(step, self.steps)
        parts = []
        for window in windows:
            rows = slice(begin, begin + len(window.sample))
            begin = rows.stop
            table = self.signals([s[rows] for s in said], window.sample)
            found = torch.zeros(table.shape[:2], dtype=torch.float64)
            for name, band in self.bands.items():
                index = layout.index(name)
                part = table[:, index]
                width = band(part.reshape(-1, part.shape[-1]), kind).reshape(part.shape[:2])
                found[:, index] = width / radius(self.level, 1)
            free = task.prescribed.free(window.sample, layout) if task.prescribed else None
            parts.append(found if free is None else found * torch.from_numpy(free))
        return torch.cat(parts)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `restore` makes the same spread around the same members."""
        tensors, domain = self.domain.state()
        tensors = {f"domain.{name}": t for name, t in tensors.items()}
        plain: dict[str, Any] = {"kind": "mesh conformal", "level": self.level, "domain": domain, "fields": {}}
        plain |= {"tags": list(self.signals.tags), "steps": list(self.steps)}
        for k, (name, band) in enumerate(self.bands.items()):
            plain["fields"][name] = {"factor": band.factor.tolist(), "offset": band.scale.offset, "at": k}
            tensors |= {f"band.{k}.{part}": getattr(band.scale, part) for part in ("classes", "power", "low")}
        return tensors, plain


def restore(members: Sequence[Any], tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> MeshSpread:
    """The spread that `state` described."""
    domain = MeshDomain.from_state({n[7:]: t for n, t in tensors.items() if n.startswith("domain.")}, plain["domain"])
    bands = {}
    for name, facts in plain["fields"].items():
        parts = [tensors[f"band.{int(facts['at'])}.{part}"] for part in ("classes", "power", "low")]
        factor = torch.tensor(facts["factor"], dtype=torch.float64)
        bands[name] = FieldBand(ErrorScale(float(facts["offset"]), *parts), factor)
    signals = MeshSignals(tuple(plain["tags"]))
    return MeshSpread(tuple(members), bands, signals, domain, tuple(plain["steps"]), float(plain["level"]))


def class_of(step: int, steps: Sequence[int]) -> int:
    """The class of a step of a rollout (0: a single prediction): that of the next calibrated step, at most the last."""
    return 0 if step == 0 else 1 + min(int(np.searchsorted(steps, step)), len(steps) - 1)


def calibrate(members: Any, train: Any, calibration: Any, *, level: float = LEVEL) -> MeshSpread:
    """Learn how far `members` (one task or several) may be trusted, from meshes they have not seen.

    A task of steps is rolled out for up to 50 of them, each member on its own. Raises DomainError when there are too
    few meshes.
    """
    members = tuple(members) if isinstance(members, list | tuple) else tuple(getattr(members, "members", (members,)))
    group = groups_of(calibration)
    count = int(group.max()) + 1 if len(group) else 0
    if count < 2 * least_groups(level) + 2:
        raise _too_few(count, level)
    data = getattr(train, "data", train)
    domain = MeshDomain.fit(members[0], data if data is not None and len(data) else calibration, calibration)
    signals = MeshSignals(tuple(members[0].facts.tags))
    tables: dict[str, list[tuple[Tensor, ...]]] = {}
    seen = _Drawn(members, signals)
    reached: set[int] = set()
    for name, step, signs, missed, row in seen.observations(calibration):
        if not bool(missed.isfinite().all() & signs.isfinite().all()):
            raise DomainError(
                f"errors of {name} on calibration mesh {row} are not finite (step {step} of a rollout, 0 for none): "
                "the surrogate diverges there; train it better, with noise for one, or leave the mesh out"
            )
        reached.add(step)
        columns = (signs, torch.full((len(signs),), step), missed, torch.full((len(signs),), int(group[row])))
        tables.setdefault(name, []).append(columns)
    steps = tuple(sorted(reached - {0}))
    bands = {}
    for name, parts in tables.items():
        rows, when, error, sample = (torch.cat(column) for column in zip(*parts, strict=True))
        kind = torch.tensor([class_of(int(s), steps) for s in when.tolist()])
        found = _band(rows, kind, error, sample, 1 + len(steps), level)
        if found is None:
            raise _too_few(count, level)
        bands[name] = found
    return MeshSpread(members, bands, signals, domain, steps, level)


def _band(rows: Tensor, kind: Tensor, error: Tensor, sample: Tensor, classes: int, level: float) -> FieldBand | None:
    """Fit on a third of the groups, factors from the others; None where there are too few of them."""
    first = sample % 3 == 0
    scale = fit_error_scale(rows[first], kind[first], error[first], classes=classes, ridge=RIDGE)
    ratio = error / scale(rows, kind)
    factors: list[float] = []
    for k in range(classes):
        here = ~first & (kind == k)
        found = group_quantile(ratio[here], sample[here], level) if bool(here.any()) else math.inf
        if not math.isfinite(found) and k <= 1:
            return None
        factors.append(found if math.isfinite(found) else 1.5 * factors[-1])  # few rollouts are as long: at a guess
    return FieldBand(scale, torch.tensor(factors, dtype=torch.float64))


def groups_of(data: Any) -> Tensor:
    """Which independent group each mesh belongs to, 0, 1, ...: its `group`, else its design."""
    known: dict[str, int] = {}
    each = (data[k] for k in range(len(data)))
    names = [s.group or "/" + hashlib.sha256(np.ascontiguousarray(s.points).tobytes()).hexdigest() for s in each]
    return torch.tensor([known.setdefault(name, len(known)) for name in names], dtype=torch.long)


Observed = tuple[str, int, Tensor, Tensor, int]  # field, step, signals (n, count), |error| (n,), mesh


class _Drawn:
    """Errors and signs at random free values of calibration meshes."""

    def __init__(self, members: Sequence[Any], signals: MeshSignals) -> None:
        self.members, self.signals, self.task = members, signals, members[0]
        self.generator = torch.Generator().manual_seed(0)

    def observations(self, data: Any) -> Iterator[Observed]:
        """Single predictions (step 0) at some places of each mesh, and steps of rollouts from their first frame."""
        for row in range(len(data)):
            windows = self.task.gather([data[row]])
            places = [windows[int(k)] for k in np.unique(np.linspace(0, len(windows) - 1, PLACES).round())]
            for window in places:
                said = answers(self.members, next(iter(self.task.batches([window]))))
                truth = self.task.target_layout.pack(window.sample, window.t)
                yield from self._draw(said, window, torch.from_numpy(truth), 0, row)
            if self.task.relative:
                yield from self._rollout(windows[0], row)

    def _rollout(self, window: MeshWindow, row: int) -> Iterator[Observed]:
        states, task = None, self.task
        for step in range(1, STEPS[-1] + 1):
            here = MeshWindow(window.sample, window.t + (step - 1) * task.stride, row)
            if here.t + task.span[1] > len(window.sample.times):
                return
            batches = [m.collate([here], targets=False).to(m.target_scale.device) for m in self.members]
            states = [b.values for b in batches] if states is None else states
            with torch.no_grad():
                said = [m.known(m.step(v, b.graph), b) for m, v, b in zip(self.members, states, batches, strict=True)]
            if step in STEPS:
                truth = torch.from_numpy(task.target_layout.pack(here.sample, here.t))
                yield from self._draw([s.double().cpu() for s in said], here, truth, step, row)
            states = [m.advance(v, s) for m, v, s in zip(self.members, states, said, strict=True)]

    def _draw(self, said: list[Tensor], window: MeshWindow, truth: Tensor, step: int, row: int) -> Iterator[Observed]:
        layout, task = self.task.target_layout, self.task
        table = self.signals(said, window.sample)
        error = (torch.stack(said).mean(dim=0) - truth).abs()
        free = torch.from_numpy(task.prescribed.free(window.sample, layout))
        for name in layout.names:
            index = layout.index(name)
            open_ = free[:, index].nonzero()
            if not len(open_):
                continue
            count = max(20, POINTS // PLACES) if step == 0 else POINTS
            chosen = open_[torch.randint(len(open_), (count,), generator=self.generator)]
            node, column = chosen[:, 0], torch.tensor(index)[chosen[:, 1]]
            yield name, step, table[node, column], error[node, column], row


def _too_few(count: int, level: float) -> DomainError:
    return DomainError(
        f"{count} independent calibration meshes cannot support a {100 * level:g} % band; give at least "
        f"{2 * least_groups(level) + 2}, by a larger share of the split or more data"
    )
