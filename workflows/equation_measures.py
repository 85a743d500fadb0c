"""Scores of a solved equation as plain dataclasses. Imported in workers only; the results stand in steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.evaluation.coverage import coverage, energy_band, spearman
from surrogates.evaluation.member_band import member_band
from surrogates.physics.errors import SurrogatesError
from surrogates.pinns.moving_frame import invert
from surrogates.pinns.named import named_problem
from surrogates.pinns.residuals import residuals_at
from surrogates.pinns.stream import PointSet
from surrogates.workflows.desk import Progress
from surrogates.workflows.equation_pictures import pictures
from surrogates.workflows.equation_regions import bounds_of, regions_of
from surrogates.workflows.parts import PROBLEMS, takes_how
from surrogates.workflows.steps.evaluate import Band
from surrogates.workflows.steps.evaluate_equation import EquationScores, Region, Unknown

_NUMBERS = 50_000  # coordinates of points whose residuals are computed together, which bounds memory
_STEP = 1e-3  # of a difference in time, as a share of the whole time


@dataclass(frozen=True)
class Asked:
    """How much is looked at: points inside and on each condition, regions, points an axis of pictures, seed."""

    points: int
    edge: int
    regions: int
    map: int
    seed: int


@dataclass(frozen=True)
class Seen:
    """What a solution says at points: values and reference (n, outputs), sizes of residuals by name and member
    (members, n), bands by name (n, outputs)."""

    points: np.ndarray
    values: np.ndarray
    truth: np.ndarray | None
    residuals: dict[str, np.ndarray]
    bands: dict[str, np.ndarray]

    @property
    def residual(self) -> np.ndarray:
        """Root mean square over members of the whole residual, (n,)."""
        whole = np.sum([r**2 for r in self.residuals.values()], axis=0)
        return np.asarray(np.sqrt(whole.mean(axis=0)))

    @property
    def error(self) -> np.ndarray | None:
        """|u - exact|, (n,), over outputs."""
        return None if self.truth is None else np.linalg.norm(self.values - self.truth, axis=1)


def scores(fitted: Any, asked: Asked, arrays: Path, progress: Progress) -> EquationScores:
    """Errors, residuals and bands at fresh points; what reports draw goes to the file `arrays`."""
    fitted = replace(fitted, members=tuple(exactly(member) for member in fitted.members))
    problem = fitted.members[0].problem
    data = problem.points(asked.points, edge=asked.edge, seed=asked.seed)
    progress(10, 100.0, "% of the scores")
    seen = look(fitted, data)
    progress(50, 100.0, "% of the scores")
    bounds = bounds_of(problem, seen.points)
    spread = {name: _band(seen, name) for name in seen.bands} if seen.truth is not None else {}
    scale, scale_name = residual_scale(fitted, problem, data.interior)
    np.savez(arrays, **pictures(fitted, seen, bounds, asked.map, look))  # type: ignore[arg-type]
    error, size = seen.error, size_of(seen)
    return EquationScores(
        problem=told(problem),
        coordinates=tuple(problem.names[:4]) + (("...",) if problem.dim > 4 else ()),
        points=len(data),
        members=len(fitted.members),
        **_errors(seen, problem, bounds),
        size=size,
        residual={n: _rms(r) for n, r in seen.residuals.items()},
        residual_scale=scale,
        scale_name=scale_name,
        conditions=conditions_of(fitted, data),
        regions=tuple(_regions(seen, regions_of(seen.points, bounds, problem.time, asked.regions), scale, size)),
        spread={name: band for name, band in spread.items() if band is not None},
        residual_knows=None if error is None else _number(spearman(seen.residual, error)),
        band_knows=_knows(seen),
        unknowns=tuple(_unknowns(fitted, problem)),
        stretch=_stretch(fitted),
        file=arrays.name,
    )


def exactly(task: Any) -> Any:
    """The same network for the same problem, with exact derivatives where the problem can be told how."""
    spec = task.problem.spec
    if spec is None or not takes_how(f"{PROBLEMS}.{spec['name']}:{spec['name']}"):
        return task
    from surrogates.derivatives import Exact

    words = {word: value for word, value in spec.items() if word != "name"}
    return task.with_problem(named_problem(spec["name"], **words, how=Exact()))


def look(fitted: Any, data: PointSet) -> Seen:
    """What a solution says at points, what it misses of its equation there, what it promises."""
    points = data.interior
    several = len(fitted.members) > 1
    said = fitted.task.predict(points, spread=several)
    bands = {}
    if several:
        bands["members"] = member_band(_numpy(said.std), len(fitted.members))
    if fitted.spread is not None:
        bands["calibrated"] = energy_band(_numpy(fitted.predict(points, spread=True).std))
    residuals: dict[str, list[np.ndarray]] = {}
    for member in fitted.members:
        for name, r in residual_sizes(member, points).items():
            residuals.setdefault(name, []).append(r)
    exact = fitted.members[0].problem.exact
    with torch.no_grad():
        truth = None if exact is None else _numpy(exact(points))
    return Seen(_numpy(points), _numpy(said.values), truth, {n: np.stack(r) for n, r in residuals.items()}, bands)


def residual_sizes(member: Any, points: Tensor) -> dict[str, np.ndarray]:
    """|residual| by name, (n,), a few points at a time; of a network on labels, for those that arrive at the points."""
    if hasattr(member.model, "stretch"):
        points = invert(member.model, points.to(next(member.parameters())), member.model.period)
    parts = [member.residuals(some) for some in torch.split(points, max(1, min(4096, _NUMBERS // points.shape[1])))]
    sizes = [{name: _numpy(r.square().sum(dim=1).sqrt()) for name, r in part.items()} for part in parts]
    return {name: np.concatenate([s[name] for s in sizes]) for name in sizes[0]}


def residual_scale(fitted: Any, problem: Any, points: Tensor) -> tuple[float | None, str]:
    """What the residual is compared with: the root mean square of u_t, or of the residual of u = 0.

    u_t is that of the known solution, or of the network where none is known.
    """
    if problem.time is not None:
        said = problem.exact or (lambda x: fitted.task.predict(x).values)
        t = points[:, problem.time]
        step = _STEP * float(t.max() - t.min())
        ends = []
        for sign in (1.0, -1.0):
            moved = points.clone()
            moved[:, problem.time] = (t + sign * step).clamp(float(t.min()), float(t.max()))
            with torch.no_grad():
                ends.append((_numpy(said(moved)), moved[:, problem.time]))
        apart = _numpy(ends[0][1] - ends[1][1])[:, None]
        scale = _rms(np.linalg.norm((ends[0][0] - ends[1][0]) / np.maximum(apart, 1e-300), axis=1))
        return (scale, "the change in time, u_t") if scale > 1e-12 else (None, "")
    outputs = int(fitted.task.predict(points[:1]).values.shape[1])
    unknowns = {n: torch.tensor(v, dtype=points.dtype) for n, v in fitted.members[0].parameters_found.items()}
    some = points[: max(1, _NUMBERS // points.shape[1])]
    try:
        found = residuals_at(problem, lambda x: 0.0 * x[:, :outputs], some, unknowns)
    except SurrogatesError:  # a residual that asks more of its network than values
        return None, ""
    scale = _rms(_numpy(torch.cat(list(found.values()), dim=1).norm(dim=1)))
    return (scale, "the residual of u = 0") if scale > 1e-12 else (None, "")


def conditions_of(fitted: Any, data: PointSet) -> dict[str, float]:
    """Root mean square error of each condition, over the members too."""
    each = [member.condition_errors(data) for member in fitted.members]
    return {name: _rms(np.array([found[name] for found in each])) for name in each[0]}


def told(problem: Any) -> str:
    """Name and arguments of a problem in words."""
    if problem.spec is None:
        return f"a problem of the user's own in {problem.dim} coordinates"
    words = ", ".join(f"{k} = {v}" for k, v in problem.spec.items() if k != "name" and v is not None)
    return f"{problem.spec['name']}{': ' if words else ''}{words}"


def _errors(seen: Seen, problem: Any, bounds: np.ndarray) -> dict[str, float | None]:
    if seen.truth is None or seen.error is None:
        return dict.fromkeys(("relative_l2", "constant", "start", "max_error"))
    size = float(np.linalg.norm(seen.truth)) or 1.0
    start = None
    if problem.time is not None:
        begin = torch.from_numpy(seen.points.copy())
        begin[:, problem.time] = float(bounds[0, problem.time])
        with torch.no_grad():
            start = float(np.linalg.norm(_numpy(problem.exact(begin)) - seen.truth)) / size
    return {
        "relative_l2": float(np.linalg.norm(seen.values - seen.truth)) / size,
        "constant": float(np.linalg.norm(seen.truth - seen.truth.mean(axis=0))) / size,
        "start": start,
        "max_error": float(np.abs(seen.values - seen.truth).max()),
    }


def _regions(seen: Seen, parts: list[tuple[str, np.ndarray]], scale: float | None, size: float) -> list[Region]:
    error, band = seen.error, next(reversed(seen.bands.values())) if seen.bands else None
    rows = []
    for name, inside in parts:
        rows.append(
            Region(
                name,
                int(inside.sum()),
                None if scale is None else _rms(seen.residual[inside]) / scale,
                None if error is None else _rms(error[inside]) / size,
                None if band is None else float(band[inside].mean()) / size,
            )
        )
    return rows


def _band(seen: Seen, name: str) -> Band | None:
    assert seen.truth is not None
    found = coverage(np.abs(seen.values - seen.truth).ravel(), seen.bands[name].ravel())
    return Band(**asdict(found)) if np.isfinite(found.mean_error) else None


def _knows(seen: Seen) -> float | None:
    if seen.error is None or not seen.bands:
        return None
    return _number(spearman(np.linalg.norm(next(reversed(seen.bands.values())), axis=1), seen.error))


def _stretch(fitted: Any) -> float | None:
    """The least x_xi of Lagrangian networks, None for others."""
    found = [member.model.stretch().smallest for member in fitted.members if hasattr(member.model, "stretch")]
    return min(found) if found else None


def _unknowns(fitted: Any, problem: Any) -> list[Unknown]:
    rows = []
    spec: Mapping[str, Any] = problem.spec or {}
    for name, start in problem.parameters.items():
        found = np.array([member.parameters_found[name] for member in fitted.members])
        truth = spec.get(name)
        rows.append(
            Unknown(
                name,
                float(getattr(start, "start", start)),
                float(found.mean()),
                float(found.std(ddof=1)) if len(found) > 1 else None,
                float(truth) if isinstance(truth, int | float) else None,
            )
        )
    return rows


def size_of(seen: Seen) -> float:
    """Scatter of the known solution, or of the values, about the mean; of a constant, its size."""
    values = seen.values if seen.truth is None else seen.truth
    return _rms(np.linalg.norm(values - values.mean(axis=0), axis=1)) or _rms(np.linalg.norm(values, axis=1)) or 1.0


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()
