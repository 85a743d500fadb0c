"""Attention over a sparse pattern, normalised over each row: y_i = sum_j a_ij v_j, a_i = softmax of q_i.k_j scale.

Neither scores nor gathered keys and values are stored: the forward pass keeps two numbers a row and head, and the
backward pass computes the weights again. Native code runs on the CPU, a Triton program on a GPU, the eager twin
everywhere else: in forward mode, inside torch.func and torch.compile, and for the derivatives of derivatives.
"""

from __future__ import annotations

import ctypes
import math
from itertools import pairwise
from typing import Any
from weakref import WeakSet

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import Csr
from surrogates.kernels import csr_attention_code, csr_attention_triton, triton_code
from surrogates.kernels.csr_attention_code import layout
from surrogates.kernels.fused import usable
from surrogates.kernels.native import function, pointer
from surrogates.kernels.parallel import launch
from surrogates.kernels.transforms import refuse_transforms
from surrogates.physics.errors import DomainError

_PAD = 64  # bytes behind the scores of a row that a vector may reach
_HALVES = (torch.bfloat16, torch.float16)


def csr_attention(
    q: Float[Tensor, "rows heads channels"],
    k: Float[Tensor, "columns heads channels"],
    v: Float[Tensor, "columns heads channels"],
    pattern: Csr,
    scale: float | int | None = None,
) -> Float[Tensor, "rows heads channels"]:
    """sum_j softmax_j(q_i.k_j scale) v_j over the columns j of row i; zero for a row without any.

    scale is 1 / sqrt(channels) unless given. Half precisions are computed in single precision. Differentiable as often
    as one likes; derivatives beyond the first are computed by the eager twin. Raises DomainError where shapes or
    precisions do not fit.
    """
    _check(q, k, v, pattern)
    scale = 1 / math.sqrt(q.shape[2]) if scale is None else float(scale)
    if torch.is_autocast_enabled(q.device.type):  # it has no matrix products that might be halved
        with torch.autocast(q.device.type, enabled=False):
            return csr_attention(q, k, v, pattern, scale)
    if q.dtype in _HALVES:
        return csr_attention(q.float(), k.float(), v.float(), pattern, scale).to(q.dtype)
    if torch.compiler.is_compiling() or not usable(q, k, v) or not q.numel():
        return edge_attention(q, k, v, pattern, scale)
    _check_pattern(pattern)
    result: Tensor = _Attention.apply(q, k, v, pattern, scale)
    return result


def edge_attention(q: Tensor, k: Tensor, v: Tensor, pattern: Csr, scale: float) -> Tensor:
    """The eager twin: keys and values gathered for each entry of the pattern, sums by index."""
    weights = edge_weights(q, k, pattern, scale)
    out = q.new_zeros(q.shape).to(weights.dtype)
    return out.index_add(0, pattern.receivers, weights[..., None] * v[pattern.senders])


def edge_weights(q: Tensor, k: Tensor, pattern: Csr, scale: float) -> Tensor:
    """a (entries, heads): the softmax of q_i.k_j scale over each row."""
    receivers = pattern.receivers
    scores = (q[receivers] * k[pattern.senders]).sum(-1) * scale
    index = receivers[:, None].expand_as(scores)
    low = scores.new_full((pattern.rows, scores.shape[1]), -torch.inf)
    peak = low.scatter_reduce(0, index, scores.detach(), "amax")  # any number: it cancels
    raised = (scores - peak[receivers]).exp()
    return raised / torch.zeros_like(low).index_add(0, receivers, raised)[receivers]


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, pattern: Csr, scale: float) -> Tensor:
        run = _runner(pattern, q, scale)
        y = torch.empty_like(q, memory_format=torch.contiguous_format)
        peaks, inverses = q.new_empty(2, *q.shape[:2])
        run.forward(_strided(q), _strided(k), _strided(v), y, peaks, inverses)
        ctx.save_for_backward(q, k, v, peaks, inverses)
        ctx.fixed = (run, pattern, scale)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # type: ignore[override]
        refuse_transforms(g)
        q, k, v, peaks, inverses = ctx.saved_tensors
        run, pattern, scale = ctx.fixed
        if torch.is_grad_enabled():  # somebody will differentiate this again
            inputs = [x.view_as(x) for x in (q, k, v)]  # three even where they are one
            leaves = [x for x in inputs if x.requires_grad]
            y = edge_attention(inputs[0], inputs[1], inputs[2], pattern, scale)
            found = iter(torch.autograd.grad(y, leaves, g, create_graph=True))
            return *(next(found) if x.requires_grad else None for x in inputs), None, None
        q, k, v, g = (_strided(x) for x in (q, k, v, g))
        dq = torch.empty_like(q, memory_format=torch.contiguous_format)
        a, ds = q.new_empty(2, len(pattern), q.shape[1])
        run.rows(q, k, v, g, peaks, inverses, dq, a, ds)
        if not any(ctx.needs_input_grad[1:3]):
            return dq, None, None, None, None
        dk, dv = (torch.empty_like(k, memory_format=torch.contiguous_format) for _ in range(2))
        run.columns(q, g, a, ds, dk, dv)
        return dq, dk, dv, None, None


class _Native:
    """The three C functions with the pattern's arrays; threads share rows and columns by their numbers of entries."""

    def __init__(self, pattern: Csr, like: Tensor, scale: float) -> None:
        self.pattern, self.dtype, self.layout = pattern, like.dtype, layout(like.shape[1], like.shape[2], like.dtype)
        real = ctypes.c_float if like.dtype == torch.float32 else ctypes.c_double
        self.scale = real(scale)
        self.element = like.element_size()

    def forward(self, q: Tensor, k: Tensor, v: Tensor, *results: Tensor) -> None:
        self._run(csr_attention_code.forward, self.pattern, (q, k, v), results, scratch=1)

    def rows(self, q: Tensor, k: Tensor, v: Tensor, g: Tensor, *rest: Tensor) -> None:
        self._run(csr_attention_code.rows, self.pattern, (q, k, v, g), rest, scratch=2)

    def columns(self, q: Tensor, g: Tensor, *rest: Tensor) -> None:
        turned, entry = self.pattern.transposed
        self._run(csr_attention_code.columns, turned, (q, g), (*rest, entry), scratch=0)

    def _run(
        self, source: Any, pattern: Csr, vectors: tuple[Tensor, ...], rest: tuple[Tensor, ...], *, scratch: int
    ) -> None:
        run = function(source, self.layout, self.dtype)
        parts = _shares(pattern)
        longest = int(pattern.degrees.max()) * self.layout.together + _PAD // self.element if scratch else 0
        own = vectors[0].new_empty(len(parts), scratch, longest)
        fixed = [pointer(x) for x in (*vectors, *rest)]
        indices = [pointer(pattern.starts), pointer(pattern.senders)]
        strides = [ctypes.c_int64(x.stride(0)) for x in vectors]

        def call(part: int, begin: int, end: int) -> None:
            space = [pointer(x) for x in own[part]]
            run(ctypes.c_int64(begin), ctypes.c_int64(end), *fixed, *space, *indices, *strides, self.scale)

        launch(call, parts)


def _runner(pattern: Csr, like: Tensor, scale: float) -> _Native | csr_attention_triton.Programs:
    if triton_code.device(like):
        return csr_attention_triton.Programs(pattern, scale)
    return _Native(pattern, like, scale)


def _shares(pattern: Csr) -> list[tuple[int, int]]:
    """Ranges of rows with about as many entries each, one for each of torch's compute threads."""
    threads = max(1, min(torch.get_num_threads(), pattern.rows))
    if threads == 1:
        return [(0, pattern.rows)]
    wanted = torch.arange(1, threads) * len(pattern) // threads
    cuts = [0, *torch.searchsorted(pattern.starts, wanted).clamp(max=pattern.rows).tolist(), pattern.rows]
    return [(a, b) for a, b in pairwise(cuts) if b > a]


def _strided(x: Tensor) -> Tensor:
    """As it is where heads and channels of a row lie together, as slices of a joint projection do; else a copy."""
    return x if x.stride(2) == 1 and x.stride(1) == x.shape[2] else x.contiguous()


def _check(q: Tensor, k: Tensor, v: Tensor, pattern: Csr) -> None:
    found = (*q.shape, *k.shape, *v.shape)
    wanted = (pattern.rows, *q.shape[1:], *((pattern.columns, *q.shape[1:]) * 2))
    if q.ndim != 3 or found != wanted or 0 in q.shape[1:]:  # native code would read beyond the arrays
        shapes = ", ".join(str(tuple(x.shape)) for x in (q, k, v))
        raise DomainError(
            f"attention got q, k, v of shapes {shapes} and a pattern of {pattern.rows} x {pattern.columns}; give "
            "(rows, heads, channels), (columns, heads, channels) twice"
        )
    places = {(x.dtype, x.device) for x in (q, k, v)}
    if len(places) > 1 or pattern.senders.device != q.device:
        raise DomainError(
            f"attention got tensors of {sorted(map(str, places))} and a pattern on {pattern.senders.device}; give one "
            "precision on one device"
        )


def _check_pattern(pattern: Csr) -> None:
    """Once for each pattern on the CPU; elsewhere a look at values would stall the device."""
    if pattern.senders.dtype != torch.int64 or pattern.starts.dtype != torch.int64:
        raise DomainError(f"a pattern of {pattern.senders.dtype}, {pattern.starts.dtype}; its indices must be int64")
    if pattern.senders.device.type != "cpu" or pattern in _CHECKED:
        return
    senders, starts = pattern.senders, pattern.starts
    ends = int(starts[0]) == 0 and int(starts[-1]) == len(senders) and bool((starts.diff() >= 0).all())
    if not ends or (len(senders) and not 0 <= int(senders.min()) <= int(senders.max()) < pattern.columns):
        raise DomainError(
            f"a pattern of {pattern.rows} x {pattern.columns} whose rows do not ascend from 0 to {len(senders)} "
            "entries, or whose senders are no columns; make it with Csr.of_pairs"
        )
    _CHECKED.add(pattern)


_CHECKED: WeakSet[Csr] = WeakSet()
