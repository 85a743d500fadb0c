"""Calibrated bands around predicted fields, wide where the error is expected to be large.

Papers: Distribution-Free Predictive Inference for Regression (arXiv:1604.04173), section 5.2, locally weighted bands;
Distribution-free inference with hierarchical data (arXiv:2306.06342), for points that come in trajectories.

Half-width at a point = factor * expected |error|, where the expected error is a log-linear function of signs of trouble
(`error_scale`): how far the members disagree there and on the whole sample, how steep the predicted field is there and
how large it is on the whole sample. One third of the calibration trajectories fits it, the others give the factor. In a
rollout every step is a class of its own, so bands grow as errors do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
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
    """Half-width = factor * scale(signals): holds `level` of the errors of a random value of a new trajectory."""

    scale: ErrorScale
    factor: float

    def __call__(self, signals: Tensor, step: int) -> Tensor:
        kind = torch.full((len(signals),), step, device=signals.device).clamp(max=len(self.scale.classes) - 1)
        return self.factor * self.scale(signals, kind)


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
        self, results: Sequence[Mapping[str, Tensor]], dim: int, *, spread: bool = True, step: int = 0
    ) -> FieldResult:
        """Mean and band of what the members said, fields (batch, frames, *space, *components), at a rollout's step."""
        stacked = {name: torch.stack([r[name] for r in results]) for name in results[0]}
        mean = {name: values.mean(dim=0) for name, values in stacked.items()}
        if not spread:
            return FieldResult(mean)
        std = {}
        for name, values in stacked.items():
            rows = signals(values, dim)
            band = self.bands[name](rows.reshape(-1, SIGNALS), step).reshape(rows.shape[:-1])
            std[name] = (band / radius(self.level, 1)).to(mean[name])
        return FieldResult(mean, std)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `restore` makes the same spread around the same members."""
        tensors, domain = self.domain.state()
        tensors = {f"domain.{name}": t for name, t in tensors.items()}
        plain: dict[str, Any] = {"kind": "field conformal", "level": self.level, "domain": domain, "fields": {}}
        for k, (name, band) in enumerate(self.bands.items()):
            plain["fields"][name] = {"factor": band.factor, "offset": band.scale.offset, "at": k}
            tensors |= {f"band.{k}.{part}": getattr(band.scale, part) for part in ("classes", "power", "low")}
        return tensors, plain


def restore(members: Sequence[Any], tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> FieldSpread:
    """The spread that `state` described."""
    domain = FieldDomain.from_state({n[7:]: t for n, t in tensors.items() if n.startswith("domain.")}, plain["domain"])
    bands = {}
    for name, facts in plain["fields"].items():
        parts = (tensors[f"band.{int(facts['at'])}.{part}"] for part in ("classes", "power", "low"))
        bands[name] = FieldBand(ErrorScale(float(facts["offset"]), *parts), float(facts["factor"]))
    return FieldSpread(tuple(members), bands, domain, float(plain["level"]))


def calibrate(members: Any, train: Any, calibration: Any, *, level: float = LEVEL) -> FieldSpread:
    """Learn how far `members` (one task or several) may be trusted, from trajectories they have not seen.

    A task of steps is rolled out to the end of the calibration trajectories, each member on its own. Raises DomainError
    when there are too few trajectories.
    """
    members = tuple(members) if isinstance(members, list | tuple) else tuple(getattr(members, "members", (members,)))
    if len(calibration) < 2 * least_groups(level) + 2:
        raise _too_few(len(calibration), level)
    data = getattr(train, "data", train)
    domain = FieldDomain.fit(members[0], data if data is not None and len(data) else calibration, calibration)
    learn = torch.arange(len(calibration)) % 3 == 0
    tables: dict[str, list[tuple[Tensor, ...]]] = {}
    for name, step, rows, error, sample in _observations(members, calibration):
        tables.setdefault(name, []).append((rows, torch.full((len(rows),), step), error, sample))
    bands = {}
    for name, parts in tables.items():
        rows, kind, error, sample = (torch.cat(column) for column in zip(*parts, strict=True))
        first = learn[sample]
        scale = fit_error_scale(rows[first], kind[first], error[first], classes=int(kind.max()) + 1, ridge=RIDGE)
        rest = ~first
        factor = group_quantile(error[rest] / scale(rows[rest], kind[rest]), sample[rest], level)
        if not math.isfinite(factor):
            raise _too_few(len(calibration), level)
        bands[name] = FieldBand(scale, factor)
    return FieldSpread(members, bands, domain, level)


def signals(values: Tensor, dim: int) -> Tensor:
    """Signs of trouble of members' fields (members, batch, frames, *space, *components), in a last axis of SIGNALS.

    Disagreement at the point and of the sample, steepness at the point (distance to its neighbours), size of the
    sample. One member does not disagree; constant signals have no part in the fit.
    """
    mean = values.mean(dim=0)
    apart = values.std(dim=0, correction=0) if len(values) > 1 else torch.zeros_like(mean)
    space = tuple(range(2, 2 + dim))
    steep = sum((mean.roll(1, a) - mean).square() + (mean.roll(-1, a) - mean).square() for a in space)
    each = tuple(range(2, mean.dim()))

    def whole(x: Tensor) -> Tensor:
        return x.square().mean(dim=each, keepdim=True).sqrt().expand_as(mean)

    floor = 1e-3 * whole(mean) + 1e-12
    return torch.stack([apart + 1e-2 * whole(apart), whole(apart), steep.sqrt() + floor, whole(mean)], dim=-1)  # type: ignore[union-attr]


def _observations(members: Sequence[Any], data: Any) -> Any:
    """(field, step, signals (n, SIGNALS), |error| (n,), trajectory (n,)) of predictions, or each step of rollouts."""
    generator = torch.Generator().manual_seed(0)
    task, begun = members[0], 0
    for batch in task.rollout_batches(data):
        values = [batch.values.to(task.target_scale.device)] * len(members)
        for step, truth in enumerate(batch.truths):
            with torch.no_grad():
                said = [m.step(v, batch.parameters.to(v), batch.mask) for m, v in zip(members, values, strict=True)]
            fields = [task.target_layout.unpack(s) for s in said]
            for name, target in task.target_layout.unpack(truth).items():
                stacked = torch.stack([f[name] for f in fields])
                rows = signals(stacked, task.dim)
                n = len(target)
                points = rows[0, ..., 0].numel()
                chosen = torch.randint(points, (n, min(POINTS, points)), generator=generator)
                if batch.mask is not None:
                    chosen = _inside(chosen, batch.mask, points // batch.mask[0].numel(), task.dim, target, generator)
                error = (stacked.mean(dim=0) - target.to(stacked)).abs().reshape(n, -1).cpu()
                sample = (begun + torch.arange(n))[:, None].expand_as(chosen)
                table = rows.reshape(n, points, SIGNALS).cpu()
                yield (
                    name,
                    step,
                    torch.gather(table, 1, chosen[..., None].expand(-1, -1, SIGNALS)).reshape(-1, SIGNALS).double(),
                    torch.gather(error, 1, chosen).reshape(-1).double(),
                    sample.reshape(-1),
                )
            if step + 1 < len(batch.truths):
                values = [task.advance(v, s) for v, s in zip(values, said, strict=True)]
        begun += len(batch.values)


def _inside(
    chosen: Tensor, mask: Tensor, per_point: int, dim: int, target: Tensor, generator: torch.Generator
) -> Tensor:
    """The same number of values, all inside the mask."""
    shape = target.shape[1:]
    full = (
        mask.reshape(len(mask), 1, *mask.shape[1:], *[1] * (len(shape) - 1 - dim))
        .expand(-1, *shape)
        .reshape(len(mask), -1)
    )
    return torch.multinomial(full.double(), chosen.shape[1], replacement=True, generator=generator)


def _too_few(count: int, level: float) -> DomainError:
    return DomainError(
        f"{count} calibration trajectories cannot support a {100 * level:g} % band; give at least "
        f"{2 * least_groups(level) + 2}, by a larger share of the split or more data"
    )
