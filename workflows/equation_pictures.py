"""Arrays that reports draw of a solved equation: maps of a plane, cuts through many dimensions, clouds, paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from surrogates.pinns.stream import PointSet
from surrogates.workflows.equation_regions import lines, plane

_CLOUD = 4000  # points of clouds
_PATHS, _TIMES = 13, 60  # characteristics


def pictures(
    fitted: Any, seen: Any, bounds: np.ndarray, count: int, look: Callable[[Any, PointSet], Any]
) -> dict[str, np.ndarray]:
    """Maps of values, reference, residual and band on a plane of two coordinates, cuts through more; the first output.

    `look` says what the solution says at points.
    """
    problem = fitted.members[0].problem
    saved = {"residual": seen.residual[:_CLOUD], **_clouds(seen)}
    if problem.dim == 2:
        saved |= _map(fitted, problem, bounds, count, look)
    else:
        for k, (name, (along, points)) in enumerate(lines(bounds, problem.time, count).items()):
            inside = _inside(problem, points)
            there = look(fitted, PointSet(problem, torch.from_numpy(points[inside])))
            saved |= {f"line{k}_{part}": values for part, values in _first(there).items()}
            saved |= {f"line{k}_x": along[inside], f"line{k}_name": np.array(name)}
    return saved | _paths(fitted.members[0].model, problem, bounds)


def _map(
    fitted: Any, problem: Any, bounds: np.ndarray, count: int, look: Callable[[Any, PointSet], Any]
) -> dict[str, np.ndarray]:
    x, y, points = plane(bounds, count)
    inside = _inside(problem, points)
    there = look(fitted, PointSet(problem, torch.from_numpy(points[inside])))
    saved = {"map_x": x, "map_y": y, "map_names": np.array(problem.names)}
    for part, values in _first(there).items():
        whole = np.full(len(points), np.nan)
        whole[inside] = values
        saved[f"map_{part}"] = whole.reshape(len(x), len(y)).astype(np.float32)
    return saved


def _first(there: Any) -> dict[str, np.ndarray]:
    """The first output's values and reference, the residual, the bands; (n,) each."""
    found = {"values": there.values[:, 0], "residual": there.residual}
    if there.truth is not None:
        found["reference"] = there.truth[:, 0]
    return found | {f"band_{name}": band[:, 0] for name, band in there.bands.items()}


def _clouds(seen: Any) -> dict[str, np.ndarray]:
    if seen.truth is None:
        return {}
    saved = {"values": seen.values[:_CLOUD], "reference": seen.truth[:_CLOUD], "error": seen.error[:_CLOUD]}
    for name, band in seen.bands.items():
        saved[f"cloud_{name}"] = band[:_CLOUD]
    return saved


def _inside(problem: Any, points: np.ndarray) -> np.ndarray:
    """Which points lie in the domain, or on its edge."""
    domain = problem.domain
    if domain is None or not hasattr(domain, "inside"):
        return np.ones(len(points), dtype=bool)
    middle = points.mean(axis=0)
    return np.asarray(domain.inside(middle + (1 - 1e-9) * (points - middle)), dtype=bool)


def _paths(model: Any, problem: Any, bounds: np.ndarray) -> dict[str, np.ndarray]:
    """Characteristics of a Lagrangian network, (times, labels)."""
    if not hasattr(model, "stretch"):
        return {}
    parameter = next(model.parameters())
    labels = torch.linspace(float(bounds[0, 0]), float(bounds[1, 0]), _PATHS).to(parameter)
    times = torch.linspace(float(bounds[0, 1]), float(bounds[1, 1]), _TIMES).to(parameter)
    t, label = torch.meshgrid(times, labels, indexing="ij")
    with torch.no_grad():
        paths = model(torch.stack([label.ravel(), t.ravel()], dim=1))[:, 0].reshape(t.shape)
    return {"paths": paths.double().cpu().numpy(), "path_times": times.double().cpu().numpy()}
