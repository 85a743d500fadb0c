"""Differential operators of a function of x: Laplacian, biharmonic, partials of any kind, exact or estimated.

`u` is any callable of torch operations from x (batch, d) to (batch, outputs), and so are results, with the graph to the
parameters of u. `how` is None (planned by cost and memory, see `plan`), `Exact()`, `Sparse(samples=16)` or
`Dense(samples=16, law=...)`; estimates are without bias. Orders go up to 6. `axes` are the coordinates an operator
differentiates by, all when None. Every function raises DomainError for a u that cannot be called or followed, for axes
that x does not have, and for half precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.derivatives.differentials import Biharmonic, Diagonal, Differential, SecondOrder
from surrogates.derivatives.forward_laplacian import forward_laplacian
from surrogates.derivatives.partial_sum import PartialSum, packed
from surrogates.derivatives.planner import by_reverse, plan, tell
from surrogates.derivatives.polarisation import HIGHEST, polarise
from surrogates.derivatives.propagate import jet, propagate
from surrogates.derivatives.reverse import passes_of
from surrogates.derivatives.scheme import Scheme, apply, each, series, with_direction
from surrogates.derivatives.stde import Dense, Exact, How, Sparse
from surrogates.physics.errors import DomainError

FEW = 8
"""Directions of an operator that is evaluated exactly without a plan."""


def laplacian(
    u: Any, x: Tensor, *, axes: Sequence[int] | None = None, how: How | None = None
) -> Float[Tensor, "batch outputs"]:
    """sum over axes of u_ii."""
    return operate(Diagonal(2, 1.0, axes), u, x, how)


def biharmonic(
    u: Any, x: Tensor, *, axes: Sequence[int] | None = None, how: How | None = None
) -> Float[Tensor, "batch outputs"]:
    """sum over pairs of axes of u_iijj, the Laplacian of the Laplacian; samples of `Sparse` are pairs."""
    return operate(Biharmonic(axes), u, x, how)


def diagonal_operator(
    u: Any,
    x: Tensor,
    coefficients: Tensor | float | int,
    order: int,
    *,
    axes: Sequence[int] | None = None,
    how: How | None = None,
) -> Float[Tensor, "batch outputs"]:
    """sum over axes of c_i d_i^order u; coefficients a number, (d,) or (batch, d).

    Raises DomainError also for a `Dense` estimate above order 3, since there is none.
    """
    return operate(Diagonal(order, coefficients, axes), u, x, how)


def second_order(u: Any, x: Tensor, factor: Tensor, *, how: How | None = None) -> Float[Tensor, "batch outputs"]:
    """trace(S S^T Hess u) with S = factor, (d, r) or (batch, d, r)."""
    return operate(SecondOrder(factor), u, x, how)


def partial_sum(
    u: Any,
    x: Tensor,
    wanted: Sequence[Sequence[int]],
    coefficients: Tensor | float | int = 1.0,
    *,
    how: How | None = None,
) -> Float[Tensor, "batch outputs"]:
    """sum over n of c_n d^(wanted_n) u for partials of one order, such as (i, i, j) for all i: d_j of the Laplacian."""
    return operate(PartialSum(tuple(tuple(axes) for axes in wanted), coefficients), u, x, how)


def partials(u: Any, x: Tensor, wanted: Sequence[Sequence[int]]) -> tuple[Float[Tensor, "batch outputs"], ...]:
    """Each wanted partial from one pass: () is the value, (0, 0, 1) is u_001."""
    _check(u, x)
    combined = polarise(wanted)
    if not combined.order:
        return tuple(u(x) for _ in combined.wanted)
    passes = passes_of(u, x, combined.wanted)
    if passes is not None:
        return tuple(passes.partial(axes) for axes in combined.wanted)
    found = propagate(u, x, packed(combined.directions, x), combined.order)
    results = []
    for axes, coefficients in zip(combined.wanted, combined.coefficients, strict=True):
        if not axes:
            results.append(found[0])
            continue
        k = len(axes)
        order = sorted(coefficients)
        weights = torch.tensor([float(coefficients[j]) for j in order], dtype=x.dtype, device=x.device)
        some = found[k] if len(order) == len(found[k]) else found[k][order]
        results.append(torch.tensordot(weights * math.factorial(k), some, dims=1))
    return tuple(results)


def mixed(u: Any, x: Tensor, axes: Sequence[int]) -> Float[Tensor, "batch outputs"]:
    """One partial derivative, by its axes."""
    return partials(u, x, [axes])[0]


def directional(u: Any, x: Tensor, v: Tensor, order: int = 1) -> Float[Tensor, "batch outputs"]:
    """d^order/dt^order u(x + t v) at t = 0; v (d,) or (batch, d)."""
    _check(u, x)
    if v.shape not in (x.shape[1:], x.shape):
        raise DomainError(
            f"a direction of shape {tuple(v.shape)} for x of {tuple(x.shape)}; give (d,) or x's own shape"
        )
    return jet(u, x, v.unsqueeze(0), order)[-1][0]


@dataclass(frozen=True, eq=False)
class Parabolic:
    """What an equation u_t + L u + f(u) = 0 is made of: u, u_t and L u, each (batch, outputs)."""

    value: Tensor
    time: Tensor
    elliptic: Tensor


def parabolic(
    u: Any,
    x: Tensor,
    operator: Differential | None = None,
    *,
    time: int = -1,
    how: How | None = None,
) -> Parabolic:
    """u, u_t and L u from one pass: the time direction is always kept beside those of L, which are all or a draw.

    Args:
        operator: `Diagonal` or `SecondOrder` of order 2; the Laplacian of all coordinates but `time` when None.
    """
    _check(u, x)
    if not -x.shape[-1] <= time < x.shape[-1]:
        raise DomainError(f"time is column {time} and x has {x.shape[-1]}; count them from 0, or from -1 backwards")
    axis = time % x.shape[-1]
    operator = Diagonal(2, 1.0, [i for i in range(x.shape[-1]) if i != axis]) if operator is None else operator
    if operator.order != 2:
        raise DomainError(f"an operator of order {operator.order} was given; a parabolic equation has order 2 in space")
    passes = by_reverse(operator, u, x, how)
    if passes is not None:
        return Parabolic(passes.partial(()), passes.partial((axis,)), passes.diagonal(operator))
    chosen = _chosen(operator, u, x, how)
    if chosen.reduced or chosen.at_once is not None:  # several passes anyway
        value, first = propagate(u, x, packed([((axis, 1),)], x), 1)
        return Parabolic(value, first[0], _run(operator, u, x, chosen))
    scheme = chosen.scheme(operator, x)
    value, first, second = series(u, x, with_direction(scheme, axis, x))
    return Parabolic(value, first[0], second)


@dataclass(frozen=True, eq=False)
class Estimate:
    """An operator from random draws: u(x), the mean over draws, and its standard error (all (batch, outputs))."""

    value: Tensor
    mean: Tensor
    standard_error: Tensor


def estimate(u: Any, x: Tensor, operator: Differential, how: Sparse | Dense) -> Estimate:
    """An estimate with its spread: draws are kept apart, at about twice the time of their collapsed sum.

    Args:
        operator: `Diagonal`, `Biharmonic`, `SecondOrder` or `PartialSum`; what `laplacian` is with `Diagonal()`.

    The standard error is zero where all terms were drawn. Raises DomainError for a single draw.
    """
    _check(u, x)
    if not isinstance(how, Sparse | Dense):
        raise DomainError(f"how is {how!r}; an estimate is Sparse(samples=...) or Dense(samples=...)")
    scheme = operator.sparse(x, how) if isinstance(how, Sparse) else operator.dense(x, how)
    value, terms = each(u, x, scheme)
    mean, left = terms.sum(0), 1.0 if scheme.population is None else 1 - scheme.samples / scheme.population
    if scheme.samples == 0 or left == 0:
        return Estimate(value, mean, torch.zeros_like(mean))
    if scheme.samples == 1:
        raise DomainError("one draw has no spread; ask for at least two samples")
    draws = terms.unflatten(0, (scheme.samples, -1)).sum(1) * scheme.samples
    return Estimate(value, mean, draws.std(0) * (left / scheme.samples) ** 0.5)


@dataclass(frozen=True)
class _Chosen:
    how: How
    reduced: bool = False
    at_once: int | None = None

    def scheme(self, operator: Differential, x: Tensor) -> Scheme:
        if isinstance(self.how, Sparse):
            return operator.sparse(x, self.how)
        return operator.dense(x, self.how) if isinstance(self.how, Dense) else operator.exact(x)


def operate(operator: Differential, u: Any, x: Tensor, how: How | None) -> Tensor:
    """Any operator, by the way asked for or planned."""
    _check(u, x)
    passes = by_reverse(operator, u, x, how)
    return _run(operator, u, x, _chosen(operator, u, x, how)) if passes is None else passes.diagonal(operator)


def _chosen(operator: Differential, u: Any, x: Tensor, how: How | None) -> _Chosen:
    if type(operator.order) is not int or not 1 <= operator.order <= HIGHEST:
        raise DomainError(f"order {operator.order} is not among 1 to {HIGHEST}; jets reach no further")
    if isinstance(how, Exact) and how.at_once is not None and how.at_once < 1:
        raise DomainError(f"at_once is {how.at_once}; a pass takes at least one direction")
    if how is None or isinstance(how, Exact):
        if how is None and operator.count(x) <= FEW:
            return _Chosen(Exact())
        found = plan(u, x, operator=operator, how=how)
        if how is None and not isinstance(found.how, Exact):
            tell(found, type(operator).__name__.lower(), x.shape[-1])
        whole = found.at_once >= found.directions
        return _Chosen(found.how, found.route == "reduced", None if whole else found.at_once)
    if not isinstance(how, Sparse | Dense):
        raise DomainError(f"how is {how!r}; give None, Exact(), Sparse(samples=...) or Dense(samples=...)")
    return _Chosen(how)


def _run(operator: Differential, u: Any, x: Tensor, chosen: _Chosen) -> Tensor:
    if chosen.reduced:
        assert isinstance(operator, Diagonal)
        return forward_laplacian(u, x, operator.axes) * operator.coefficients
    return apply(u, x, chosen.scheme(operator, x), chosen.at_once)


def _check(u: Any, x: Any) -> None:
    if not callable(u):
        raise DomainError(f"u is a {type(u).__name__}; give a function or module from (batch, d) to (batch, outputs)")
    if not isinstance(x, Tensor) or x.ndim != 2 or x.dtype not in (torch.float32, torch.float64):
        kind = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise DomainError(f"x is {kind}; give points as (batch, d) in float32 or float64")
