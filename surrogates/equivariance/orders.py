"""Components of several degrees sorted by order m, so that what acts on one |m| meets one block of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from surrogates.equivariance.wigner_zjz import exact_harmonics


def by_order(degrees: Sequence[int], kept: int | None = None) -> tuple[Tensor, list[int]]:
    """Index of each component, sorted by |m|, sign (+ first), then degree; and how many components each |m| has.

    The components of `degrees` follow each other, each degree l with |m| <= min(l, kept) only.
    """
    cut = max(degrees) if kept is None else kept
    middles, end = [], 0
    for l in degrees:
        middles.append(end + min(l, cut))
        end += 2 * min(l, cut) + 1
    groups = [
        [middles[k] + sign * m for sign in ((1, -1) if m else (1,)) for k, l in enumerate(degrees) if l >= m]
        for m in range(min(cut, max(degrees)) + 1)
    ]
    return torch.tensor([i for group in groups for i in group]), [len(group) for group in groups]


def signed_orders(l_max: int) -> list[int]:
    """0, 1, -1, 2, -2, ...: the sequence in which `by_order` lists components."""
    return [0, *(sign * m for m in range(1, l_max + 1) for sign in (1, -1))]


def meridian_profiles(degrees: Sequence[int], m: int, theta: Tensor) -> Tensor:
    """Y_lm / cos(m phi) at polar angles theta (any real number), for the degrees l >= m; (angles, degrees), float64.

    Real harmonics of orders m and -m share it: they are it times cos(m phi) and sin(m phi).
    """
    meridian = torch.stack([torch.zeros_like(theta), torch.cos(theta), torch.sin(theta)], dim=1)
    harmonics = exact_harmonics(max(degrees), meridian)
    return torch.stack([harmonics[:, l * l + l + m] for l in degrees if l >= m], dim=1)


def repeated(table: Tensor, x: Tensor) -> Tensor:
    """table @ x for each member of a batch (n, columns, channels)."""
    return torch.bmm(table.expand(len(x), *table.shape), x)


def permuted(x: Tensor, order: Tensor) -> Tensor:
    """x[:, order] for a permutation `order`: its gradient is the way back, not a sum into zeros."""
    return _Permuted.apply(x, order)


class _Permuted(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: Tensor) -> Tensor:
        return x.index_select(1, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        return permuted(grad, torch.argsort(order)), None
