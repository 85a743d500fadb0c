"""Ways to evaluate a differential operator, and the laws that random directions are drawn from.

Paper: Stochastic Taylor Derivative Estimator: Efficient amortization for arbitrary differential operators
(arXiv:2412.00088): directions v and weights w with E[sum_v w_v D_k(v)] = L u(x), D_k(v) = d^k/dt^k u(x + t v). What
each operator makes of them is in `surrogates.derivatives.differentials`.

Kept: sparse estimates (unit vectors, or those that a mixed partial is polarised into, without replacement) and dense
ones (random vectors), also with a covariance. Changed: partials come from univariate jets of their own order instead of
jets of order up to 14; the Rademacher biharmonic, which is biased as such, is corrected; third order has a dense law.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class Exact:
    """Every direction that the operator needs.

    Args:
        at_once: directions of one pass; the passes of a larger operator are recomputed for the gradient one by one, so
            that memory is that of one. None: as many as the planner's limit of memory allows.
        reduced: for the Laplacian of a function that meets x only in linear layers and in |x|^2, directions of its
            first layers in place of coordinates (`forward_laplacian`). None: where that is cheaper.
    """

    at_once: int | None = None
    reduced: bool | None = None


@dataclass(frozen=True)
class Sparse:
    """`samples` of the operator's terms without replacement, in unit vectors; all of them where there are no more.

    A term is a coordinate, for the biharmonic a pair of them. Draws come from torch's global generator, or from
    `generator` (on the CPU). Every point of the batch has the same directions.
    """

    samples: int = 16
    generator: torch.Generator | None = None


@dataclass(frozen=True)
class Dense:
    """`samples` random directions over all coordinates.

    Args:
        law: "rademacher" (entries +1 or -1), "gaussian", "sphere" (uniform, of radius sqrt(d)) or "mammen" (two
            values with mean 0, variance 1 and third moment 1, the law for order 3).
        generator: on the device of x; torch's global one when None.
    """

    samples: int = 16
    law: str = "rademacher"
    generator: torch.Generator | None = None


How = Exact | Sparse | Dense


@dataclass(frozen=True)
class Law:
    """A distribution of directions whose entries are uncorrelated, of mean 0 and variance 1.

    Args:
        third: E[v_i^3]; entries that differ have no third moment together.
        fourth: E[v_i^2 v_j^2] for i != j in d dimensions.
        excess: E[v_i^4] - 3 E[v_i^2 v_j^2]; zero where E[v v v v] has full rotational symmetry.
    """

    draw: Callable[..., Tensor]
    third: float
    fourth: Callable[[int], float]
    excess: float


def _rademacher(*size: int, generator: torch.Generator | None, like: Tensor) -> Tensor:
    return torch.randint(0, 2, size, generator=generator, dtype=like.dtype, device=like.device) * 2 - 1


def _gaussian(*size: int, generator: torch.Generator | None, like: Tensor) -> Tensor:
    return torch.randn(size, generator=generator, dtype=like.dtype, device=like.device)


def _sphere(*size: int, generator: torch.Generator | None, like: Tensor) -> Tensor:
    v = _gaussian(*size, generator=generator, like=like)
    return v * (math.sqrt(size[-1]) / v.norm(dim=-1, keepdim=True))


def _mammen(*size: int, generator: torch.Generator | None, like: Tensor) -> Tensor:
    root = math.sqrt(5.0)
    low = torch.rand(size, generator=generator, dtype=like.dtype, device=like.device) < (root + 1) / (2 * root)
    return torch.full_like(low, (1 + root) / 2, dtype=like.dtype).masked_fill(low, (1 - root) / 2)


LAWS: dict[str, Law] = {
    "rademacher": Law(_rademacher, 0.0, lambda d: 1.0, -2.0),
    "gaussian": Law(_gaussian, 0.0, lambda d: 1.0, 0.0),
    "sphere": Law(_sphere, 0.0, lambda d: d / (d + 2), 0.0),
    "mammen": Law(_mammen, 1.0, lambda d: 1.0, -1.0),
}


def law_of(how: Dense) -> Law:
    """Raises DomainError for an unknown name or no samples."""
    if how.law not in LAWS:
        raise DomainError(f'there is no law "{how.law}" of directions; use one of {", ".join(map(repr, LAWS))}')
    check_samples(how)
    return LAWS[how.law]


def draw(how: Dense, count: int, axes: Int[Tensor, "n"] | None, x: Float[Tensor, "batch d"]) -> Float[Tensor, "v d"]:
    """Directions of the law on some coordinates of x, zero on the others."""
    size = x.shape[-1] if axes is None else len(axes)
    v = law_of(how).draw(count, size, generator=how.generator, like=x.detach())
    return v if axes is None else v.new_zeros(count, x.shape[-1]).index_copy(1, axes, v)


def distinct(how: Sparse, population: int) -> Int[Tensor, "samples"]:
    """Numbers below `population`, each set of them equally likely; all in order where `samples` reaches them."""
    check_samples(how)
    if how.samples >= population:
        return torch.arange(population)
    if population <= 64 * how.samples:
        return torch.randperm(population, generator=how.generator)[: how.samples]
    found: dict[int, None] = {}  # the first distinct ones of independent draws
    while len(found) < how.samples:
        more = torch.randint(population, (how.samples,), generator=how.generator).tolist()
        found.update(dict.fromkeys(more))
    return torch.tensor(list(found)[: how.samples])


def distinct_pairs(how: Sparse, size: int) -> Int[Tensor, "samples 2"]:
    """Pairs i < j below `size`, in the same way."""
    check_samples(how)
    population = size * (size - 1) // 2
    if population <= 64 * how.samples:
        return torch.triu_indices(size, size, 1).T[distinct(how, population)]
    found: dict[tuple[int, int], None] = {}
    while len(found) < how.samples:
        for i, j in torch.randint(size, (how.samples, 2), generator=how.generator).tolist():
            if i != j:
                found[min(i, j), max(i, j)] = None
    return torch.tensor(list(found)[: how.samples])


def check_samples(how: Sparse | Dense) -> None:
    if isinstance(how.samples, bool) or not isinstance(how.samples, int) or how.samples < 1:
        raise DomainError(f"{how.samples} samples were asked for; an estimate needs a whole number from 1")
