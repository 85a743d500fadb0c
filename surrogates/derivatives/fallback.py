"""Operations without a rule: opened where torch composes them in Python, else followed by nested forward derivatives.

Nesting k times costs 2^k of the operation, and torch's own formulas for fused operations are not always right when
nested, so the first use of an operation is told once and its second derivative compared with a finite difference.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp
from torch.utils._pytree import tree_flatten, tree_unflatten

from surrogates.derivatives.jet import RULES, Jet, frame_of, name_of, where
from surrogates.derivatives.refused import refuse
from surrogates.derivatives.rules.inplace import change, counterpart
from surrogates.derivatives.rules.support import dense, full
from surrogates.derivatives.series import Coefficient
from surrogates.physics.errors import SurrogatesWarning

TOLD: set[str] = set()
"""Operations of which the user has been told."""
_OPEN: list[Any] = []


def follow(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """An operation without a rule on series.

    Raises DomainError, with the operation and the user's line, where torch cannot follow it or follows it wrongly.
    """
    quiet = counterpart(operation)
    if quiet in RULES:
        return change(args[0], RULES[quiet](*args, **kwargs), operation)
    if quiet is not None or name_of(operation) == "__set__":
        refuse(operation, "this change in place has no rule; write y = f(y)")
    if isinstance(operation, torch.ScriptMethod | torch.ScriptFunction):
        refuse(operation, "torch's second derivatives through TorchScript are zero; give the module it was made from")
    if isinstance(operation, FunctionType) and operation not in _OPEN and operation.__module__.startswith("torch"):
        _OPEN.append(operation)
        try:
            return _opened(operation)(*args, **kwargs)
        finally:
            _OPEN.pop()
    return nested(operation, args, kwargs)


@cache
def _opened(function: FunctionType) -> FunctionType:
    """The same function of torch without its first lines, which hand a subclass of Tensor back instead of computing."""
    asks = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
    names = {**function.__globals__, **dict.fromkeys(asks, lambda *_: False)}
    opened = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    opened.__kwdefaults__ = function.__kwdefaults__
    return opened


def nested(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The series of operation(z(t)) by jvp of jvp; directions by vmap, one by one where torch cannot map it."""
    leaves, spec = tree_flatten((tuple(args), dict(kwargs)), is_leaf=lambda x: isinstance(x, Jet))
    places = [i for i, x in enumerate(leaves) if isinstance(x, Jet)]
    jets = [dense(leaves[i]) for i in places]
    frame, order = frame_of(jets), jets[0].frame.order

    def at(tensors: Sequence[Tensor]) -> Any:
        filled = list(leaves)
        for i, x in zip(places, tensors, strict=True):
            filled[i] = x
        positional, named = tree_unflatten(filled, spec)
        return operation(*positional, **named)

    value = at([j.value for j in jets])
    outputs, shape = tree_flatten(value)
    smooth = [i for i, y in enumerate(outputs) if isinstance(y, Tensor) and (y.is_floating_point() or y.is_complex())]
    if not smooth:
        return value

    def floats(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        found = tree_flatten(at(tensors))[0]
        return tuple(found[i] for i in smooth)

    summed = frame.weights is not None
    rows = [[full(c, j.value.shape) for c in (j.higher[:-1] if summed else j.higher)] for j in jets]
    tops = [j.higher[-1] for j in jets] if summed else [None] * len(jets)
    try:
        parts = _along(floats, jets, rows, order, frame.count)
        _tell_once(operation, floats, jets, rows, parts)
        if summed:
            parts = [[*p[:-1], frame.collapse(p[-1])] for p in parts]
            if any(c is not None for c in tops):
                slope = [
                    torch.zeros_like(j.value) if c is None else full(c, j.value.shape, summed=True)
                    for c, j in zip(tops, jets, strict=True)
                ]
                more = jvp(lambda *x: floats(x), tuple(j.value for j in jets), tuple(slope))[1]
                parts = [[*p[:-1], m if p[-1] is None else p[-1] + m] for p, m in zip(parts, more, strict=True)]
    except (NotImplementedError, RuntimeError) as error:
        refuse(operation, f"torch cannot differentiate it forward: {str(error).strip().splitlines()[0]}")
    for i, p in zip(smooth, parts, strict=True):
        outputs[i] = Jet.of(outputs[i], p, frame)
    return tree_unflatten(outputs, shape)


Rows = list[list[Coefficient]]


def _along(
    function: Callable[[Sequence[Tensor]], tuple[Tensor, ...]], jets: Sequence[Jet], rows: Rows, order: int, count: int
) -> list[list[Coefficient]]:
    """For each output its coefficients of t, ..., t^order along every direction."""
    given = [c for row in rows for c in row if c is not None]
    if not given:
        return [[None] * order for _ in function([j.value for j in jets])]

    def one(*coefficients: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        rest = iter(coefficients)
        own = [[None if c is None else next(rest) for c in row] for row in rows]

        def along(t: Tensor) -> Any:
            return (function([_polynomial(j.value, row, t) for j, row in zip(jets, own, strict=True)]),)

        curve: Callable[[Tensor], Any] = along
        zero = jets[0].value.new_zeros(())
        for _ in range(order):
            curve = _prolonged(curve)
        found: tuple[tuple[Tensor, ...], ...] = curve(zero)[1:]
        return found

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop")
            derivatives = torch.vmap(one)(*given)
    except (RuntimeError, ValueError):
        each = [one(*(c[v] for c in given)) for v in range(count)]
        derivatives = tuple(
            tuple(torch.stack([e[k][i] for e in each]) for i in range(len(each[0][k]))) for k in range(order)
        )
    return [[d[i] / math.factorial(k) for k, d in enumerate(derivatives, start=1)] for i in range(len(derivatives[0]))]


def _polynomial(value: Tensor, row: Sequence[Coefficient], t: Tensor) -> Tensor:
    for k, c in enumerate(row, start=1):
        value = value if c is None else value + c * t**k
    return value


def _prolonged(curve: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """t -> all derivatives that `curve` gives, and one more."""

    def longer(t: Tensor) -> Any:
        found, slopes = jvp(curve, (t,), (torch.ones_like(t),))[:2]
        return (found[0], *slopes)

    return longer


def _tell_once(operation: Any, function: Any, jets: Sequence[Jet], rows: Rows, parts: Rows) -> None:
    name = name_of(operation)
    if name in TOLD:
        return
    if len(parts[0]) > 1 and not _agrees(function, jets, rows, parts):
        refuse(operation, "torch's nested derivatives of it are wrong; write it with elementary operations")
    TOLD.add(name)
    warnings.warn(
        f"{name} has no rule for Taylor series ({where()}) and is followed by nested forward derivatives, at a cost "
        "that doubles with each order; this is told once",
        SurrogatesWarning,
        stacklevel=2,
    )


def _agrees(function: Any, jets: Sequence[Jet], rows: Rows, parts: Rows) -> bool:
    """Whether the second coefficients along the first direction are those of central differences, for most entries."""
    with torch.no_grad():
        step = 1e-3 if jets[0].value.dtype == torch.float64 else 3e-2
        ends: list[Any] = []
        for t in (-step, 0.0, step):
            point = [
                _polynomial(j.value, [None if c is None else c[0] for c in row], j.value.new_tensor(t))
                for j, row in zip(jets, rows, strict=True)
            ]
            ends.append(function(point))
        for before, here, after, part in zip(*ends, parts, strict=True):
            if part[1] is None or not here.numel():
                continue
            measured, given = (before - 2 * here + after) / (2 * step**2), part[1][0]
            size = torch.maximum(measured.abs(), given.abs()) + here.abs().max()
            if ((measured - given).abs() / size).median() > 0.02:
                return False
    return True
