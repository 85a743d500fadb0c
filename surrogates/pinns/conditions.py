"""DeepXDE's conditions on a callable u: its Dirichlet, Neumann, Robin, periodic, operator, point-set and initial ones.

Errors are those of deepxde.icbc. What differs: values of the right-hand side are computed in double precision for the
points at hand (DeepXDE remembers them by the address of the array of points, and points drawn anew may lie at an old
address), and normal derivatives come from one forward pass along the normal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.blocks.deepxde import deepxde
from surrogates.derivatives import jet
from surrogates.physics.errors import DomainError
from surrogates.pinns.drawing import in_double, mix, seeded

Field = Callable[[Tensor], Tensor]
_KINDS = {
    "DirichletBC": "dirichlet",
    "NeumannBC": "neumann",
    "RobinBC": "robin",
    "PeriodicBC": "periodic",
    "OperatorBC": "operator",
    "PointSetBC": "observations",
    "PointSetOperatorBC": "operator_observations",
    "Interface2DBC": "interface",
    "IC": "initial",
}
_ROUNDS = 30


@dataclass(frozen=True)
class EdgePoints:
    """Points of one condition, with what its error needs beside u.

    Args:
        x: the points. array: the same as DeepXDE draws them, float64. values: right-hand side, a number or (points, k).
        normal: outward unit normals (points, dim). rows: which observations these are, of a condition in minibatches.
    """

    x: Float[Tensor, "points dim"]
    array: np.ndarray
    values: Tensor | None = None
    normal: Tensor | None = None
    rows: np.ndarray | None = None

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> EdgePoints:
        """The same elsewhere, or in another precision."""
        moved = {n: getattr(self, n) for n in ("x", "values", "normal") if getattr(self, n) is not None}
        return replace(self, **{n: t.to(device=device, dtype=dtype) for n, t in moved.items()})


class Condition:
    """One of DeepXDE's conditions, drawn and evaluated by us.

    Args:
        name: of its part of the loss. source: the DeepXDE object.
    Raises DomainError for a class that is none of DeepXDE's conditions.
    """

    def __init__(self, name: str, source: Any) -> None:
        icbc = deepxde().icbc
        kinds = [cls for cls in type(source).__mro__ if cls.__name__ in _KINDS and hasattr(icbc, cls.__name__)]
        if not kinds:
            known = ", ".join(_KINDS)
            raise DomainError(f"condition {name!r} is a {type(source).__name__}; give one of deepxde.icbc: {known}")
        self.name, self.source, self.kind = name, source, _KINDS[kinds[0].__name__]

    def points(self, n: int, seed: int) -> EdgePoints:
        """About n points of it, a function of n and the seed only; all observations of a point set without batch_size.

        Raises DomainError where random points of the geometry's edge never meet the condition.
        """
        with seeded(mix(seed)), in_double():
            array, rows = self._array(n)
            return self._with_values(np.asarray(array, dtype=np.float64), rows)

    def at(self, array: np.ndarray) -> EdgePoints:
        """The same for given points, in the order in which DeepXDE's own loss takes them."""
        with in_double():
            return self._with_values(np.asarray(array, dtype=np.float64), None)

    def error(self, u: Field, points: EdgePoints) -> Float[Tensor, "points k"]:
        """What should be zero at each point (each pair of points, for the periodic and interface conditions)."""
        return _ERRORS[self.kind](self.source, u, points)

    def _array(self, n: int) -> tuple[np.ndarray, np.ndarray | None]:
        source = self.source
        if self.kind in ("observations", "operator_observations"):
            if source.batch_size is None:
                return source.points, None
            rows = np.random.permutation(len(source.points))[: source.batch_size]  # noqa: NPY002
            return source.points[rows], rows
        if self.kind == "interface":
            return source.collocation_points(source.geom.uniform_boundary_points(n)), None
        draw = source.geom.random_initial_points if self.kind == "initial" else source.geom.random_boundary_points
        found: list[np.ndarray] = []
        for _ in range(_ROUNDS):
            found.append(source.filter(draw(n)))
            if sum(map(len, found)) >= n:
                break
        some = np.vstack(found)[:n]
        if not len(some):
            raise DomainError(
                f"condition {self.name!r} holds at none of {_ROUNDS * n} random points of the edge; look at its "
                "on_boundary or on_initial function"
            )
        return source.collocation_points(some), None

    def _with_values(self, array: np.ndarray, rows: np.ndarray | None) -> EdgePoints:
        source, x = self.source, torch.from_numpy(array)
        values = normal = None
        if self.kind in ("dirichlet", "neumann", "initial"):
            values = _right_hand_side(self.name, source.func, array)
        elif self.kind == "interface":
            values = _right_hand_side(self.name, source.func, array[: len(array) // 2])
        elif self.kind in ("observations", "operator_observations"):
            values = torch.as_tensor(source.values).detach().double().cpu()
            values = values if rows is None or values.ndim == 0 else values[torch.from_numpy(rows)]
        if self.kind in ("neumann", "robin", "interface"):
            normal = torch.from_numpy(np.asarray(source.geom.boundary_normal(array), dtype=np.float64))
        return EdgePoints(x, array, values, normal, rows)


def named_conditions(conditions: Any) -> dict[str, Condition]:
    """Conditions by name; those of a sequence are named by their kind, and numbered where there are several of a kind.

    Raises DomainError for what is no condition, or no name.
    """
    if isinstance(conditions, Mapping):
        for name in conditions:
            if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise DomainError(f"condition name {name!r}; names are letters, digits and _")
        return {name: Condition(name, source) for name, source in conditions.items()}
    given = list(conditions) if isinstance(conditions, Sequence) else [conditions]
    kinds = [Condition(type(source).__name__, source).kind for source in given]
    names = [k if kinds.count(k) == 1 else f"{k}_{1 + kinds[:i].count(k)}" for i, k in enumerate(kinds)]
    return {name: Condition(name, source) for name, source in zip(names, given, strict=True)}


def along(u: Field, x: Float[Tensor, "points dim"], v: Float[Tensor, "points dim"]) -> tuple[Tensor, Tensor]:
    """u and its derivative along v, each (points, outputs)."""
    value, slope = jet(u, x, v[None], 1)
    return value, slope[0]


def _right_hand_side(name: str, func: Any, array: np.ndarray) -> Tensor:
    """What the user's function says, without DeepXDE's cache and single precision around it."""
    own = func.__wrapped__.__wrapped__
    try:
        found = own(array)
    except TypeError as error:
        raise DomainError(f"the function of condition {name!r} fails on points {array.shape}: {error}") from error
    values = torch.as_tensor(found).detach().double().cpu()
    if values.ndim == 2 and values.shape[1] != 1:
        raise DomainError(
            f"the function of condition {name!r} gave {tuple(values.shape)}; give (points, 1), one condition for each "
            "component"
        )
    return values if values.ndim != 1 or len(values) == 1 else values[:, None]


def _column(y: Tensor, component: Any) -> Tensor:
    return y[:, component : component + 1] if isinstance(component, int) else y[:, component]


def _values(source: Any, u: Field, p: EdgePoints) -> Tensor:
    assert p.values is not None
    return _column(u(p.x), source.component) - p.values


def _neumann(source: Any, u: Field, p: EdgePoints) -> Tensor:
    assert p.normal is not None
    assert p.values is not None
    return _column(along(u, p.x, p.normal)[1], source.component) - p.values


def _robin(source: Any, u: Field, p: EdgePoints) -> Tensor:
    assert p.normal is not None
    value, slope = along(u, p.x, p.normal)
    said = torch.as_tensor(source.func(p.array, value)).to(value)
    return _column(slope, source.component) - said


def _periodic(source: Any, u: Field, p: EdgePoints) -> Tensor:
    if source.derivative_order == 0:
        y = u(p.x)
    else:
        axis = torch.zeros_like(p.x)
        axis[:, source.component_x] = 1.0
        y = along(u, p.x, axis)[1]
    left, right = _column(y, source.component).chunk(2)
    return left - right


def _operator(source: Any, u: Field, p: EdgePoints) -> Tensor:
    x = p.x.detach().requires_grad_()
    found: Tensor = source.func(x, u(x), p.array)
    deepxde().grad.clear()  # it remembers every Jacobian asked for, with its graph
    return found if p.values is None else found - p.values


def _interface(source: Any, u: Field, p: EdgePoints) -> Tensor:
    assert p.normal is not None
    assert p.values is not None
    normal = p.normal
    if source.direction == "tangent":
        normal = torch.stack([normal[:, 1], -normal[:, 0]], dim=1)
    left, right = (u(p.x)[:, :2] * normal).sum(dim=1, keepdim=True).chunk(2)
    return left + right - p.values


_ERRORS: dict[str, Callable[[Any, Field, EdgePoints], Tensor]] = {
    "dirichlet": _values,
    "initial": _values,
    "observations": _values,
    "neumann": _neumann,
    "robin": _robin,
    "periodic": _periodic,
    "operator": _operator,
    "operator_observations": _operator,
    "interface": _interface,
}
