"""The same linear map at every point of a field: a 1x1 convolution, as matrix products."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Pointwise(nn.Module):
    """W u(x) + b. Initialised as torch's convolutions are: uniform within 1 / sqrt(in)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_channels)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound))

    def forward(self, u: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        return _mixed(u, self.weight, self.bias)

    def after_gelu(self, z: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        """W gelu(z) + b; for the gradient z alone is kept, and gelu(z) computed again."""
        return _AfterGelu.apply(z, self.weight, self.bias)  # type: ignore[no-any-return]


def _mixed(u: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    out = torch.baddbmm(bias[:, None], weight.expand(len(u), *weight.shape), u.flatten(2))
    return torch.ops.aten._unsafe_view(out, (*out.shape[:2], *u.shape[2:]))  # type: ignore[no-any-return] # no alias: callers may add to it


class _AfterGelu(torch.autograd.Function):
    """Its gradient is made of differentiable operations, so that it can be differentiated again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return _mixed(nn.functional.gelu(z), weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        z, weight, _ = inputs
        ctx.save_for_backward(z, weight)
        ctx.save_for_forward(z, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, weight = ctx.saved_tensors
        of_z, of_weight, of_bias = ctx.needs_input_grad
        grad = grad.flatten(2)
        outer = torch.bmm(grad, nn.functional.gelu(z).flatten(2).mT).sum(0) if of_weight else None
        inner = torch.bmm(weight.mT.expand(len(z), -1, -1), grad).view_as(z) if of_z else None
        inner = torch.ops.aten.gelu_backward(inner, z) if of_z else None
        return inner, outer, grad.sum((0, 2)) if of_bias else None

    @staticmethod
    def jvp(ctx: Any, dz: Tensor, dweight: Tensor | None, dbias: Tensor | None) -> Tensor:
        z, weight = ctx.saved_tensors
        mixed = weight @ torch.ops.aten.gelu_backward(dz, z).flatten(2) + dweight @ nn.functional.gelu(z).flatten(2)
        return (mixed + dbias[:, None]).unflatten(2, z.shape[2:])
