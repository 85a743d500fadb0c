"""Operations that change a series in place: the same object gets the new series.

A tensor of torch shares its memory with its views, a series does not. So whatever else lies in the memory of a changed
value is refused from then on, and no view goes on with an old series unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogates.derivatives.jet import Jet, name_of, rule
from surrogates.derivatives.refused import refuse
from surrogates.derivatives.rules.constants import constant
from surrogates.derivatives.rules.linear import jointly
from surrogates.derivatives.rules.shapes import positions

CHANGED_TWICE = "its memory was changed in place through another view; write y = y + 1 rather than y += 1 there"


def check(given: Any) -> None:
    """Refuse a series whose memory another one has changed in place."""
    for x in given:
        if isinstance(x, Jet) and x.frame.changed and _memory(x.value) in x.frame.changed:
            refuse(Tensor.add_, CHANGED_TWICE)


def change(target: Any, new: Any, operation: Any) -> Any:
    """Give `target` the series `new` and return it. Raises DomainError where torch would change something else too."""
    if not isinstance(target, Jet):
        refuse(
            operation,
            "it writes into a tensor that does not depend on x; start from torch.zeros_like(x) or x.new_zeros",
        )
    if new is target:
        return target
    if not isinstance(new, Jet):
        new = constant(new, target)
    if new.value.shape != target.value.shape:
        refuse(operation, f"{tuple(new.value.shape)} does not fit in place of {tuple(target.value.shape)}")
    target.frame.changed[_memory(target.value)] = (target, target.value)
    target.value, target.higher, target.support = new.value, new.higher, new.support
    return target


def _memory(value: Tensor) -> int:
    return int(value.untyped_storage()._cdata)


def counterpart(operation: Any) -> Any:
    """Of an operation that changes its first argument (`add_`, `__iadd__`) the one that does not; None of others."""
    name = name_of(operation)
    if name.startswith("__i") and name.endswith("__"):
        base = f"__{name[3:]}"
    elif name.endswith("_") and not name.startswith("_"):
        base = name[:-1]
    else:
        return None
    homes = [place for place in (Tensor, torch, F) if getattr(place, name, None) is operation]
    return getattr(homes[0], base, None) if homes else None


def _enter(operation: Any, following: Callable[..., Any]) -> None:
    rule(operation)(lambda self, *args, **kwargs: change(self, following(self, *args, **kwargs), operation))


_enter(Tensor.copy_, lambda self, src, non_blocking=False: self * 0 + src)
_enter(Tensor.fill_, lambda self, value: self.value.detach() * 0 + value)
_enter(Tensor.zero_, lambda self: torch.zeros_like(self.value))
_enter(Tensor.detach_, lambda self: self.value.detach().clone())


@rule(Tensor.__setitem__)
def put(self: Any, index: Any, value: Any) -> None:
    """x[index] = value, also as the second half of x[index] += value."""
    if not isinstance(self, Jet):
        change(self, value, Tensor.__setitem__)
    index = positions(index)
    before = self.frame.changed.get(_memory(self.value))
    if before is not None and before[0] is value and _same_place(self.value[index], before[1]):
        del self.frame.changed[_memory(self.value)]
    check((self, value))
    if not isinstance(value, Tensor):
        value = self.value.new_tensor(value)

    def written(x: Tensor, y: Tensor) -> Tensor:
        x = x.clone()
        x[index] = y
        return x

    change(self, jointly(written, self, value), Tensor.__setitem__)


def _same_place(a: Tensor, b: Tensor) -> bool:
    return a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride()
