"""The input of a function that meets x only in linear layers z = W x + b and in s = |x|^2.

What such a function is made of is found by running it once on an `Input` that notes these operations and refuses all
others; an `Input` of another kind then hands out the series that the forward Laplacian needs in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogates.derivatives.jet import QUERIES, Jet, forms, name_of


class NotReducible(Exception):
    """The function does something else with x."""


@runtime_checkable
class Meeting(Protocol):
    """What becomes of x where a function meets it."""

    def linear(self, x: Input, weight: Tensor, bias: Tensor | None) -> Tensor: ...

    def square(self, x: Input, keepdim: bool) -> Tensor: ...


class Input(torch.Tensor):
    """x, or some columns of it, or (`squared`) their squares on the way to a sum."""

    value: Tensor
    columns: Tensor
    inside: Tensor
    meeting: Meeting
    squared: bool

    @staticmethod
    def of(value: Tensor, columns: Tensor, inside: Tensor, meeting: Meeting, *, squared: bool = False) -> Input:
        """`columns` are the coordinates in `value`, `inside` (d,) says which ones the operator differentiates by."""
        x = value.detach().as_subclass(Input)
        x.value, x.columns, x.inside, x.meeting, x.squared = value, columns, inside, meeting, squared
        return x

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        with torch._C.DisableTorchFunctionSubclass():
            if name_of(func) in QUERIES and len(args) and isinstance(args[0], Input) and not args[0].squared:
                return func(args[0].value, *args[1:], **kwargs)
            rule = RULES.get(func)
            if rule is None:
                raise NotReducible(name_of(func))
            return rule(*args, **kwargs)


def _linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    _only(input, weight, bias)
    return input.meeting.linear(input, weight, bias)


def _matmul(input: Any, other: Any) -> Tensor:
    _only(input, other)
    if not isinstance(other, Tensor) or other.ndim != 2:
        raise NotReducible("matmul")
    return input.meeting.linear(input, other.T, None)


def _square(input: Any, exponent: Any = 2) -> Input:
    _only(input, exponent)
    if isinstance(exponent, Tensor) or exponent != 2:
        raise NotReducible("pow")
    return Input.of(input.value, input.columns, input.inside, input.meeting, squared=True)


def _product(input: Any, other: Any) -> Input:
    same = isinstance(input, Input) and isinstance(other, Input) and input.value.data_ptr() == other.value.data_ptr()
    if not same or not torch.equal(input.columns, other.columns):
        raise NotReducible("mul")
    return _square(input)


def _sum(input: Any, dim: Any = None, keepdim: bool = False, **others: Any) -> Tensor:
    if not isinstance(input, Input) or not input.squared or dim not in (-1, 1, (-1,), (1,), [-1], [1]) or others:
        raise NotReducible("sum")
    return input.meeting.square(input, keepdim)


def _columns(input: Any, key: Any) -> Tensor:
    """x[:, some]; a plain tensor where the operator does not differentiate by these columns."""
    if not isinstance(input, Input) or input.squared or not isinstance(key, tuple) or len(key) != 2:
        raise NotReducible("__getitem__")
    if key[0] is not Ellipsis and key[0] != slice(None):
        raise NotReducible("__getitem__")
    value, columns = input.value[key], input.columns[key[1]]
    if not bool(input.inside[columns].any()):
        return value
    if value.ndim != 2 or columns.shape != value.shape[1:]:
        raise NotReducible("__getitem__")
    return Input.of(value, columns, input.inside, input.meeting)


def _only(input: Any, *others: Any) -> None:
    """The one input among the arguments comes first."""
    if not isinstance(input, Input) or input.squared or any(isinstance(other, Input | Jet) for other in others):
        raise NotReducible("an operation on two inputs")


RULES: dict[Any, Any] = {F.linear: _linear}
RULES |= dict.fromkeys(forms("matmul", "__matmul__", "mm"), _matmul)
RULES |= dict.fromkeys(forms("square", "pow", "__pow__"), _square)
RULES |= dict.fromkeys(forms("mul", "multiply", "__mul__"), _product)
RULES |= dict.fromkeys(forms("sum"), _sum)
RULES |= dict.fromkeys(forms("__getitem__"), _columns)


@dataclass(eq=False)
class Notes:
    """A meeting that computes as usual and notes linear maps (of the differentiated columns) and uses of |x|^2."""

    maps: list[Tensor] = field(default_factory=list)
    squares: bool = False

    def linear(self, x: Input, weight: Tensor, bias: Tensor | None) -> Tensor:
        self.maps.append(restricted(x, weight))
        return F.linear(x.value, weight, bias)

    def square(self, x: Input, keepdim: bool) -> Tensor:
        covered = torch.zeros_like(x.inside).index_fill(0, x.columns, True)
        if bool((x.inside & ~covered).any()):
            raise NotReducible("a square of some columns")
        self.squares = True
        return x.value.square().sum(-1, keepdim=keepdim)


def restricted(x: Input, weight: Tensor) -> Tensor:
    """(m, n): the columns of a weight by which the operator differentiates, zeros for those that x lacks."""
    if len(x.columns) == len(x.inside):
        return weight if bool(x.inside.all()) else weight[:, x.inside]
    whole = weight.new_zeros(len(weight), len(x.inside)).index_copy(1, x.columns, weight)
    return whole[:, x.inside]


def noted(u: Any, x: Tensor, inside: Tensor) -> Notes:
    """Runs u on a few points. Raises NotReducible where it does something else with x."""
    notes = Notes()
    y = u(Input.of(x, torch.arange(x.shape[-1], device=x.device), inside, notes))
    if isinstance(y, Input) or not isinstance(y, Tensor):
        raise NotReducible("its result")
    return notes
