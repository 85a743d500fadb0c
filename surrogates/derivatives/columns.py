"""A linear layer that meets sparse directions: x W^T + b with a few columns of W, and one gradient of W.

Taken apart, each would make a gradient of the size of W, the second one zeros but for a few columns, to be added up: a
third of a step at 1e5 coordinates.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from surrogates.derivatives.fused import again, many
from surrogates.kernels.transforms import transformed


def linear_and_columns(
    x: Float[Tensor, "*batch d"], weight: Float[Tensor, "out d"], bias: Tensor | None, indices: Int[Tensor, "n"]
) -> tuple[Float[Tensor, "*batch out"], Float[Tensor, "out n"]]:
    """x W^T + b, and W[:, indices]."""
    if transformed() or torch.is_autocast_enabled(x.device.type):
        return _both(x, weight, bias, indices)
    y, columns = _LinearAndColumns.apply(x, weight, bias, indices)
    return y, columns


def _both(x: Tensor, weight: Tensor, bias: Tensor | None, indices: Tensor) -> tuple[Tensor, Tensor]:
    return F.linear(x, weight, bias), weight[:, indices]


class _LinearAndColumns(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, indices: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x, weight, bias, indices)
        ctx.set_materialize_grads(False)
        return _both(x, weight, bias, indices)

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, columns: Tensor | None) -> Any:  # type: ignore[override]
        x, weight, bias, indices = ctx.saved_tensors
        if torch.is_grad_enabled() or many((g, columns)):
            return *again(lambda x, w, b: _both(x, w, b, indices), (x, weight, bias), (g, columns)), None
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        rows = None if g is None else g.reshape(-1, g.shape[-1])
        found = None
        if needs_weight:
            found = torch.zeros_like(weight) if rows is None else rows.T @ x.reshape(-1, x.shape[-1])
            if columns is not None:
                found.index_add_(1, indices, columns)
        return (
            g @ weight if needs_x and g is not None else None,
            found,
            rows.sum(0) if needs_bias and rows is not None else None,
            None,
        )
