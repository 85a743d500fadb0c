"""f(z(t)) on truncated Taylor series of many directions, and its gradient, by native code; see series_code.py.

Tensors are contiguous: those of the value are (batch, size), coefficients of t, t^2, ... (V, batch, size), or
(V, 1, size) where the batch shares them, and (batch, size) for a top one that is summed over directions.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from surrogates.kernels import series_code
from surrogates.kernels.native import function, lanes
from surrogates.kernels.parallel import launch, ranges
from surrogates.kernels.series_code import BLOCK, Composition

Coefficients = Sequence[Tensor | None]
_Source = Callable[[Composition, torch.dtype, int], str]


@dataclass(frozen=True, eq=False)
class Composed:
    """f(z), where f has the local coefficients f_1..f_(K+1), z has z_1..z_K, and None is zero.

    `weights` (V,) are those of a top coefficient that is `summed` over directions, otherwise ones.
    """

    f: Coefficients
    z: Coefficients
    weights: Tensor
    summed: bool
    shape: torch.Size  # (batch, size) of the value

    def forward(self) -> list[Tensor | None]:
        """h_1..h_K."""
        code = self._code(())
        order, batch, lead = len(self.z), self.shape[0], len(self.weights)
        there = enumerate(code.results, start=1)
        h = [self._empty((k < order or not self.summed) * lead, batch) if found else None for k, found in there]
        self._run(series_code.forward, code, (*[None] * (order + 2), *h))
        return h

    def gradient(self, g: Coefficients) -> list[Tensor | None]:
        """d/dz_0..d/dz_K of sum over k of <g_k, h_k>."""
        code = self._code(tuple(c is not None for c in g))
        dz: list[Tensor | None] = [self._empty(0, self.shape[0])]
        for c, shared in zip(self.z, code.shared, strict=True):
            dz.append(None if c is None else torch.zeros_like(c) if shared else torch.empty_like(c))
        if self.summed and not (code.given[-1] and code.smooth[0]):
            dz[-1] = None
        self._run(series_code.gradient, code, (*g, *dz))
        return dz

    def _empty(self, lead: int, batch: int) -> Tensor:
        size = (batch, self.shape[1])
        return self.weights.new_empty((lead, *size) if lead else size)

    def _code(self, given: tuple[bool, ...]) -> Composition:
        shared = [c is not None and c.shape[-2] < self.shape[0] for c in self.z]
        return _composition(
            tuple([c is not None for c in self.f]),
            tuple([c is not None for c in self.z]),
            tuple(shared),
            self.summed,
            given,
        )

    def _run(self, source: _Source, code: Composition, last: Coefficients) -> None:
        batch, size = self.shape if True in code.shared else (1, self.shape.numel())
        run = _function(source, code, self.weights.dtype)
        arrays = [None if t is None else t.data_ptr() for t in (self.weights, *self.f, *self.z, *last)]

        def call(_: int, begin: int, end: int) -> None:
            run(begin * BLOCK, min(end * BLOCK, size), len(self.weights), batch, size, *arrays)

        launch(call, ranges(-(-size // BLOCK)))


@cache
def _composition(*fields: tuple[bool, ...] | bool) -> Composition:
    return Composition(*fields)  # type: ignore[arg-type]


@cache
def _function(source: _Source, code: Composition, dtype: torch.dtype) -> Callable[..., None]:
    """The compiled function, with the types of its arguments: five sizes, then addresses."""
    run = function(source, code, dtype, lanes(BLOCK, dtype))
    order = code.order
    run.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_void_p] * (1 + (order + 1) + order + 2 * (order + 1))  # type: ignore[attr-defined]
    return run
