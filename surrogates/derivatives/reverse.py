"""First and second derivatives of one output by reverse passes, from values that are there with their graph.

A training loop has evaluated the network before its residual asks for derivatives. Then one pass back gives all first
derivatives and one more a row of second ones, with nothing evaluated anew, where series carry every direction through
the network again. Measured on a processor, gradients of the parameters included, at 3 layers: series over reverse
passes take 4.6 to 2.2 for first derivatives alone; for one row of second ones 2.8 at batch times width 900, 1.3 at
66 000, 1.0 at 380 000; for three rows 1.4 at 900, 1.25 at 6 000, 0.7 at 66 000. `SIZES` says that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from surrogates.derivatives.differentials import Diagonal, Differential
from surrogates.kernels.transforms import transformed

SIZES = {1: 200_000, 2: 20_000, 3: 10_000}
"""Rows of second derivatives -> batch times width up to which reverse passes take less time than series."""
_LAYERS = {"AddmmBackward0", "MmBackward0"}
_COLUMNS = {"SliceBackward0", "CatBackward0", "SumBackward1"}
_EACH = {
    f"{name}Backward0"
    for name in ["Add", "Sub", "Mul", "Div", "Neg", "Pow", "Reciprocal", "Tanh", "Sigmoid", "Silu", "Sin", "Cos", "Exp"]
} | {"RsubBackward1"}
"""Operations that act on rows apart from each other and whose gradients torch differentiates any number of times."""
_KNOWN: WeakKeyDictionary[nn.Module, dict[Any, list[int] | None]] = WeakKeyDictionary()


class ReversePasses:
    """Derivatives of y = u(x) by reverse passes, each found once; what a `u` offers as `passes`.

    Args:
        net: the module u; its layers are looked at once in training, once in evaluation and once for each last
            operation, since a look at the graph of every call costs a tenth of a small step.
        x: (batch, d), a leaf that requires gradients. y: (batch, 1), with the graph that leads to x.
    """

    def __init__(self, net: nn.Module, x: Tensor, y: Tensor) -> None:
        self.net, self.x, self.y = net, x, y
        self._gradients: dict[tuple[int, ...], Tensor] = {}

    def suit(self, wanted: Iterable[Sequence[int]]) -> bool:
        """Whether these partials (axes of each) can be had this way, and faster than by series."""
        wanted = list(wanted)
        if max(map(len, wanted)) > 2 or any(not axis < self.x.shape[-1] for axes in wanted for axis in axes):
            return False
        rows = len({axes[0] for axes in wanted if len(axes) == 2})
        if rows > max(SIZES) or not self._reach():
            return False
        widths = self._widths
        return widths is not None and (rows == 0 or len(self.x) * max(widths) <= SIZES[rows])

    def partial(self, axes: tuple[int, ...]) -> Tensor:
        """(batch, 1): () is the value, (0,) is u_0, (0, 1) is u_01. Differentiable in the parameters and further."""
        if not axes:
            return self.y
        *before, last = axes
        gradient = self._gradients.get(tuple(before))
        if gradient is None:
            gradient = self._gradients[tuple(before)] = _gradient(self.partial(tuple(before)), self.x)
        return gradient if gradient.shape[-1] == 1 else gradient[:, last : last + 1]

    def diagonal(self, operator: Differential) -> Tensor:
        """A `Diagonal` operator whose partials suit, with one coefficient for all."""
        assert isinstance(operator, Diagonal)
        terms = [self.partial(axes) for axes in operator.partials(self.x)]
        total = terms[0] if len(terms) == 1 else torch.stack(terms).sum(0)
        return total if operator.coefficients == 1 else total * operator.coefficients

    def memory(self, rows: int) -> float:
        """Bytes that they keep, y's own graph included (measured: 4.0 and 7.7 times that of y)."""
        return (4.0 + 7.7 * rows) * len(self.x) * sum(self._widths or ()) * self.x.element_size()

    @property
    def _widths(self) -> list[int] | None:
        known = _KNOWN.setdefault(self.net, {})
        kind = (self.net.training, type(self.y.grad_fn))  # another last operation: a transform came since
        if kind not in known:
            known[kind] = _widths(self.x, self.y)
        return known[kind]

    def _reach(self) -> bool:
        x, y = self.x, self.y
        return (
            type(x) is type(y) is Tensor
            and x.is_cpu
            and x.is_leaf
            and x.requires_grad
            and y.requires_grad
            and y.shape == (len(x), 1)
            and torch.is_grad_enabled()
            and not transformed()
        )


def passes_of(u: Any, x: Tensor, wanted: Iterable[Sequence[int]]) -> ReversePasses | None:
    """Those that u offers at x, where they suit."""
    passes = getattr(u, "passes", None)
    return passes if isinstance(passes, ReversePasses) and passes.x is x and passes.suit(wanted) else None


def _gradient(y: Tensor, x: Tensor) -> Tensor:
    """(batch, d), zeros where y does not depend on x."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True, allow_unused=True)
    return torch.zeros_like(x) if found is None else found


def _widths(x: Tensor, y: Tensor) -> list[int] | None:
    """Of the layers between x and y; None where anything but layers and smooth functions of rows lies between."""
    found, seen, widths = [y.grad_fn], set[Any](), [1]
    while found:
        node = found.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name, before = node.name(), [other for other, _ in node.next_functions]
        if name in _LAYERS:
            if not _constant(before.pop(), x):
                return None
            widths.append(max(node._saved_mat2.shape))  # type: ignore[attr-defined]
        elif name in _COLUMNS:
            if not _last(node._saved_dim) or not getattr(node, "_saved_keepdim", True):  # type: ignore[attr-defined]
                return None
        elif name not in _EACH and not hasattr(node, "variable"):
            return None
        found += before
    return widths


def _constant(node: Any, x: Tensor) -> bool:
    """Whether the W^T of a layer is a parameter, or frozen."""
    if node is None:
        return True
    variable = getattr(node.next_functions[0][0], "variable", None) if node.name() == "TBackward0" else None
    return variable is not None and variable is not x


def _last(dim: Any) -> bool:
    """Whether an operation on rows (batch, columns) goes along columns; autograd keeps -1 as 2^64 - 1."""
    axes = dim if isinstance(dim, tuple) else (dim,)
    return all(axis in (1, -1, 2**64 - 1) for axis in axes)
