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
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from surrogates.derivatives.differentials import named_axes
from surrogates.derivatives.directions import Frame
from surrogates.derivatives.jet import Jet
from surrogates.derivatives.reduced_input import Input, NotReducible, noted, restricted
from surrogates.derivatives.rules.support import dense
from surrogates.physics.errors import DomainError


def forward_laplacian(u: Any, x: Float[Tensor, "batch d"], axes: Sequence[int] | None = None) -> Tensor:
    """sum over axes of u_ii, (batch, outputs), exactly, in directions of the first layers of u.

    Differentiable in x as often as u is, and once in the parameters. Raises DomainError for a u that does something
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


def directions(maps: list[Tensor], squares: bool, size: int) -> int:
    """How many the reduced Laplacian of `size` coordinates needs."""
    return min(sum(len(m) for m in maps), size) + 2 * squares


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
    rank = directions(maps, False, int(inside.sum()))
    weights = x.new_ones(rank + 2 * squares)
    if squares:
        weights[-1] = -1
    factors: list[Tensor] = []
    if maps:
        whole = torch.cat(maps) if len(maps) > 1 else maps[0]
        factors = list(_Factor.apply(whole).split([len(m) for m in maps]))
    within = x if bool(inside.all()) else x[:, inside]
    return _Seeds(Frame(2, rank + 2 * squares, weights), factors, squares, within, inside)


class _Factor(torch.autograd.Function):
    """L = W Q with Q orthonormal and its span holding the rows of W, so that L L^T = W W^T whatever the rank of W.

    Whatever depends on L by L L^T alone has the gradient (dL) Q^T in W: with Q fixed, L L^T changes by dW Q Q^T W^T and
    its transpose, and W Q Q^T = W. So nothing is divided by, and singular W W^T are as good as others.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        basis = torch.linalg.qr(weight.T).Q
        ctx.save_for_backward(basis)
        return weight @ basis

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (basis,) = ctx.saved_tensors
        return gradient @ basis.T
