"""What a Fourier layer does with its input v = gelu(z): v itself, W v + b and g v, keeping z alone for the gradient.

Written as one function because torch would keep v beside z, and would add the gradients of the three in passes of
their own. The gradient is made of differentiable operations, so that it can be differentiated again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

gelu, gelu_backward = nn.functional.gelu, torch.ops.aten.gelu_backward


def gelu_branches(z: Tensor, weight: Tensor, bias: Tensor, gate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """v = gelu(z), W v + b and g v for a field z."""
    return _Branches.apply(z, weight, bias, gate)  # type: ignore[no-any-return]


class _Branches(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, weight: Tensor, bias: Tensor, gate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        v = gelu(z)
        mixed = torch.baddbmm(bias[:, None], weight.expand(len(v), *weight.shape), v.flatten(2))
        return v, torch.ops.aten._unsafe_view(mixed, z.shape), _channels(gate, z) * v

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        z, weight, _, gate = inputs
        ctx.save_for_backward(z, weight, gate)
        ctx.save_for_forward(z, weight, gate)

    @staticmethod
    def backward(ctx: Any, of_v: Tensor, of_mixed: Tensor, of_gated: Tensor) -> tuple[Tensor | None, ...]:
        z, weight, gate = ctx.saved_tensors
        v, of_mixed = gelu(z), of_mixed.flatten(2)
        of_weight = torch.bmm(of_mixed, v.flatten(2).mT).sum(0)
        of_gate = (of_gated * v).flatten(2).sum((0, 2))
        del v
        total = torch.baddbmm(of_v.flatten(2), weight.mT.expand(len(z), -1, -1), of_mixed).view_as(z)
        total = total.addcmul_(_channels(gate, z), of_gated)
        return gelu_backward(total, z), of_weight, of_mixed.sum((0, 2)), of_gate

    @staticmethod
    def jvp(ctx: Any, dz: Tensor, dweight: Tensor, dbias: Tensor, dgate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z, weight, gate = ctx.saved_tensors
        v, dv = gelu(z), gelu_backward(dz, z)
        mixed = weight @ dv.flatten(2) + dweight @ v.flatten(2) + dbias[:, None]
        return dv, mixed.view_as(z), _channels(gate, z) * dv + _channels(dgate, z) * v


def _channels(gate: Tensor, like: Tensor) -> Tensor:
    return gate.view(-1, *(1,) * (like.ndim - 2))
