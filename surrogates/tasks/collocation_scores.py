"""Scores of a solved equation: errors against a known solution, of the equation itself, of its conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class PointResult:
    """What a network says at points.

    Args:
        values: (points, outputs). std: standard deviations of the same shape, None without a spread.
    """

    values: Tensor
    std: Tensor | None = None


@dataclass(frozen=True)
class CollocationScores:
    """How well an equation is solved at points; everything in the units of its fields.

    Args:
        points: how many.
        relative_l2: ||u - exact|| / ||exact|| over points and outputs; None where no solution is known.
        max_error: largest |u - exact|. baseline: relative_l2 of the best constants, which know nothing of the equation.
        residual: root mean square by name. conditions: root mean square error by name.
        parameters: unknown numbers of the equation, as found.
        coverage: of the band of "values" where a spread was predicted and a solution is known.
        arrays: `points` (n, dim), `values`, `values_reference`, `values_std` (n, outputs), `residual` (n,); not kept in
            files.
    """

    points: int
    relative_l2: float | None
    max_error: float | None
    baseline: float | None
    residual: dict[str, float]
    conditions: dict[str, float]
    parameters: dict[str, float] = field(default_factory=dict)
    coverage: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def by_field(self) -> tuple[str, ...]:
        """Names in `arrays` whose errors are known."""
        return () if self.relative_l2 is None else ("values",)

    def __str__(self) -> str:
        lines = []
        if self.relative_l2 is not None:
            told = f"relative L2 error {self.relative_l2:.3e} (a constant: {self.baseline:.2g})"
            lines.append(f"{told}, largest error {self.max_error:.3e}")
        for what, values in (("residual", self.residual), ("condition", self.conditions)):
            lines += [f"{what} {name}: rms {value:.3e}" for name, value in values.items()]
        lines += [f"{name} = {value:.6g}" for name, value in self.parameters.items()]
        lines += [str(found) for found in self.coverage.values() if found is not None]
        return f"{self.points} points\n" + "\n".join(lines)


def score(task: Any, predict: Callable[..., Any], data: Any) -> CollocationScores:
    """Scores of what `predict` says at a set of points; residuals are those of `task`'s own network."""
    said = predict(data)
    arrays = {"points": data.interior.double().cpu().numpy() if task.problem.dim <= 20 else np.zeros((0, 0))}
    arrays["values"] = said.values.double().cpu().numpy()
    if said.std is not None:
        arrays["values_std"] = said.std.double().cpu().numpy()
    relative = largest = baseline = None
    if task.problem.exact is not None:
        with torch.no_grad():
            parts = data.interior.split(max(1, min(4096, 20_000_000 // task.problem.dim)))
            truth = torch.cat([task.problem.exact(x) for x in parts]).double().cpu().numpy()
        arrays["values_reference"] = truth
        error, size = arrays["values"] - truth, float(np.linalg.norm(truth)) or 1.0
        relative, largest = float(np.linalg.norm(error)) / size, float(np.abs(error).max())
        baseline = float(np.linalg.norm(truth - truth.mean(axis=0))) / size
    residuals = task.residuals(data.interior)
    arrays["residual"] = sum(r.double().square().sum(dim=1) for r in residuals.values()).sqrt().cpu().numpy()
    return CollocationScores(
        points=len(data),
        relative_l2=relative,
        max_error=largest,
        baseline=baseline,
        residual={name: _rms(r) for name, r in residuals.items()},
        conditions=task.condition_errors(data),
        parameters=task.parameters_found,
        arrays=arrays,
    )


def _rms(values: Tensor) -> float:
    return float(values.double().square().sum(dim=1).mean().sqrt())
