"""Forward Laplacian: A New Computational Framework for Neural Network-based Variational Monte Carlo (arXiv:2307.08214).

Value, gradient and Laplacian go through u together: the second-order series along directions v with sum v v^T = 1, its
top order summed over them as it goes (also Collapsing Taylor Mode, arXiv:2505.13644). Along coordinates that takes d
directions. Where u meets x only in z = W x + b and s = |x|^2, the Laplacian is

    sum over a, b of u_ab G_ab + sum over a of u_a Lap a,    a, b among z and s, G_ab = grad a . grad b,

so that any directions p_v and weights w_v with sum_v w_v p_v p_v^T = G do as well: here the columns of L,
L L^T = W W^T, in z, and for the rest of G, G_zs = 2 W x and G_ss = 4 |x|^2, the two directions
(W x / c, |x|^2 / c + c) and (W x / c, |x|^2 / c - c) with weights +1 and -1, for any number c. That is the width of the
first layer + 2 in place of d, and products such as (1 - |x|^2) net(x) need no rule of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from surrogates.derivatives.differentials import named_axes
from surrogates.derivatives.directions import Frame
from surrogates.derivatives.jet import Jet
from surrogates.derivatives.reduced_input import Input, NotReducible, noted, restricted
from surrogates.derivatives.rules.support import dense
from surrogates.physics.errors import DomainError


def forward_laplacian(u: Any, x: Float[Tensor, "batch d"], axes: Sequence[int] | None = None) -> Tensor:
    """sum over axes of u_ii, (batch, outputs), exactly, in directions of the first layers of u.

    Raises DomainError for a u that does something
    else with x.
    """
    inside = selected(x, axes)
    try:
        notes = noted(u, x[:2], inside)
    except NotReducible as where:
        raise DomainError(
            f"u uses its input in {where}, and this route knows linear layers and (x**2).sum(-1) only; take the one "
            "along coordinates, how=Exact(reduced=False)"
        ) from None
    seeds = _seeds(notes.maps, notes.squares, x, inside)
    y = u(Input.of(x, torch.arange(x.shape[-1], device=x.device), inside, seeds))
    if not isinstance(y, Jet):
        return torch.zeros_like(y)
    y = dense(y)
    top = y.higher[-1]
    return torch.zeros_like(y.value) if top is None else 2 * top.expand(y.value.shape)


def selected(x: Tensor, axes: Sequence[int] | None) -> Tensor:
    """(d,), true at the axes."""
    inside = torch.full(x.shape[-1:], axes is None, device=x.device)
    return inside if axes is None else inside.index_fill(0, named_axes(axes, x), True)


def directions(maps: list[Tensor], squares: bool) -> int:
    """How many the Laplacian needs in these maps."""
    return sum(len(m) for m in maps) + 2 * squares


@dataclass(eq=False)
class _Seeds:
    """A meeting that hands out series along the directions p_v."""

    frame: Frame
    factors: list[Tensor]
    squares: bool
    within: Tensor
    inside: Tensor
    used: int = field(default=0)

    def linear(self, x: Input, weight: Tensor, bias: Tensor | None) -> Tensor:
        factor = self.factors[self.used]
        self.used += 1
        first = factor.T.unsqueeze(1)
        if self.squares:
            beside = F.linear(self.within, restricted(x, weight)) / self._scale()
            first = torch.cat([first.expand(-1, *beside.shape), beside.expand(2, *beside.shape)])
        return Jet.of(F.linear(x.value, weight, bias), [first, None], self.frame)

    def square(self, x: Input, keepdim: bool) -> Tensor:
        value, c = x.value.square().sum(-1, keepdim=keepdim), self._scale()
        half = self.within.square().sum(-1, keepdim=keepdim) / c
        first = torch.stack([half + c, half - c])
        first = torch.cat([first.new_zeros(self.frame.count - 2, *value.shape), first])
        top = torch.full_like(value, self.within.shape[-1])
        return Jet.of(value, [first, top], self.frame)

    def _scale(self) -> Tensor:
        """c: a typical |x|, so that rounding errors stay small."""
        return self.within.detach().square().sum(-1).mean().sqrt().clamp_min(1e-3)


def _seeds(maps: list[Tensor], squares: bool, x: Tensor, inside: Tensor) -> _Seeds:
    weights = x.new_ones(directions(maps, squares))
    if squares:
        weights[-1] = -1
    factors: list[Tensor] = []
    if maps:
        whole = torch.cat(maps) if len(maps) > 1 else maps[0]
        factors = list(_factor(whole).split([len(m) for m in maps]))
    within = x if bool(inside.all()) else x[:, inside]
    return _Seeds(Frame(2, len(weights), weights), factors, squares, within, inside)


def _factor(weight: Tensor) -> Tensor:
    """L with L L^T = W W^T, lower triangular, in float64 inside.

    A shift of 32 roundings of the trace keeps a singular W W^T (fewer coordinates than rows, equal rows) positive, and
    the gradient of L finite. At 128 x 1e5 in float32: 130 ms, where an orthonormal basis of W's rows takes 240.
    """
    square = _Square.apply(weight)
    shift = 32 * torch.finfo(square.dtype).eps * square.detach().diagonal().sum() + 1e-200
    whole = square + shift * torch.eye(len(square), dtype=square.dtype, device=square.device)
    return torch.linalg.cholesky(whole).to(weight.dtype)


class _Square(torch.autograd.Function):
    """W W^T in float64; its gradient (A + A^T) W in W's own precision, at the cost of one product."""

    @staticmethod
    def forward(weight: Tensor) -> Tensor:
        total = weight.new_zeros(len(weight), len(weight), dtype=torch.float64)
        for block in weight.split(8192, dim=1):
            wide = block.double()
            total = torch.addmm(total, wide, wide.T)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (weight,) = ctx.saved_tensors
        return (gradient + gradient.T).to(weight.dtype) @ weight
