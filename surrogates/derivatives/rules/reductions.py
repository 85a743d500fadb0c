"""Reductions written in sums and products: variance, norms, products, softmax, and those that pick entries."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives.jet import Jet, forms, rule
from surrogates.derivatives.rules.compose import compose
from surrogates.derivatives.rules.linear import everywhere
from surrogates.derivatives.rules.piecewise import maximum, minimum
from surrogates.derivatives.rules.powers import square_root
from surrogates.derivatives.series import Coefficient


def _axes(input: Any, dim: Any) -> tuple[int, ...]:
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return tuple(range(input.ndim))
    return tuple(d % max(input.ndim, 1) for d in ((dim,) if isinstance(dim, int) else dim))


@rule(*forms("mean"))
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
    """Sum over axes divided by the number of entries."""
    axes = _axes(input, dim)
    return input.sum(axes, keepdim=keepdim, dtype=dtype) / math.prod(input.shape[a] for a in axes)


@rule(*forms("var"))
def var(input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None) -> Any:
    """Mean square distance from the mean, n - correction in the denominator."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    axes = _axes(input, dim)
    correction = int(unbiased) if correction is None else correction
    centred = input - input.mean(axes, keepdim=True)
    count = math.prod(input.shape[a] for a in axes)
    return (centred * centred).sum(axes, keepdim=keepdim) / max(count - correction, 0)


@rule(*forms("std"))
def std(input: Any, *args: Any, **kwargs: Any) -> Any:
    """Root of the variance."""
    return torch.sqrt(var(input, *args, **kwargs))


@rule(torch.var_mean)
def var_mean(input: Any, dim: Any = None, **kwargs: Any) -> Any:
    """Variance and mean."""
    return var(input, dim, **kwargs), input.mean(_axes(input, dim), keepdim=kwargs.get("keepdim", False))


@rule(torch.std_mean)
def std_mean(input: Any, dim: Any = None, **kwargs: Any) -> Any:
    """Standard deviation and mean."""
    return std(input, dim, **kwargs), input.mean(_axes(input, dim), keepdim=kwargs.get("keepdim", False))


@rule(torch.linalg.vector_norm)
def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """(sum |x|^p)^(1/p); the largest or smallest |x| for infinite p."""
    axes = _axes(x, dim)
    if ord == 2:
        return compose((x * x).sum(axes, keepdim=keepdim), _length)
    if abs(ord) == math.inf:
        return torch.abs(x).amax(axes, keepdim=keepdim) if ord > 0 else torch.abs(x).amin(axes, keepdim=keepdim)
    if ord == 0:
        return (x.value != 0).to(x.value).sum(axes, keepdim=keepdim)
    powers = torch.abs(x) if ord == 1 else torch.abs(x) ** ord
    total = powers.sum(axes, keepdim=keepdim)
    return total if ord == 1 else total ** (1 / ord)


def _length(square: Tensor, order: int) -> list[Coefficient]:
    """The root of a sum of squares; without slope where all of them are zero, as torch has it."""
    at_zero = square == 0
    length = square_root(torch.where(at_zero, 1, square), order)
    return [torch.where(at_zero, 0, c) for c in length if c is not None]


@rule(torch.norm, torch.Tensor.norm, torch.functional.norm)
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Vector norm of order p; Frobenius is 2."""
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim)


@rule(torch.linalg.norm)
def linalg_norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Vector norms and the Frobenius norm; other norms of matrices go the general way."""
    axes = _axes(A, dim)
    if ord is not None and ord != "fro" and len(axes) == 2:
        from surrogates.derivatives.fallback import follow

        return follow(torch.linalg.norm, (A, ord, dim, keepdim), {})
    return vector_norm(A, 2 if ord in (None, "fro") else ord, dim, keepdim)


@rule(*forms("prod"))
def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Product of entries, in pairs."""
    if dim is None:
        return prod(input.flatten(), 0)
    parts = list(input.unbind(dim)) or [torch.ones_like(input.sum(dim))]
    while len(parts) > 1:
        pairs = [a * b for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + parts[len(parts) - len(parts) % 2 :]
    return parts[0].unsqueeze(dim) if keepdim else parts[0]


@rule(*forms("cumprod"))
def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running product."""
    parts = list(input.unbind(dim))
    for i in range(1, len(parts)):
        parts[i] = parts[i - 1] * parts[i]
    return torch.stack(parts, dim)


@rule(*forms("softmax"))
def softmax(input: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """exp(z - max z) over its sum."""
    e = torch.exp(input - input.value.amax(dim, keepdim=True).detach())
    return e / e.sum(dim, keepdim=True)


@rule(*forms("logsumexp"))
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """max z + log sum exp(z - max z)."""
    top = input.value.amax(dim, keepdim=True).detach()
    top = torch.where(torch.isfinite(top), top, 0)
    y = torch.log(torch.exp(input - top).sum(dim, keepdim=keepdim))
    return y + (top if keepdim else top.sum(dim))


@rule(*forms("log_softmax"))
def log_softmax(input: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """z - log sum exp z."""
    return input - logsumexp(input, dim, keepdim=True)


rule(*forms("softmin"))(lambda input, dim=None, _stacklevel=3, dtype=None: softmax(-input, dim))


@rule(*forms("logaddexp"))
def logaddexp(input: Any, other: Any) -> Any:
    """log(exp a + exp b) = max + log(1 + exp(-|a - b|)), written for either order."""
    return other + torch.nn.functional.softplus(input - other, threshold=50.0)


@rule(*forms("hypot"))
def hypot(input: Any, other: Any) -> Any:
    """Root of a^2 + b^2."""
    return compose(input * input + other * other, _length)


@rule(*forms("amax"))
def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Largest entry; equal ones share the derivative, as in torch."""
    return _shared(input, input.value.amax(_axes(input, dim), keepdim=True), dim, keepdim)


@rule(*forms("amin"))
def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Smallest entry; equal ones share the derivative, as in torch."""
    return _shared(input, input.value.amin(_axes(input, dim), keepdim=True), dim, keepdim)


def _shared(input: Any, extreme: Tensor, dim: Any, keepdim: bool) -> Any:
    axes = _axes(input, dim)
    chosen = (input.value == extreme).to(input.value)
    return (input * (chosen / chosen.sum(axes, keepdim=True))).sum(axes, keepdim=keepdim)


def _picked(input: Jet, found: Any, dim: int, keepdim: bool) -> Any:
    """The entries at the positions that torch found in the value, as torch's own result type."""
    where = found.indices if keepdim else found.indices.unsqueeze(dim)
    y = everywhere(lambda x: torch.gather(x, dim, where), input)
    return type(found)((y if keepdim else y.squeeze(dim), found.indices))


def _extreme(largest: bool) -> Any:
    pick, pair, whole = (torch.max, maximum, amax) if largest else (torch.min, minimum, amin)

    def follow(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        if isinstance(dim, Tensor) or other is not None:
            return pair(input, dim if other is None else other)
        return whole(input) if dim is None else _picked(input, pick(input.value, dim, keepdim=keepdim), dim, keepdim)

    return follow


rule(*forms("max"))(_extreme(True))
rule(*forms("min"))(_extreme(False))


@rule(*forms("sort", "msort"))
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Entries in the order of the value."""
    found = torch.sort(input.value, dim=dim, descending=descending, stable=stable)
    return _picked(input, found, dim, True)


@rule(*forms("topk"))
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest of the value."""
    return _picked(input, torch.topk(input.value, k, dim, largest, sorted), dim, True)


@rule(*forms("median"))
def median(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The middle entry of the value."""
    if dim is None:
        return median(input.flatten(), 0).values
    return _picked(input, torch.median(input.value, dim, keepdim=keepdim), dim, keepdim)


@rule(torch.cdist, torch.functional.cdist)
def cdist(x1: Any, x2: Any, p: float | int = 2.0, compute_mode: str = "") -> Any:
    """Distances of all pairs of rows."""
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@rule(*forms("pairwise_distance"))
def pairwise_distance(x1: Any, x2: Any, p: float | int = 2.0, eps: float | int = 1e-6, keepdim: bool = False) -> Any:
    """|x - y + eps|_p over the last axis."""
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)
