"""A tensor that carries its Taylor series: what an ordinary nn.Module is fed to have it differentiated.

x(t) = x + t v along V directions at once; each operation of torch that meets a Jet is replaced by its rule on truncated
series, found in `RULES`. A module keeps its code: a Jet is a torch.Tensor to it.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives.directions import Frame
from surrogates.derivatives.series import Coefficient, Series
from surrogates.physics.errors import DomainError

Rule = Callable[..., Any]
RULES: dict[Any, Rule] = {}
"""Operation of torch -> rule; a rule takes the operation's own arguments."""
QUERIES: set[str] = set()
"""Names of operations that ask something of the value only: shape, dtype, comparisons."""


class Jet(torch.Tensor):
    """A value and the higher coefficients of its Taylor series in t.

    `value` has the shape that the module sees; `higher[k - 1]` is the coefficient of t^k, (V, *value.shape) or with
    ones in place of some of these sizes, None for zero. Where the frame is collapsed, the top one is summed over
    directions and has the value's shape. With a `support`, the last axis of `higher` holds only the entries at these
    indices (V, m), all others being zero, and the top one is not collapsed yet.
    """

    value: Tensor
    higher: tuple[Coefficient, ...]
    frame: Frame
    support: Tensor | None

    @staticmethod
    def of(value: Tensor, higher: Sequence[Coefficient], frame: Frame, *, sparse: bool | Tensor | None = False) -> Jet:
        """A jet of a value and its coefficients of t, t^2, ..., t^order; sparse at the frame's indices, or at these."""
        jet: Jet = torch.Tensor._make_wrapper_subclass(Jet, value.shape, dtype=value.dtype, device=value.device)
        if value.is_complex():  # a sum of a real series and a complex constant
            higher = [None if c is None else c.to(value.dtype) for c in higher]
        jet.value, jet.higher, jet.frame = value, tuple(higher), frame
        jet.support = sparse if isinstance(sparse, Tensor) else frame.indices if sparse else None
        return jet

    @property
    def sparse(self) -> bool:
        """Whether only the entries at its support are kept."""
        return self.support is not None

    @property
    def series(self) -> Series:
        """All coefficients, the value first."""
        return (self.value, *self.higher)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        from surrogates.derivatives import guard  # rules stand on this file

        kwargs = kwargs or {}
        rule = RULES.get(func)
        if rule is None and name_of(func) in QUERIES:
            return func(*plain(args), **plain(kwargs))
        return guard.take(rule, func, args, kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Reached only past every rule: compiled code, vmap or a copy, which would lose the series without a word."""
        raise DomainError(f"{func} reads a series below torch's functions ({where()}); call torch's functions on it")

    def __repr__(self, *_: Any, **__: Any) -> str:  # type: ignore[override]
        return f"Jet(shape={tuple(self.value.shape)}, order={self.frame.order}, directions={self.frame.count})"


def rule(*operations: Any) -> Callable[[Rule], Rule]:
    """Enter a rule for these operations of torch."""

    def enter(function: Rule) -> Rule:
        for operation in operations:
            RULES[operation] = function
        return function

    return enter


def forms(*names: str) -> list[Any]:
    """Every function, method and property of torch with one of these names."""
    places = (torch, torch.Tensor, torch.nn.functional, torch.special, torch.linalg)
    found = [getattr(place, name) for name in names for place in places if hasattr(place, name)]
    return [f.__get__ if type(f).__name__ == "getset_descriptor" else f for f in found]


def name_of(operation: Any) -> str:
    """`tanh`, `shape`, `__add__`."""
    if isinstance(operation, torch.ScriptMethod):
        return "the TorchScript module"
    name = getattr(operation, "__name__", str(operation))
    return str(operation.__self__.__name__) if name == "__get__" else str(name)


def frame_of(values: Iterable[Any]) -> Frame:
    """The frame that the jets among these values share. Raises DomainError for jets of two expansions."""
    frames = {id(v.frame): v.frame for v in values if isinstance(v, Jet)}
    if len(frames) != 1:
        raise DomainError("series of two expansions meet; give directions together, or a higher order, not jet in jet")
    return next(iter(frames.values()))


def where() -> str:
    """file:line and text of the innermost line that belongs to neither torch nor this room."""
    inner = (str(Path(__file__).parent), str(Path(torch.__file__).parent), "<")
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(inner)
        or Path(frame.f_code.co_filename).parent.name in ("jaxtyping", "beartype")
    ):
        frame = frame.f_back
    name, line = frame.f_code.co_filename, frame.f_lineno
    return f"{Path(name).name}:{line}: {linecache.getline(name, line).strip()}"


def plain(given: Any) -> Any:
    """The value in place of each series, also within lists, tuples and dictionaries."""
    if isinstance(given, Jet):
        return given.value
    if type(given) is dict:
        return {key: plain(g) for key, g in given.items()}
    return type(given)(plain(g) for g in given) if type(given) in (list, tuple) else given
