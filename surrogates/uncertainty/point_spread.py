"""Calibrated bands around the solution of an equation at points, wide where the error is expected to be large.

Paper: Distribution-Free Predictive Inference for Regression (arXiv:1604.04173), section 5.2, locally weighted bands.

Half-width = factor * expected |error|, a log-linear function of signs of trouble (`error_scale`): how far the members
disagree at the point, and how far their equation is from holding there (what physics says). Calibration points are
those where the solution is known; every third fits the expected error, the others give the factor, output by output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.blocks.quantile import conformal_quantile, least_groups
from surrogates.evaluation.coverage import LEVEL, radius
from surrogates.physics.errors import DomainError
from surrogates.tasks.collocation import PointResult
from surrogates.uncertainty.error_scale import ErrorScale, fit_error_scale

RIDGE = 30.0


@dataclass(frozen=True)
class PointSpread:
    """Solution whose `predict(spread=True)` brings calibrated standard deviations.

    Args:
        members: the trained tasks; their mean predicts. scale: expected |error|, outputs are its classes.
        factor: by output. level: what the bands hold; 90 % of errors lie within 1.64 std at 0.9.
    """

    members: tuple[Any, ...]
    scale: ErrorScale
    factor: Float[Tensor, "outputs"]
    level: float = LEVEL
    domain: None = None

    def predict(self, points: Any, *, spread: bool = False) -> PointResult:
        """Mean of the members; `spread` adds the calibrated standard deviations."""
        values = torch.stack([m.predict(points).values for m in self.members])
        mean = values.mean(dim=0)
        if not spread:
            return PointResult(mean)
        rows, kind = _rows(values, residual_size(self.members, points))
        band = self.factor.to(rows)[kind] * self.scale(rows, kind)
        return PointResult(mean, (band / radius(self.level, 1)).reshape(mean.shape).to(mean))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `restore` makes the same spread around the same members."""
        tensors = {part: getattr(self.scale, part) for part in ("classes", "power", "low")} | {"factor": self.factor}
        return tensors, {"kind": "point conformal", "level": self.level, "offset": self.scale.offset}


def restore(members: Sequence[Any], tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> PointSpread:
    """The spread that `state` described."""
    scale = ErrorScale(float(plain["offset"]), tensors["classes"], tensors["power"], tensors["low"])
    return PointSpread(tuple(members), scale, tensors["factor"], float(plain["level"]))


def calibrate(members: Any, train: Any, calibration: Any, *, level: float = LEVEL) -> PointSpread:
    """Learn how far `members` (one task or several) may be trusted, at points where their problem's `exact` is known.

    `calibration` is a set of points, `problem.points(...)`, drawn apart from those of training and of later tests.
    Raises DomainError without a known solution, for too few points, or where an error is not finite.
    """
    members = tuple(members) if isinstance(members, list | tuple) else tuple(getattr(members, "members", (members,)))
    exact = members[0].problem.exact
    if exact is None:
        raise DomainError(
            "the solution of this problem is not known anywhere (exact=None), so errors cannot be counted; an ensemble "
            "still has its scatter: predict(points, spread=True) of uncertainty.PointEnsemble"
        )
    if len(calibration) < 2 * least_groups(level) + 2:
        raise DomainError(
            f"{len(calibration)} calibration points cannot support a {100 * level:g} % band; give at least "
            f"{2 * least_groups(level) + 2}, problem.points(500, seed=2)"
        )
    values = torch.stack([m.predict(calibration).values for m in members]).cpu()
    with torch.no_grad():
        truth = exact(calibration.interior).to(values)
    rows, kind = _rows(values, residual_size(members, calibration))
    error = (values.mean(dim=0) - truth).abs().reshape(-1).double().cpu()
    if not bool(error.isfinite().all() & rows.isfinite().all()):
        raise DomainError("an error or residual at the calibration points is not finite; train the network better")
    outputs = truth.shape[1]
    learn = (torch.arange(len(calibration)) % 3 == 0).repeat_interleave(outputs)
    scale = fit_error_scale(rows[learn], kind[learn], error[learn], classes=outputs, ridge=RIDGE)
    ratio = error / scale(rows, kind)
    factors = [conformal_quantile(ratio[~learn & (kind == k)], level) for k in range(outputs)]
    if not all(math.isfinite(f) for f in factors):
        raise DomainError(f"{len(calibration)} points are too few for a {100 * level:g} % band; give twice as many")
    return PointSpread(members, scale, torch.tensor(factors, dtype=torch.float64), level)


def residual_size(members: Sequence[Any], points: Any) -> Float[Tensor, "points"]:
    """Length of the residuals at points, mean of the members: what physics says; random estimates use fixed draws."""
    device = next(members[0].parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        sizes = [
            torch.stack([r.double().square().sum(dim=1) for r in m.residuals(points).values()]).sum(dim=0).sqrt()
            for m in members
        ]
    return torch.stack(sizes).mean(dim=0).cpu()


def _rows(values: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    """Signals (points outputs, 2) of members' values (members, points, outputs), and which output each row is."""
    values = values.double().cpu()
    outputs = values.shape[2]
    apart = values.std(dim=0, correction=0) if len(values) > 1 else torch.zeros_like(values[0])
    apart = apart + 1e-2 * apart.square().mean(dim=0).sqrt()
    size = residual + 1e-2 * residual.square().mean().sqrt()
    rows = torch.stack([apart, size[:, None].expand_as(apart)], dim=-1).reshape(-1, 2)
    return rows, torch.arange(outputs).repeat(values.shape[1])
