"""Functions of fields that work through a batch piece by piece and compute things again instead of keeping them.

Such a function has three parts: the plain formula, a forward pass and a backward pass over pieces that fit the cache.
The plain formula stands in wherever torch needs to see every operation: second derivatives, forward mode, torch.func,
autocast, compilation. All give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

POINTS = 4096  # of a piece on the CPU: some tens of channels of them stay in the cache


def lean(field: Tensor) -> bool:
    """Whether piecewise functions may run: eagerly, in one precision, with first derivatives in reverse mode."""
    return not (
        torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch.is_autocast_enabled(field.device.type)
        or torch.compiler.is_compiling()
    )


def pieces(field: Tensor) -> list[slice]:
    """Ranges of samples of a field (batch, channels, points); one for all on a GPU."""
    batch, _, points = field.shape
    size = max(1, POINTS // max(points, 1)) if field.device.type == "cpu" else max(batch, 1)
    return [slice(k, k + size) for k in range(0, batch, size)]


def plain_gradients(
    formula: Callable[..., Tensor | tuple[Tensor, ...]], inputs: Sequence[Tensor], grads: Sequence[Tensor]
) -> tuple[Tensor | None, ...]:
    """Gradients that can be differentiated again, by torch, of the formula evaluated once more."""
    wanted = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(formula(*inputs), wanted, grads, create_graph=True, allow_unused=True))
    return tuple(next(found) if x.requires_grad else None for x in inputs)
