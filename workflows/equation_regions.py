"""Parts of a domain in which errors and residuals are looked at: slabs of time, shells around the middle."""

from __future__ import annotations

from typing import Any

import numpy as np

_BOX = 2.0  # largest coordinate in standard deviations, below which points fill a box


def bounds_of(problem: Any, points: np.ndarray) -> np.ndarray:
    """Lowest and highest value of each coordinate, (2, dim): the domain's, or those of points where it has no box."""
    domain = problem.domain
    space = getattr(domain, "geometry", domain)
    time = getattr(domain, "timedomain", None)
    try:
        low, high = (np.asarray(side, dtype=float).reshape(-1) for side in space.bbox)
    except (AttributeError, NotImplementedError, TypeError, ValueError):  # a domain that does not know its size
        return _around(points)
    box = np.stack([low, high])
    return box if time is None else np.concatenate([box, [[time.t0], [time.t1]]], axis=1)


def _around(points: np.ndarray) -> np.ndarray:
    """A box around points: about the origin if they lie about it, with sides of a ball's radius if they fill a ball.

    In a box the largest coordinate is sqrt(3) standard deviations away; in a ball of many dimensions it is further.
    """
    middle, spread = points.mean(axis=0), points.std(axis=0)
    middle = np.where(np.abs(middle) <= 5 * spread / np.sqrt(len(points)), 0.0, middle)
    away = np.abs(points - middle)
    if len(middle) == 1 or np.median(away.max(axis=0) / np.maximum(spread, 1e-300)) < _BOX:
        return np.stack([points.min(axis=0), points.max(axis=0)])
    radius = np.linalg.norm(points - middle, axis=1).max()
    return np.stack([middle - radius, middle + radius])


def regions_of(points: np.ndarray, bounds: np.ndarray, time: int | None, count: int) -> list[tuple[str, np.ndarray]]:
    """Name and members (points,) of each region that is not empty: `count` slabs of time, or shells of equal width."""
    if time is not None:
        place, (low, high), name = points[:, time], bounds[:, time], "t"
    else:
        place = np.linalg.norm(points - bounds.mean(axis=0), axis=1)
        low, high, name = 0.0, float(place.max()), "distance to the middle"
    ends = np.linspace(low, high, count + 1)
    which = np.clip(np.searchsorted(ends, place, side="right") - 1, 0, count - 1)
    named = [(f"{name} from {ends[k]:.3g} to {ends[k + 1]:.3g}", which == k) for k in range(count)]
    return [(text, inside) for text, inside in named if inside.any()]


def plane(bounds: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The axes of a grid over two coordinates, and its points (count^2, 2), the first coordinate slowest."""
    axes = [np.linspace(low, high, count) for low, high in bounds.T]
    x, y = np.meshgrid(*axes, indexing="ij")
    return axes[0], axes[1], np.stack([x.ravel(), y.ravel()], axis=1)


def lines(bounds: np.ndarray, time: int | None, count: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Cuts through the middle at the last time, by name: (distance from the middle, points)."""
    middle, half = bounds.mean(axis=0), 0.5 * (bounds[1] - bounds[0])
    space = [a for a in range(bounds.shape[1]) if a != time]
    first, all_alike = np.zeros(len(middle)), np.zeros(len(middle))
    first[space[0]] = 1.0
    all_alike[space] = 1.0 / np.sqrt(len(space))
    if time is not None:
        middle = middle.copy()
        middle[time] = bounds[1, time]
    along = np.linspace(-half[space].min(), half[space].min(), count)
    cuts = {"along the first axis": first}
    if len(space) > 1:
        cuts["along the diagonal"] = all_alike
    return {name: (along, middle + along[:, None] * way) for name, way in cuts.items()}
