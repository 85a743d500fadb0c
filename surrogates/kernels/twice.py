"""The end of what a kernel can differentiate: an error, where torch would leave a term out in silence.

(`once_differentiable` of torch is passed over by `torch.autograd.grad`, since what it returns leads to no input.)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from surrogates.physics.errors import SurrogatesError


def last_derivative(results: tuple[Tensor | None, ...], inputs: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """The results of a second derivative; differentiating them once more raises SurrogatesError."""
    if not torch.is_grad_enabled():
        return results
    there = [r for r in results if r is not None]
    sealed = iter(_Seal.apply(len(there), *there, *(x for x in inputs if x is not None)))
    return tuple(None if r is None else next(sealed) for r in results)


class _Seal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, n: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(t.view_as(t) for t in tensors[:n])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise SurrogatesError(
            "native kernels know two derivatives, and a third one was asked for; set SURROGATES_NATIVE=0 before the "
            "start, then the eager code differentiates as often as you like"
        )
