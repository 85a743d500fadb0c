"""The door to every rule: what no rule may be asked is refused here, the rest goes to its rule or to the fallback."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from surrogates.derivatives.fallback import follow
from surrogates.derivatives.jet import Jet, Rule
from surrogates.derivatives.refused import refuse
from surrogates.derivatives.rules.inplace import change, check, put
from surrogates.physics.errors import DomainError


def take(rule: Rule | None, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The operation on series."""
    if rule is not None and kwargs:
        args, kwargs = _placed(args, kwargs)
    frame = next(_jets((*args, *kwargs.values()))).frame
    if frame.graph and not torch.is_grad_enabled():
        refuse(
            operation,
            "under torch.no_grad (or in a torch.autograd.Function) it is not said whether it depends on x; take"
            " x.detach() for a constant, else compute with gradients on",
        )
    if torch.is_autocast_enabled(args[0].device.type if args and isinstance(args[0], Jet) else "cpu"):
        refuse(operation, "under torch.autocast it runs in half precision, which loses all digits of a series")
    if kwargs.get("out") is not None:
        refuse(operation, "out= writes into a tensor that carries no series; use the result instead")
    if frame.changed and rule is not put:
        check(_jets((*args, *kwargs.values())))
    inplace = kwargs.get("inplace")
    given = {k: v for k, v in kwargs.items() if k != "inplace"} if inplace else kwargs
    result = follow(operation, args, dict(given)) if rule is None else rule(*args, **given)
    return change(args[0] if args else given["input"], result, operation) if inplace else result


_ALIASES = {"axis": "dim", "keepdims": "keepdim"}
_SECOND = ("other", "mat2", "vec", "vec2", "tensor")
_THIRD = ("condition", "mat", "mat1", "vec1", "batch1")  # with one of these, the others stand elsewhere


def _placed(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Arguments as rules take them: operands by place, and torch's names in place of numpy's, which it accepts too."""
    named = {_ALIASES.get(name, name): value for name, value in kwargs.items()}
    if named.keys().isdisjoint(_THIRD):
        if not args and "input" in named:
            args = (named.pop("input"),)
        for name in _SECOND:
            if len(args) == 1 and name in named and "input" not in named:
                args = (*args, named.pop(name))
    return args, named


def called(u: Callable[[Any], Any], x: Jet) -> Any:
    """u(x), with a clear error where it leaves torch's Python functions, or gives what a later change made stale."""
    try:
        y = u(x)
    except RuntimeError as error:
        if "TorchScript" not in str(error):
            raise
        raise DomainError(
            "u runs a function compiled by torch.jit, below which no series is seen; give the original"
        ) from error
    check(_jets((y,)))
    return y


def _jets(given: Any) -> Any:
    for x in given:
        if isinstance(x, Jet):
            yield x
        elif isinstance(x, list | tuple):
            yield from _jets(x)
