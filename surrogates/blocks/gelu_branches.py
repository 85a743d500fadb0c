"""What a Fourier layer does with its input v = gelu(z): v itself, W v + b and g v, keeping z alone for the gradient.

Written as one function because torch would keep v beside z, and would add the gradients of the three in passes of
their own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from surrogates.blocks.lean import lean, pieces, plain_gradients

gelu, gelu_backward = nn.functional.gelu, torch.ops.aten.gelu_backward


def gelu_branches(z: Tensor, weight: Tensor, bias: Tensor, gate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """v = gelu(z), W v + b and g v for a field z (batch, channels, *space)."""
    formula = _Branches.apply if lean(z) else _plain
    v, mixed, gated = formula(z.flatten(2), weight, bias, gate)
    unsafe_view = torch.ops.aten._unsafe_view  # no alias in torch's eyes: callers may add to the result
    return v.view_as(z), unsafe_view(mixed, z.shape), gated.view_as(z)


def _plain(z: Tensor, weight: Tensor, bias: Tensor, gate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    v = gelu(z)
    return v, weight @ v + bias[:, None], gate[:, None] * v


class _Branches(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, weight: Tensor, bias: Tensor, gate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(z, weight, bias, gate)
        v, mixed, gated = torch.empty_like(z), torch.empty_like(z), torch.empty_like(z)
        for part in pieces(z):
            v[part] = gelu(z[part])
            torch.baddbmm(bias[:, None], _each(weight, z[part]), v[part], out=mixed[part])
            torch.mul(v[part], gate[:, None], out=gated[part])
        return v, mixed, gated

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, weight, bias, gate = ctx.saved_tensors
        if torch.is_grad_enabled():
            return plain_gradients(_plain, (z, weight, bias, gate), grads)
        of_v, of_mixed, of_gated = grads
        of_z, of_weight, of_gate = torch.empty_like(z), torch.zeros_like(weight), torch.zeros_like(gate)
        for part in pieces(z):
            v, g = gelu(z[part]), of_mixed[part]
            of_weight += torch.bmm(g, v.mT).sum(0)
            of_gate += (of_gated[part] * v).sum((0, 2))
            total = torch.baddbmm(of_v[part], _each(weight.mT, v), g).addcmul_(gate[:, None], of_gated[part])
            of_z[part] = gelu_backward(total, z[part])
        return of_z, of_weight, of_mixed.sum((0, 2)), of_gate


def _each(weight: Tensor, samples: Tensor) -> Tensor:
    return weight.expand(len(samples), *weight.shape)
