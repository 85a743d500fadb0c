"""Operations that move, pick, repeat or add up entries: linear, the same on every coefficient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogates.derivatives.jet import Jet, forms, plain, rule
from surrogates.derivatives.refused import halved, refuse
from surrogates.derivatives.rules.linear import everywhere, jointly
from surrogates.derivatives.rules.support import side_by_side, sliced

MOVED = """reshape_as transpose permute movedim moveaxis swapaxes
swapdims t T mT H mH adjoint expand expand_as broadcast_to narrow select unbind split split_with_sizes chunk hsplit
tensor_split vsplit dsplit flip fliplr flipud rot90 roll diagonal diag diag_embed diagflat tril triu repeat tile clone
repeat_interleave contiguous index_select gather take take_along_dim unfold fold pixel_shuffle pixel_unshuffle
channel_shuffle atleast_1d atleast_2d atleast_3d positive __pos__"""
ADDED_UP = """cumsum trace avg_pool1d avg_pool2d avg_pool3d
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d interpolate upsample"""
COMPLEX = "real imag conj conj_physical resolve_conj resolve_neg view_as_real view_as_complex"
FOURIER = """fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn fftshift ifftshift"""


def _enter(operation: Callable[..., Any]) -> None:
    def follow(input: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = plain(args), plain(kwargs)  # expand_as(other) asks a series for its shape only
        if not isinstance(input, Jet):
            return operation(input, *args, **kwargs)
        return everywhere(lambda x: operation(x, *args, **kwargs), input)

    rule(operation)(follow)


for _operation in forms(*MOVED.split(), *ADDED_UP.split(), *COMPLEX.split()):
    _enter(_operation)
for _name in FOURIER.split():
    _enter(getattr(torch.fft, _name))


@rule(*forms("diff"))
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours, with what is put before and behind."""
    parts = [p for p in (prepend, input, append) if p is not None]
    whole = torch.cat(parts, dim) if len(parts) > 1 else input
    return everywhere(lambda x: torch.diff(x, n, dim), whole) if isinstance(whole, Jet) else torch.diff(whole, n, dim)


def _areas(y: Any, x: Any, dx: Any, dim: int) -> Any:
    """Width times mean height of each piece of a trapezoidal sum."""
    size = y.shape[dim]
    heights = (y.narrow(dim, 0, size - 1) + y.narrow(dim, 1, size - 1)) / 2
    if x is None:
        return heights * (1 if dx is None else dx)
    if x.ndim == 1:
        x = x.reshape(-1, *[1] * (y.ndim - 1 - dim % y.ndim))
    return heights * torch.diff(x, dim=dim if dim < 0 else dim - y.ndim)


@rule(*forms("trapezoid", "trapz"))
def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral of y by x, both of which may be series."""
    return _areas(y, x, dx, dim).sum(dim)


@rule(*forms("cumulative_trapezoid"))
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The same, added up as it goes."""
    return _areas(y, x, dx, dim).cumsum(dim)


@rule(torch.Tensor.view, torch.Tensor.view_as)
def view(input: Any, *shape: Any) -> Any:
    """Another shape; a coefficient need not lie in memory as the value does."""
    if isinstance(shape[0], Tensor):
        shape = tuple(shape[0].shape)
    if not isinstance(input, Jet):
        return input.view(*shape)
    if isinstance(shape[0], torch.dtype):
        refuse(torch.Tensor.view, "other numbers in the same memory have no slope")
    return _reshaped(lambda x: x.reshape(*shape), input)


def _reshaped(operation: Callable[[Tensor], Tensor], input: Jet) -> Any:
    """The same entries in the same order in another shape."""
    value = operation(input.value)
    return everywhere(operation, input, value=value, mapped=lambda c: c.reshape(len(c), *value.shape))


def _enter_reshaping(operation: Callable[..., Tensor]) -> None:
    rule(operation)(lambda input, *args, **kwargs: _reshaped(lambda x: operation(x, *args, **kwargs), input))


for _operation in forms("flatten", "ravel", "squeeze", "unsqueeze", "unflatten", "reshape"):
    _enter_reshaping(_operation)


@rule(torch.Tensor.__getitem__)
def item(input: Any, index: Any) -> Any:
    """Indexing; a mask picks the same entries of every coefficient."""
    if not isinstance(input, Jet):
        return input[plain(index)]
    index = positions(index)
    if input.sparse and (ends := _ends(index, input.value)) is not None:
        return sliced(input, *ends)
    parts = index if isinstance(index, tuple) else (index,)
    basic = all(p is None or p is Ellipsis or isinstance(p, int | slice) for p in parts)
    return everywhere(lambda x: x[index], input, mapped=(lambda c: c[(slice(None), *parts)]) if basic else False)


def _ends(index: Any, value: Tensor) -> tuple[int, int] | None:
    """Start and stop of an index that cuts the last axis only, such as x[:, :-1] and x[..., 3:5]."""
    *others, last = index if isinstance(index, tuple) else (index,)
    whole = all(p is Ellipsis or (isinstance(p, slice) and p == slice(None)) for p in others)
    reaches = any(p is Ellipsis for p in others) or len(others) + 1 == value.ndim
    if not (isinstance(last, slice) and whole and reaches):
        return None
    start, stop, step = last.indices(value.shape[-1])
    return (start, stop) if step == 1 and stop > start else None


def positions(index: Any) -> Any:
    """An index with positions in place of masks, which a map over coefficients could not take."""
    index = plain(index)
    parts = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(p, Tensor) and p.dtype == torch.bool for p in parts):
        return index
    split = [p.nonzero(as_tuple=True) if isinstance(p, Tensor) and p.dtype == torch.bool else (p,) for p in parts]
    return tuple(q for p in split for q in p)


@rule(torch.Tensor.__iter__)
def rows(input: Jet) -> Any:
    """Its rows, one after the other."""
    return iter(input.unbind(0))


@rule(F.pad, torch.constant_pad_nd)
def pad(input: Any, pad: Any, mode: str = "constant", value: float | int | None = None) -> Any:
    """Padding; the fill is part of the value only."""
    if mode != "constant":
        return everywhere(lambda x: F.pad(x, pad, mode), input)
    return everywhere(lambda x: F.pad(x, pad), input, value=F.pad(input.value, pad, mode, value))


def _gather_up(operation: Callable[..., Tensor], *names: str) -> None:
    def follow(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        return jointly(lambda *x: operation(x, *args, **kwargs), *tensors)

    rule(*forms(*names))(follow)


@rule(torch.cat, torch.concat, torch.concatenate)
def cat(tensors: Any, dim: int = 0) -> Any:
    """Joined along an axis; sparse series and constants stay short along the last one."""
    jets = [t for t in tensors if isinstance(t, Jet)]
    short = [j.sparse or not any(c is not None for c in j.higher) for j in jets]
    if all(short) and any(j.sparse for j in jets) and dim in (-1, jets[0].value.ndim - 1):
        return side_by_side(tensors, torch.cat(plain(list(tensors)), dim))
    return jointly(lambda *x: torch.cat(x, dim), *tensors)


for _name in ("stack", "hstack", "vstack", "dstack", "column_stack", "row_stack"):
    _gather_up(getattr(torch, _name), _name)


def _several(operation: Callable[..., Any]) -> Callable[..., Any]:
    def follow(*tensors: Any, **kwargs: Any) -> Any:
        given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
        return jointly(lambda *x: operation(*x, **kwargs), *given)

    return follow


for _operation in (torch.broadcast_tensors, torch.meshgrid, torch.complex, torch.block_diag):
    rule(_operation)(_several(_operation))


@rule(*forms("where"))
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """One series where the condition holds, the other elsewhere; a method's `self` is the first of the two."""
    if isinstance(condition, Jet) and isinstance(input, Tensor) and plain(input).dtype == torch.bool:
        condition, input = input, condition
    if input is None:
        return torch.where(plain(condition))
    like = input if isinstance(input, Jet) else other
    if not isinstance(like, Jet):
        return torch.where(plain(condition), input, other)
    a, b = (x if isinstance(x, Tensor) else like.value.new_tensor(x) for x in (input, other))
    return jointly(lambda x, y: torch.where(plain(condition), x, y), a, b)


@rule(*forms("masked_fill"))
def masked_fill(input: Any, mask: Tensor, value: Any) -> Any:
    """A constant, or a series without axes, where the mask holds."""
    return where(mask, value, input)


def _scattered(operation: Callable[..., Tensor], source: str) -> None:
    """Operations that write `source` into `input`: (input, dim, index, source)."""

    def follow(input: Any, dim: int, index: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("reduce") is not None:
            from surrogates.derivatives.fallback import nested

            return nested(operation, (input, dim, index, *args), kwargs)
        given = kwargs.pop(source) if source in kwargs else args[0]
        if not isinstance(given, Tensor):
            given = input.value.new_full(index.shape, given)
        return jointly(lambda x, y: operation(x, dim, index, y, *args[1:], **kwargs), input, given)

    rule(*forms(operation.__name__))(follow)


_scattered(torch.scatter_add, "src")
_scattered(torch.scatter, "src")
_scattered(torch.index_add, "source")
_scattered(torch.index_copy, "source")


@rule(torch.Tensor.to, torch.Tensor.type, torch.Tensor.type_as, torch.Tensor.cpu, torch.Tensor.cuda)
def to(input: Any, *args: Any, **kwargs: Any) -> Any:
    """Another precision or device; whole numbers are constants."""
    return _cast(input, lambda x: x.to(*plain(args), **kwargs))


def _cast(input: Any, cast: Callable[[Tensor], Tensor]) -> Any:
    value = cast(plain(input))
    if value.dtype in (torch.float16, torch.bfloat16):
        halved()
    return everywhere(cast, input) if isinstance(input, Jet) and value.dtype.is_floating_point else value


for _name in ("double", "float", "half", "bfloat16"):
    _operation = getattr(torch.Tensor, _name)
    rule(_operation)(lambda input, _of=_operation: _cast(input, _of))
