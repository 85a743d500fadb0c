"""Which way an operator is evaluated: by estimated cost and memory, and says why.

Cost is counted in passes of u over the batch, gradient included: a jet of order k along V directions, its top order
collapsed, costs about 5 + V (k - 1)/2 of them (measured on a processor for k = 2, 3, 4, V = 16, 100 and width 128,
d = 100: 0.8 to 1.1 times that, half of it at d = 1000). An operator is evaluated exactly
unless that costs more than `WORTH` times its estimate from `SAMPLES` draws. The error of a mean falls with the root of
its cost, so an estimate at eight times the cost still has a third of its error, and the exact operator has none; beyond
that training gains more from many cheap steps. Memory never decides for an estimate by itself: passes along some of the
directions, recomputed for the gradient, bring it below the limit at a third more time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives.differentials import Diagonal, Differential
from surrogates.derivatives.forward_laplacian import directions, selected
from surrogates.derivatives.reduced_input import Notes, NotReducible, noted
from surrogates.derivatives.reverse import SIZES, ReversePasses, passes_of
from surrogates.derivatives.stde import Exact, How, Sparse
from surrogates.physics.errors import DomainError, SurrogatesWarning

WORTH = 8.0
SAMPLES = 16
MEMORY = 2.0 * 2**30
"""Bytes that one pass may keep for the gradient."""
KEPT = 1.0
"""Bytes that a jet keeps for each coefficient of a direction, over those that u itself keeps (measured: 0.4 to 1)."""


@dataclass(frozen=True)
class Plan:
    """How an operator will be evaluated.

    Args:
        route: "reduced" (exact, through the first layers), "exact", "reverse" (exact, by reverse passes from values
            that are there, a row of second derivatives each), "sparse" or "dense".
        how: what to pass as `how=` to have the same every time.
        directions, at_once: of the whole operator, and of one pass.
        cost: passes of u over the batch. memory: bytes kept for the gradient at a time.
    """

    route: str
    how: How
    directions: int
    at_once: int
    cost: float
    memory: float
    why: str

    def __str__(self) -> str:
        return (
            f"{self.route}: {self.directions} directions, {self.at_once} at once; about {self.cost:.0f} passes of u "
            f"and {self.memory / 2**20:.0f} MiB; {self.why}"
        )


def plan(
    u: Any,
    x: Tensor,
    order: int = 2,
    *,
    axes: Sequence[int] | None = None,
    operator: Differential | None = None,
    how: How | None = None,
    samples: int = SAMPLES,
    memory: float | int = MEMORY,
) -> Plan:
    """The plan for an operator; u is run on two points.

    Args:
        order: of sum_i d_i^order, unless `operator` is given.
        how: a way that is asked for: then cost and memory of that one.
        samples: directions of the estimate that the exact operator is compared with.
        memory: limit in bytes of what is kept for the gradient.
    """
    operator = Diagonal(order, 1.0, axes) if operator is None else operator
    passes = by_reverse(operator, u, x, how)
    if passes is not None:
        return _back(operator, passes)
    reducible = isinstance(operator, Diagonal) and operator.order == 2 and not isinstance(operator.coefficients, Tensor)
    notes, kept = _measure(u, x, operator.axes if isinstance(operator, Diagonal) else None, reducible)
    one = max(1.0, KEPT * max(1, operator.order - 1) * kept * len(x))
    exact = _exact(operator, x, notes, one, memory, how)
    if isinstance(how, Exact):
        return replace(exact, why="asked for")
    estimate = _estimate(operator, x, one, how, samples, exact)
    if how is not None:
        return replace(estimate, why="asked for")
    limit = WORTH * estimate.cost
    if exact.cost <= limit:
        return replace(
            exact, why=f"{exact.cost:.0f} passes are within {WORTH:.0f} times an estimate's {estimate.cost:.0f}"
        )
    return replace(
        estimate,
        why=f"the exact operator costs {exact.cost:.0f} passes, more than {WORTH:.0f} times {estimate.cost:.0f}",
    )


def by_reverse(operator: Differential, u: Any, x: Tensor, how: How | None) -> ReversePasses | None:
    """The reverse passes that make an operator, where u offers them and they are faster than series."""
    if how not in (None, Exact()) or not isinstance(operator, Diagonal) or isinstance(operator.coefficients, Tensor):
        return None
    terms = x.shape[-1] if operator.axes is None else len(operator.axes)
    if operator.order not in (1, 2) or not 0 < terms <= max(SIZES):
        return None
    return passes_of(u, x, operator.partials(x))


def _back(operator: Differential, passes: ReversePasses) -> Plan:
    rows = operator.count(passes.x) if operator.order == 2 else 0
    why = f"values are there with their graph, and {rows} rows of second derivatives of {len(passes.x)} points are few"
    return Plan("reverse", Exact(), rows or 1, rows or 1, 2 + 2.5 * rows, passes.memory(rows), why)


def _cost(count: float | int, order: int) -> float:
    return 5 + count * max(1, order - 1) / 2


def _exact(
    operator: Differential, x: Tensor, notes: Notes | None, one: float, memory: float | int, how: How | None
) -> Plan:
    given = how if isinstance(how, Exact) else Exact()
    count = operator.count(x)
    fits = max(1, int(memory // one))
    at_once = min(count, fits if given.at_once is None else given.at_once)
    passes = -(-count // at_once)
    again = 1.33 if passes > 1 and torch.is_grad_enabled() else 1.0
    along = Plan(
        "exact",
        Exact(at_once, False),
        count,
        at_once,
        again * (_cost(count, operator.order) + 5 * (passes - 1)),
        one * at_once,
        "",
    )
    if given.reduced and given.at_once is not None:
        raise DomainError("Exact(reduced=True) goes in one pass; leave at_once out, or take reduced=False")
    if given.reduced is False or given.at_once is not None:
        return along
    if notes is None:
        if given.reduced:
            raise DomainError(
                "Exact(reduced=True) is for the Laplacian of a function that meets x in linear layers and "
                "(x**2).sum(-1) only; leave reduced out"
            )
        return along
    few = directions(notes.maps, notes.squares)
    factor = 1.5 * few / max(1, len(x))  # L of W W^T, in passes of the first layer
    through = Plan("reduced", Exact(None, True), few, few, _cost(few, 2) + factor, one * few, "")
    return through if given.reduced or (through.cost < along.cost and through.memory <= memory) else along


def _estimate(operator: Differential, x: Tensor, one: float, how: How | None, samples: int, exact: Plan) -> Plan:
    if how is None:
        how = Sparse(max(1, samples // operator.drawn(1)))
    assert not isinstance(how, Exact)
    count = min(operator.drawn(how.samples), exact.directions) if isinstance(how, Sparse) else how.samples
    route = "sparse" if isinstance(how, Sparse) else "dense"
    return Plan(route, how, count, count, _cost(count, operator.order), one * count, "")


def _measure(u: Any, x: Tensor, axes: Sequence[int] | None, reducible: bool) -> tuple[Notes | None, float]:
    """What u does with x, None where it cannot be reduced, and the bytes a point that it keeps for its gradient."""
    notes, kept = None, dict[int, int]()
    with torch.enable_grad():
        try:
            some = x[:2].detach().requires_grad_().clone()
            if reducible:
                with torch.autograd.graph.saved_tensors_hooks(_counted(kept, some), lambda t: t):
                    notes = noted(u, some, selected(x, axes))
        except NotReducible:
            pass
        except Exception:  # a function that fails fails again where it is evaluated, which names the operation and line
            return None, 0.0
        if notes is None:
            kept.clear()
            try:
                with torch.autograd.graph.saved_tensors_hooks(_counted(kept, some), lambda t: t):
                    u(some)
            except Exception:
                return None, 0.0
    return notes, sum(kept.values()) / max(1, len(some))


def _counted(kept: dict[int, int], x: Tensor) -> Callable[[Tensor], Tensor]:
    """A hook that notes the bytes of each tensor that is kept, but for parameters and x itself."""

    def keep(t: Tensor) -> Tensor:
        root = t if t._base is None else t._base
        if not (root.is_leaf and root.requires_grad) and root.data_ptr() != x.data_ptr():
            kept[t.data_ptr()] = t.numel() * t.element_size()
        return t

    return keep


_TOLD: set[str] = set()


def tell(chosen: Plan, name: str, size: int) -> None:
    """One notice for each kind of operator that is estimated without having been asked for."""
    key = f"{name} {chosen.how.__class__.__name__} {size}"
    if key in _TOLD:
        return
    _TOLD.add(key)
    warnings.warn(
        f"{name} over {size} coordinates is estimated without bias from {chosen.directions} random directions, since "
        f"{chosen.why}; how=Exact() has it exact, how=Sparse(samples=...) or Dense(...) chooses the estimate",
        SurrogatesWarning,
        stacklevel=4,
    )
