"""Problems whose exact solutions are solitons: a box in space and time, values given at the start and on the sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.blocks.deepxde import deepxde
from surrogates.physics.errors import DomainError
from surrogates.physics.solutions.solitons import Solitons
from surrogates.pinns.problem import Problem


def soliton_problem(
    residual: Callable[[Any, Tensor], Any],
    exact: Solitons,
    *,
    low: Sequence[float | int],
    high: Sequence[float | int],
    until: float | int,
) -> Problem:
    """The equation on low <= x <= high from 0 to `until`; conditions "initial" and "dirichlet" are the solution's.

    Raises DomainError for an empty box or corners of another dimension.
    """
    if not len(low) == len(high) == exact.dim - 1 or not all(a < b for a, b in zip(low, high, strict=True)):
        raise DomainError(f"low={list(low)}, high={list(high)}; give {exact.dim - 1} numbers each, low below high")
    if not until > 0:
        raise DomainError(f"until={until}; give a positive time")

    def geometry() -> Any:
        room = deepxde().geometry
        space = room.Interval(low[0], high[0]) if len(low) == 1 else room.Rectangle(list(low), list(high))
        return room.GeometryXTime(space, room.TimeDomain(0.0, float(until)))

    def values(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = exact(torch.as_tensor(np.asarray(x), dtype=torch.float64)).numpy()
        return found

    def conditions(domain: Any) -> dict[str, Any]:
        icbc = deepxde().icbc
        return {
            "initial": icbc.IC(domain, values, lambda x, on: on),
            "dirichlet": icbc.DirichletBC(domain, values, lambda x, on: on),
        }

    return Problem(exact.dim, residual, geometry=geometry, conditions=conditions, exact=exact)


def plane_waves(k: Sequence[float | int], l: Sequence[float | int]) -> list[tuple[float, float]]:
    """(k, l) of each soliton. Raises DomainError for lists of different lengths."""
    if len(k) != len(l):
        raise DomainError(f"k={list(k)}, l={list(l)}; give one wave number by x and one by y for each soliton")
    return [(float(p), float(q)) for p, q in zip(k, l, strict=True)]
