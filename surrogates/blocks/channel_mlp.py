"""Networks over channels, the same at every point of a field, and their gated shortcut."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.lean import lean, pieces, plain_gradients
from surrogates.blocks.pointwise import Pointwise

gelu, gelu_backward = nn.functional.gelu, torch.ops.aten.gelu_backward


class ChannelMLP(nn.Module):
    """W2 gelu(W1 u(x) + b1) + b2. For the gradient the input alone is kept; what is hidden is computed again."""

    def __init__(self, in_channels: int, hidden: int, out_channels: int) -> None:
        super().__init__()
        self.first, self.second = Pointwise(in_channels, hidden), Pointwise(hidden, out_channels)

    def forward(self, u: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        return self._through(u, False)

    def after_gelu(self, z: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        """The same of gelu(z); z alone is kept."""
        return self._through(z, True)

    def _through(self, u: Tensor, activate: bool) -> Tensor:
        weights = (self.first.weight, self.first.bias, self.second.weight, self.second.bias)
        out = (_Lean.apply if lean(u) else _plain)(u.flatten(2), *weights, activate)
        return torch.ops.aten._unsafe_view(out, (*out.shape[:2], *u.shape[2:]))  # callers may add to the result


class SoftGate(nn.Module):
    """g_c u_c(x): one learned weight a channel, 1 at the start (soft gating)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, u: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        return self.weight.view(-1, *(1,) * (u.ndim - 2)) * u


def _plain(u: Tensor, first: Tensor, b1: Tensor, second: Tensor, b2: Tensor, activate: bool) -> Tensor:
    hidden = first @ (gelu(u) if activate else u) + b1[:, None]
    return second @ gelu(hidden) + b2[:, None]


class _Lean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, first: Tensor, b1: Tensor, second: Tensor, b2: Tensor, activate: bool) -> Tensor:
        ctx.save_for_backward(u, first, b1, second, b2)
        ctx.activate = activate
        out = u.new_empty(len(u), len(second), u.shape[2])
        for part in pieces(u):
            x = gelu(u[part]) if activate else u[part]
            hidden = gelu(torch.baddbmm(b1[:, None], _each(first, x), x))
            torch.baddbmm(b2[:, None], _each(second, x), hidden, out=out[part])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            return *plain_gradients(partial(_plain, activate=ctx.activate), ctx.saved_tensors, (grad,)), None
        u, first, b1, second, _ = ctx.saved_tensors
        of_u = torch.empty_like(u) if ctx.needs_input_grad[0] else None
        of_first, of_b1, of_second = torch.zeros_like(first), torch.zeros_like(b1), torch.zeros_like(second)
        for part in pieces(u):
            x, g = (gelu(u[part]) if ctx.activate else u[part]), grad[part]
            z = torch.baddbmm(b1[:, None], _each(first, x), x)
            of_second += torch.bmm(g, gelu(z).mT).sum(0)
            of_z = gelu_backward(torch.bmm(_each(second.mT, g), g), z)
            of_first += torch.bmm(of_z, x.mT).sum(0)
            of_b1 += of_z.sum((0, 2))
            if of_u is not None:
                of_x = torch.bmm(_each(first.mT, of_z), of_z)
                of_u[part] = gelu_backward(of_x, u[part]) if ctx.activate else of_x
        return of_u, of_first, of_b1, of_second, grad.sum((0, 2)), None


def _each(weight: Tensor, samples: Tensor) -> Tensor:
    return weight.expand(len(samples), *weight.shape)
