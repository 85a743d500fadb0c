"""Triton programs of attention over a sparse pattern: what csr_attention_code prints as C.

One program has one row, or column, and one head; it walks over the entries with its vectors in registers. Nothing is
added by atomics, so results are repeatable to the last bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from surrogates.datasets.batch import Csr
from surrogates.kernels.triton_code import indented, kernel, launch, program

_SIZES = ["channels", "SIZE"]


def forward() -> str:
    """y, the largest score and the inverse of the sum of each row and head, by the running softmax."""
    inside = [
        *_gathered("k", "x"),
        "score = tl.reduce(a * x, 0, plus)",
        "larger = tl.maximum(peak, score)",
        "weight = tl.exp(score - larger)",
        "old = tl.exp(peak - larger)",
        *_gathered("v", "x"),
        "out = out * old + weight * x",
        "total = total * old + weight",
        "peak = larger",
    ]
    body = [
        *_own("q", "a", "* scale"),
        "out = tl.zeros_like(a)",
        "total = tl.reduce(out, 0, plus)",
        'peak = total - float("inf")',
        *_walk(inside),
        "inverse = tl.where(end > begin, 1 / total, total)",
        *_store("y", "tl.where(end > begin, out / tl.where(end > begin, total, 1 + total), out)"),
        "tl.store(peaks + row * heads + head, peak)",
        "tl.store(inverses + row * heads + head, inverse)",
    ]
    return _program(["q", "k", "v", "y", "peaks", "inverses"], ["q", "k", "v"], body)


def rows() -> str:
    """dq, and the weights a and slopes ds of the entries of each row."""
    inside = [
        *_gathered("k", "x"),
        "weight = tl.exp(tl.reduce(b * x, 0, plus) - peak) * inverse",
        *_gathered("v", "z"),
        "gain = tl.reduce(c * z, 0, plus)",
        "mean += weight * gain",
        "most += weight * gain * x",
        "every += weight * x",
        "tl.store(a + e * heads + head, weight)",
        "tl.store(ds + e * heads + head, gain)",
    ]
    again = [
        "gain = tl.load(ds + e * heads + head)",
        "weight = tl.load(a + e * heads + head)",
        "tl.store(ds + e * heads + head, weight * (gain - mean) * scale)",
    ]
    body = [
        *_own("q", "b", "* scale"),
        *_own("g", "c"),
        "most = tl.zeros_like(b)",
        "every = tl.zeros_like(b)",
        "mean = tl.reduce(most, 0, plus)",
        "peak = tl.load(peaks + row * heads + head)",
        "inverse = tl.load(inverses + row * heads + head)",
        *_walk(inside),
        *_store("dq", "(most - mean * every) * scale"),
        "tl.debug_barrier()",
        *_walk(again),
    ]
    return _program(["q", "k", "v", "g", "peaks", "inverses", "dq", "a", "ds"], ["q", "k", "v", "g"], body)


def columns() -> str:
    """dk = sum ds q and dv = sum a g of each column; `entry` are the places of a and ds."""
    inside = [
        "at = tl.load(entry + e) * heads + head",
        *_gathered("q", "x"),
        "key += tl.load(ds + at) * x",
        *_gathered("g", "x"),
        "value += tl.load(a + at) * x",
    ]
    body = [
        "key = tl.zeros([SIZE], q.dtype.element_ty)",
        "value = tl.zeros([SIZE], q.dtype.element_ty)",
        *_walk(inside),
        *_store("dk", "key"),
        *_store("dv", "value"),
    ]
    return _program(["q", "g", "a", "ds", "dk", "dv", "entry"], ["q", "g"], body)


class Programs:
    """The three programs with the pattern's arrays."""

    def __init__(self, pattern: Csr, scale: float) -> None:
        self.pattern, self.scale = pattern, scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor, *results: Tensor) -> None:
        self._launch(forward, self.pattern, (q, k, v), results)

    def rows(self, q: Tensor, k: Tensor, v: Tensor, g: Tensor, *rest: Tensor) -> None:
        self._launch(rows, self.pattern, (q, k, v, g), rest)

    def columns(self, q: Tensor, g: Tensor, *rest: Tensor) -> None:
        turned, entry = self.pattern.transposed
        self._launch(columns, turned, (q, g), (*rest, entry))

    def _launch(self, source: object, pattern: Csr, vectors: tuple[Tensor, ...], rest: tuple[Tensor, ...]) -> None:
        heads, channels = vectors[0].shape[1:]
        size = max(2, 1 << (channels - 1).bit_length())
        factor = torch.full((1,), self.scale, dtype=vectors[0].dtype, device=vectors[0].device)
        arrays = (*vectors, *rest, pattern.starts, pattern.senders, factor)
        strides = [x.stride(0) for x in vectors]
        grid = (pattern.rows, heads)
        launch(kernel(source), grid, *arrays, *strides, heads, channels=channels, SIZE=size)  # type: ignore[arg-type]


def _own(array: str, name: str, times: str = "") -> list[str]:
    """The vector of this program's row and head."""
    return [f"{name} = tl.load({array} + row * {array}_stride + lane, mask=inside, other=0.0) {times}".rstrip()]


def _gathered(array: str, name: str) -> list[str]:
    """The vector of the entry's column."""
    return [f"{name} = tl.load({array} + far * {array}_stride + lane, mask=inside, other=0.0)"]


def _store(array: str, value: str) -> list[str]:
    return [f"tl.store({array} + row * heads * channels + lane, {value}, mask=inside)"]


def _walk(body: list[str]) -> list[str]:
    return ["for e in range(begin, end):", *indented(["far = tl.load(sender + e)", *body])]


def _program(arrays: list[str], strided: list[str], body: list[str]) -> str:
    """Arrays as in csr_attention_code; `factor` holds the scale in the precision of the rest."""
    head = [
        "row = tl.program_id(0).to(tl.int64)",
        "head = tl.program_id(1).to(tl.int64)",
        "c = tl.arange(0, SIZE)",
        "inside = c < channels",
        "lane = head * channels + c",
        "scale = tl.load(factor)",
        "begin = tl.load(start + row)",
        "end = tl.load(start + row + 1)",
    ]
    integers = [*(f"{name}_stride" for name in strided), "heads"]
    return program([*arrays, "start", "sender", "factor"], integers, head + body, _SIZES)
