"""Functions of one number on series by generated code: one pass over memory forward, one back, and little kept.

The rule in eager torch (`rules.compose`) reads and writes the coefficients of all directions many times, and keeps
much of what it makes. Here one pass reads z_k and writes h_k; kept are z_k and the local coefficients f_m, which
have no axis of directions. The gradient is written by hand, df_m = (m + 1) f_(m+1) dz_0; who differentiates it again or
takes many gradients at once gets it from the eager rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives.directions import Frame
from surrogates.derivatives.jet import Jet
from surrogates.derivatives.series import Coefficient
from surrogates.kernels.native import usable
from surrogates.kernels.series import Composed
from surrogates.kernels.transforms import transformed

Local = Callable[[Tensor, int], list[Coefficient]]
Rule = Callable[[Jet, Local], Jet]


def composed(z: Jet, local: Local, eager: Rule) -> Jet | None:
    """f(z), None where native code cannot run; `eager` gives the same in torch's own operations.

    Args:
        local: (z_0, n) -> [f_0, ..., f_n], f_m = f^(m)(z_0) / m!; a shorter list ends in zeros.
    """
    present = [c for c in z.series if c is not None]
    if z.sparse or len(present) < 2 or not usable(*present) or z.value.numel() == 0:
        return None
    if z.frame.weights is not None and z.frame.weights.requires_grad:
        return None
    value = z.value.contiguous()
    size = value.shape[-1] if value.ndim else 1
    higher = [_lined(c, z, n, size) for n, c in enumerate(z.higher, start=1)]
    h = _Composition.apply(local, eager, z.frame, value.reshape(-1, size), *higher)
    first, *rest = (None if c is None else c.reshape((*c.shape[:-2], *value.shape)) for c in h)
    assert first is not None
    return Jet.of(first, rest, z.frame)


def _lined(c: Coefficient, z: Jet, n: int, size: int) -> Coefficient:
    """(V, batch, size), (V, 1, size) where the batch shares it, or (batch, size) for a summed one; contiguous."""
    if c is None:
        return None
    shape, frame = z.value.shape, z.frame
    if n == frame.order and frame.weights is not None:
        return c.expand(shape).reshape(-1, size).contiguous()
    missing = len(shape) - (c.ndim - 1)
    c = c.reshape(len(c), *[1] * missing, *c.shape[1:])
    if math.prod(c.shape[1:-1]) == 1 < math.prod(shape[:-1]):
        return c.expand(frame.count, *c.shape[1:-1], size).reshape(frame.count, 1, size).contiguous()
    return c.expand(frame.count, *shape).reshape(frame.count, -1, size).contiguous()


def _work(f: Sequence[Coefficient], z: Sequence[Coefficient], frame: Frame, value: Tensor) -> Composed:
    weights = value.new_ones(frame.count) if frame.weights is None else frame.weights.to(value).contiguous()
    return Composed(f, z, weights, frame.weights is not None, value.shape)


class _Composition(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, local: Local, eager: Rule, frame: Frame, value: Tensor, *z: Coefficient
    ) -> tuple[Coefficient, ...]:
        found = [None if c is None else c.expand(value.shape).contiguous() for c in local(value, frame.order + 1)]
        found += [None] * (frame.order + 2 - len(found))
        result, f = found[0], found[1:]
        ctx.save_for_backward(value, *z, *f)
        ctx.local, ctx.eager, ctx.frame = local, eager, frame
        ctx.set_materialize_grads(False)
        return (result, *_work(f, z, frame, value).forward())

    @staticmethod
    def backward(ctx: Any, *g: Coefficient) -> Any:  # type: ignore[override]
        frame: Frame = ctx.frame
        value, *saved = ctx.saved_tensors
        z, f = saved[: frame.order], saved[frame.order :]
        if not torch.is_grad_enabled() and not many(g):
            lined = [None if c is None else c.contiguous() for c in g]
            return None, None, None, *_work(f, z, frame, value).gradient(lined)
        local, eager = ctx.local, ctx.eager
        return None, None, None, *again(lambda v, *z: eager(Jet.of(v, z, frame), local).series, (value, *z), g)


def many(g: Sequence[Coefficient]) -> bool:
    """Whether gradients are taken along many vectors at once, which torch's own operations can do and no others."""
    batched = torch._C._functorch.is_legacy_batchedtensor  # what is_grads_batched and vectorize=True make
    return transformed() or any(batched(c) for c in g if c is not None)


def again(
    function: Callable[..., Sequence[Coefficient]], inputs: Sequence[Coefficient], g: Sequence[Coefficient]
) -> list[Coefficient]:
    """The gradient of <g, function(*inputs)> as torch finds it, by evaluating once more; None for inputs without one.

    It can be differentiated in turn where gradients are enabled (create_graph).
    """
    further = torch.is_grad_enabled()
    with torch.enable_grad():
        own = [None if c is None else c.view_as(c) for c in inputs]  # one input may depend on another: cut that way
        h = function(*own)
        pairs = [
            (hk, gk) for hk, gk in zip(h, g, strict=True) if gk is not None and hk is not None and hk.requires_grad
        ]
        wanted = [c for c in own if c is not None and c.requires_grad]
        results, along = zip(*pairs, strict=True) if pairs else ((), ())
        found = torch.autograd.grad(results, wanted, along, create_graph=further, allow_unused=True)
    rest = iter(found)
    return [next(rest) if c is not None and c.requires_grad else None for c in own]
