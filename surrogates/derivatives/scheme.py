"""A linear differential operator as a weighted sum over directions, and its evaluation in one or several passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from surrogates.derivatives.directions import SparseDirections
from surrogates.derivatives.propagate import propagate


@dataclass(frozen=True, eq=False)
class Scheme:
    """sum over v of weights_v d^k/dt^k u(x + t v), k = order: the operator itself or an estimate without bias.

    Args:
        directions: (V, d), (V, batch, d) or sparse ones.
        weights: (V,), or (V, batch) where coefficients depend on the point.
        samples: how many equal groups of consecutive directions are draws of the same estimate; 0 for no draws.
        population: groups there are to draw from, without replacement; None where draws are independent.
    """

    directions: Tensor | SparseDirections
    weights: Tensor
    order: int
    samples: int = 0
    population: int | None = None

    def __len__(self) -> int:
        return len(self.directions)

    def part(self, start: int, stop: int) -> Scheme:
        """Some of the directions."""
        some: Tensor | SparseDirections
        if isinstance(self.directions, SparseDirections):
            some = SparseDirections(self.directions.indices[start:stop], self.directions.values[start:stop])
        else:
            some = self.directions[start:stop]
        return replace(self, directions=some, weights=self.weights[start:stop], samples=0)

    def parts(self, at_once: int) -> Iterator[Scheme]:
        for start in range(0, len(self), at_once):
            yield self.part(start, start + at_once)


def apply(u: Any, x: Float[Tensor, "batch d"], scheme: Scheme, at_once: int | None = None) -> Tensor:
    """The sum, (batch, outputs): in one pass, or `at_once` directions a pass, each recomputed for the gradient."""
    if at_once is None or at_once >= len(scheme):
        return _sum(u, x, scheme)
    total = None
    for part in scheme.parts(at_once):
        again = torch.is_grad_enabled()
        found = checkpoint(_sum, u, x, part, use_reentrant=False) if again else _sum(u, x, part)
        total = found if total is None else total + found
    assert total is not None
    return total


def each(u: Any, x: Float[Tensor, "batch d"], scheme: Scheme) -> tuple[Tensor, Tensor]:
    """u(x), and the summands (V, batch, outputs) with their weights."""
    series = propagate(u, x, scheme.directions, scheme.order)
    weights = scheme.weights.to(x)
    weights = weights.reshape(*weights.shape, *[1] * (series[-1].ndim - weights.ndim))
    return series[0], series[-1] * weights * math.factorial(scheme.order)


def series(u: Any, x: Float[Tensor, "batch d"], scheme: Scheme) -> tuple[Tensor, ...]:
    """u(x), the derivatives of lower order (V, batch, outputs), and the sum."""
    factorials = [math.factorial(k) for k in range(scheme.order + 1)]
    if scheme.weights.ndim > 1:
        whole = propagate(u, x, scheme.directions, scheme.order)
        weights = scheme.weights.to(x)
        weights = weights.reshape(*weights.shape, *[1] * (whole[-1].ndim - weights.ndim))
        found = (*whole[:-1], (whole[-1] * weights).sum(0))
    else:
        found = propagate(u, x, scheme.directions, scheme.order, weights=scheme.weights.to(x))
    return tuple(c * f for c, f in zip(found, factorials, strict=True))


def with_direction(scheme: Scheme, axis: int, x: Tensor) -> Scheme:
    """The same sum with a unit vector in front, at weight zero: its lower derivatives come along."""
    some = scheme.directions
    if isinstance(some, SparseDirections):
        width = some.indices.shape[1]
        spare = [i for i in range(x.shape[-1]) if i != axis][: width - 1]
        indices = torch.cat([some.indices.new_tensor([[axis, *spare]]), some.indices])
        values = torch.cat([some.values.new_tensor([[1.0] + [0.0] * len(spare)]), some.values])
        some = SparseDirections(indices, values)
    else:
        unit = torch.zeros_like(some[:1])
        unit[..., axis] = 1
        some = torch.cat([unit, some])
    weights = torch.cat([torch.zeros_like(scheme.weights[:1]), scheme.weights])
    return replace(scheme, directions=some, weights=weights, samples=0)


def _sum(u: Any, x: Tensor, scheme: Scheme) -> Tensor:
    return series(u, x, scheme)[-1]
