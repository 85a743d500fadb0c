"""Calibrated bands around predicted fields, wide where the error is expected to be large.

Papers: Distribution-Free Predictive Inference for Regression (arXiv:1604.04173), section 5.2, locally weighted bands;
Distribution-free inference with hierarchical data (arXiv:2306.06342), for points that come in trajectories.

Half-width at a point = factor * expected |error|, where the expected error is a log-linear function of signs of trouble
(`error_scale`): how far the members disagree there and on the whole sample, how steep the predicted field is there and
how large it is on the whole sample. One third of the calibration trajectories fits it, the others give the factors.
Single predictions are one class; in a rollout every step is a class of its own. Each class has its own factor, so each
keeps the promise by itself (Conditional validity of inductive conformal predictors, arXiv:1209.2673), and bands grow as
errors do. Trajectories of one group count as one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.blocks.quantile import group_quantile, least_groups
from surrogates.evaluation.coverage import LEVEL, radius
from surrogates.physics.errors import DomainError
from surrogates.tasks.operator_map import FieldResult
from surrogates.uncertainty.error_scale import ErrorScale, fit_error_scale
from surrogates.uncertainty.field_domain import FieldDomain

POINTS = 400  # values drawn from each frame of a calibration trajectory
RIDGE = 30.0
SIGNALS = 4


@dataclass(frozen=True)
class FieldBand:
    """Half-width = factor[class] * scale(signals): holds `level` of the errors of a random value of a new trajectory,
    of single predictions (class 0) and of each step (1 + step) by itself."""

    scale: ErrorScale
    factor: Float[Tensor, "classes"]

    def __call__(self, signals: Tensor, kind: int) -> Tensor:
        """Half-widths (n,); a step beyond those calibrated counts as the last one."""
        known = min(kind, len(self.scale.classes) - 1)
        kinds = torch.full((len(signals),), known, device=signals.device)
        return float(self.factor[known]) * self.scale(signals, kinds)


@dataclass(frozen=True)
class FieldSpread:
    """Operator whose `predict(spread=True)` brings calibrated standard deviations.

    Args:
        members: the trained tasks; their mean predicts. bands: by field. domain: detector of inputs unlike the training
            data. level: what the bands hold. 90 % of errors lie within 1.64 std at 0.9, as for a Gaussian.
    """

    members: tuple[Any, ...]
    bands: dict[str, FieldBand]
    domain: FieldDomain
    level: float = LEVEL

    def predict(self, data: Any, *, spread: bool = False) -> FieldResult:
        """Mean of the members; `spread` adds the calibrated standard deviations."""
        results = [member.predict(data).fields for member in self.members]
        return self.around(results, self.members[0].dim, spread=spread)

    def around(
        self, results: Sequence[Mapping[str, Tensor]], dim: int, *, spread: bool = True, step: int | None = None
    ) -> FieldResult:
        """Mean and band of what the members said, fields (batch, frames, *space, *components).

        `step` is that of a rollout, from 0; None for a single prediction.
        """
        stacked = {name: torch.stack([r[name] for r in results]) for name in results[0]}
        mean = {name: values.mean(dim=0) for name, values in stacked.items()}
        if not spread:
            return FieldResult(mean)
        std = {}
        for name, values in stacked.items():
            rows = signals(values, dim)
            kind = 0 if step is None else 1 + step
            band = self.bands[name](rows.reshape(-1, SIGNALS), kind).reshape(rows.shape[:-1])
            std[name] = (band / radius(self.level, 1)).to(mean[name])
        return FieldResult(mean, std)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `restore` makes the same spread around the same members."""
        tensors, domain = self.domain.state()
        tensors = {f"domain.{name}": t for name, t in tensors.items()}
        plain: dict[str, Any] = {"kind": "field conformal", "level": self.level, "domain": domain, "fields": {}}
        for k, (name, band) in enumerate(self.bands.items()):
            plain["fields"][name] = {"factor": band.factor.tolist(), "offset": band.scale.offset, "at": k}
            tensors |= {f"band.{k}.{part}": getattr(band.scale, part) for part in ("classes", "power", "low")}
        return tensors, plain


def restore(members: Sequence[Any], tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> FieldSpread:
    """The spread that `state` described."""
    domain = FieldDomain.from_state({n[7:]: t for n, t in tensors.items() if n.startswith("domain.")}, plain["domain"])
    bands = {}
    for name, facts in plain["fields"].items():
        parts = [tensors[f"band.{int(facts['at'])}.{part}"] for part in ("classes", "power", "low")]
        factor = torch.tensor(facts["factor"], dtype=torch.float64).reshape(-1).expand(len(parts[0]))
        bands[name] = FieldBand(ErrorScale(float(facts["offset"]), *parts), factor)
    return FieldSpread(tuple(members), bands, domain, float(plain["level"]))


def calibrate(members: Any, train: Any, calibration: Any, *, level: float = LEVEL) -> FieldSpread:
    """Learn how far `members` (one task or several) may be trusted, from trajectories they have not seen.

    A task of steps is rolled out to the end of the calibration trajectories, each member on its own. Raises DomainError
    when there are too few trajectories.
    """
    members = tuple(members) if isinstance(members, list | tuple) else tuple(getattr(members, "members", (members,)))
    group = groups_of(calibration)
    count = int(group.max()) + 1 if len(group) else 0
    if count < 2 * least_groups(level) + 2:
        raise _too_few(count, level)
    data = getattr(train, "data", train)
    domain = FieldDomain.fit(members[0], data if data is not None and len(data) else calibration, calibration)
    tables: dict[str, list[tuple[Tensor, ...]]] = {}
    for name, step, signs, missed, row in _observations(members, calibration):
        tables.setdefault(name, []).append((signs, torch.full((len(signs),), step), missed, group[row]))
    bands = {}
    for name, parts in tables.items():
        rows, kind, error, sample = (torch.cat(column) for column in zip(*parts, strict=True))
        if not bool(error.isfinite().all() & rows.isfinite().all()):
            raise DomainError(
                f"errors of {name} on the calibration trajectories are not finite (step {int(kind.max())} of rollouts, "
                "for one); the surrogate diverges, or a value of the data is no number: train it better, or repair them"
            )
        first, classes = sample % 3 == 0, int(kind.max()) + 1
        scale = fit_error_scale(rows[first], kind[first], error[first], classes=classes, ridge=RIDGE)
        ratio = error / scale(rows, kind)
        factors = [
            group_quantile(ratio[here], sample[here], level) for here in (~first & (kind == k) for k in range(classes))
        ]
        if not all(math.isfinite(factor) for factor in factors):
            raise _too_few(count, level)
        bands[name] = FieldBand(scale, torch.tensor(factors, dtype=torch.float64))
    return FieldSpread(members, bands, domain, level)


def groups_of(data: Any) -> Tensor:
    """Which independent group each trajectory belongs to, 0, 1, ...; one without a name of a group is its own."""
    known: dict[str, int] = {}
    names = [t.group or f"/{row}" for row, t in enumerate(data[i] for i in range(len(data)))]
    return torch.tensor([known.setdefault(name, len(known)) for name in names], dtype=torch.long)


def signals(values: Tensor, dim: int) -> Tensor:
    """Signs of trouble of members' fields (members, batch, frames, *space, *components), in a last axis of SIGNALS.

    Disagreement at the point and of the sample, steepness at the point (length of the gradient over the domain's sides,
    which no grid decides), size of the sample. One member does not disagree; constant signals have no part in the fit.
    """
    mean = values.mean(dim=0)
    apart = values.std(dim=0, correction=0) if len(values) > 1 else torch.zeros_like(mean)
    space = tuple(range(2, 2 + dim))
    sides = [a for a in space if mean.shape[a] > 1]
    slopes = [torch.gradient(mean, spacing=1.0 / mean.shape[a], dim=a)[0].square() for a in sides]
    steep = torch.stack(slopes).sum(dim=0) if slopes else torch.zeros_like(mean)
    each = tuple(range(2, mean.dim()))

    def whole(x: Tensor) -> Tensor:
        return x.square().mean(dim=each, keepdim=True).sqrt().expand_as(mean)

    floor = 1e-3 * whole(mean) + 1e-12
    return torch.stack([apart + 1e-2 * whole(apart), whole(apart), steep.sqrt() + floor, whole(mean)], dim=-1)


Observed = tuple[str, int, Tensor, Tensor, Tensor]  # field, class, signals (n, SIGNALS), |error| (n,), trajectory (n,)


def _observations(members: Sequence[Any], data: Any) -> Iterator[Observed]:
    """Single predictions at every place of the trajectories (class 0), and every step of rollouts (class 1 + step)."""
    task, generator = members[0], torch.Generator().manual_seed(0)
    places = len(task.gather(data)) // len(data)
    begun = 0
    for batch in task.batches(data, targets=True):
        with torch.no_grad():
            said = [
                m.step(batch.values.to(m.target_scale), batch.parameters.to(m.target_scale), _there(batch.mask, m))
                for m in members
            ]
        rows = (begun + torch.arange(len(batch.values))) // places
        truth = batch.target[:, : task.target_layout.count]
        yield from _drawn(task, said, truth, 0, rows, max(20, POINTS // places), batch.mask, generator)
        begun += len(batch.values)
    if task.relative:
        yield from _steps(members, data, generator)


def _steps(members: Sequence[Any], data: Any, generator: torch.Generator) -> Iterator[Observed]:
    task, begun = members[0], 0
    for batch in task.rollout_batches(data):
        values = [batch.values.to(task.target_scale)] * len(members)
        rows = begun + torch.arange(len(batch.values))
        for step, truth in enumerate(batch.truths):
            with torch.no_grad():
                said = [
                    m.step(v, batch.parameters.to(v), _there(batch.mask, m))
                    for m, v in zip(members, values, strict=True)
                ]
            yield from _drawn(task, said, truth, 1 + step, rows, POINTS, batch.mask, generator)
            if step + 1 < len(batch.truths):
                values = [task.advance(v, s) for v, s in zip(values, said, strict=True)]
        begun += len(batch.values)


def _there(mask: Tensor | None, task: Any) -> Tensor | None:
    return None if mask is None else mask.to(task.target_scale.device)


def _drawn(
    task: Any,
    said: Sequence[Tensor],
    truth: Tensor,
    kind: int,
    rows: Tensor,
    count: int,
    mask: Tensor | None,
    generator: torch.Generator,
) -> Iterator[Observed]:
    """`count` values of each sample of a batch, drawn at random (inside the mask): signals and errors."""
    fields = [task.target_layout.unpack(s) for s in said]
    for name, target in task.target_layout.unpack(truth).items():
        stacked = torch.stack([f[name] for f in fields])
        table = signals(stacked, task.dim).cpu()
        n, points = len(target), target[0].numel()
        if mask is None:
            chosen = torch.randint(points, (n, min(count, points)), generator=generator)
        else:
            chosen = _inside(min(count, points), mask, task.dim, target, generator)
        error = (stacked.mean(dim=0) - target.to(stacked)).abs().reshape(n, -1).cpu()
        picked = torch.gather(table.reshape(n, points, SIGNALS), 1, chosen[..., None].expand(-1, -1, SIGNALS))
        yield (
            name,
            kind,
            picked.reshape(-1, SIGNALS).double(),
            torch.gather(error, 1, chosen).reshape(-1).double(),
            rows[:, None].expand_as(chosen).reshape(-1),
        )


def _inside(count: int, mask: Tensor, dim: int, target: Tensor, generator: torch.Generator) -> Tensor:
    """Indices (batch, count) of values, all inside the mask."""
    shape = target.shape[1:]
    full = mask.reshape(len(mask), 1, *mask.shape[1:], *[1] * (len(shape) - 1 - dim))
    flat = full.expand(-1, *shape).reshape(len(mask), -1)
    return torch.multinomial(flat.double(), count, replacement=True, generator=generator)


def _too_few(count: int, level: float) -> DomainError:
    return DomainError(
        f"{count} independent calibration trajectories cannot support a {100 * level:g} % band; give at least "
        f"{2 * least_groups(level) + 2}, by a larger share of the split or more data"
    )
