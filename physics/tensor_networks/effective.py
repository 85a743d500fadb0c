"""Effective Hamiltonians between two blocks, applied as matrix products and never built.

For two sites H = A x 1 + 1 x B + a gate of the two sites + operators that reach across: A is all that happens in the
left block and its site, B likewise. For couplings of neighbours these are two products of (d chi) x (d chi) matrices,
whatever the operator's bond: the other channels act on sites alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from surrogates.physics.tensor_networks.blocks import Block, Half


class TwoSite:
    """theta (left, p, q, right) -> H theta."""

    def __init__(self, left: Half, right: Half) -> None:
        self.a: Tensor | None = None
        self.b: Tensor | None = None
        self.gate: Tensor | None = None
        whole: list[tuple[Tensor, Tensor]] = []  # dense on both sides
        self.from_left: list[tuple[Tensor, Tensor]] = []  # dense on the left, local on the right
        self.from_right: list[tuple[Tensor, Tensor]] = []
        for c in sorted({*left.dense, *left.local, -1 if left.identity is None else left.identity} - {-1}):
            x, y = left.dense.get(c), right.dense.get(c)
            o = _local(left, c)
            u = _local(right, c)
            if x is not None and y is not None:
                whole.append((x, y))
            elif x is not None and u is not None:
                if c == right.identity:
                    self.a = _plus(self.a, x)
                else:
                    self.from_left.append((x, u))
            elif o is not None and y is not None:
                if c == left.identity:
                    self.b = _plus(self.b, y)
                else:
                    self.from_right.append((o, y))
            elif o is not None and u is not None:
                self.gate = _plus(self.gate, torch.kron(o, u))
        if whole:
            self.ys = torch.stack([y for _, y in whole])
            self.xs = torch.cat([x for x, _ in whole], dim=1)
        self.reaching = len(whole)

    @property
    def of_neighbours(self) -> bool:
        """Whether nothing reaches across the two sites but their own coupling."""
        return not (self.reaching or self.from_left or self.from_right)

    def __call__(self, theta: Tensor) -> Tensor:
        """The same shape as theta."""
        l, d1, d2, r = theta.shape
        theta = theta.contiguous()
        m = theta.view(l * d1, d2 * r)
        if self.gate is None:
            found = torch.zeros_like(m)
        else:
            found = torch.matmul(self.gate, theta.reshape(l, d1 * d2, r)).view(l * d1, d2 * r)
        if self.a is not None:
            found.addmm_(self.a, m)
        if self.b is not None:
            found.addmm_(m, self.b)
        for x, u in self.from_left:
            found.addmm_(x, torch.matmul(u, m.view(l * d1, d2, r)).view(l * d1, d2 * r))
        for o, y in self.from_right:
            found.addmm_(torch.matmul(o, m.view(l, d1, d2 * r)).view(l * d1, d2 * r), y)
        if self.reaching:
            found.addmm_(self.xs, torch.matmul(m, self.ys).view(-1, d2 * r))
        return found.view(theta.shape)


class OneSite:
    """A (left, p, right) -> H A."""

    def __init__(self, left: Half, right: Block) -> None:
        self.left, self.right = left, right

    def __call__(self, t: Tensor) -> Tensor:
        """The same shape as t."""
        l, d, r = t.shape
        m, found = t.contiguous().view(l * d, r), t.new_zeros(l * d, r)
        for c in {*self.left.dense, *self.left.local, self.left.identity}:
            if c is None or (c != self.right.identity and c not in self.right.channels):
                continue
            if c in self.left.dense and c == self.right.identity:
                found.addmm_(self.left.dense[c], m)
                continue
            if c in self.left.dense:
                x = self.left.dense[c] @ m
            else:
                x = m if c == self.left.identity else torch.matmul(self.left.local[c], m.view(l, d, r)).view(l * d, r)
            if c == self.right.identity:
                found += x
            else:
                found.addmm_(x, self.right.channels[c])
        return found.view(t.shape)


class Bond:
    """C (left, right) -> H C."""

    def __init__(self, left: Block, right: Block) -> None:
        self.left, self.right = left, right

    def __call__(self, c: Tensor) -> Tensor:
        """The same shape as c."""
        found = torch.zeros_like(c)
        for k in {*self.left.channels, self.left.identity}:
            if k is None or (k != self.right.identity and k not in self.right.channels):
                continue
            x = c if k == self.left.identity else self.left.channels[k] @ c
            if k == self.right.identity:
                found += x
            else:
                found.addmm_(x, self.right.channels[k])
        return found


def _local(half: Half, c: int) -> Tensor | None:
    """The operator on the site alone, if the channel has one."""
    if c in half.local:
        return half.local[c]
    if c == half.identity:
        some = next(iter([*half.local.values(), *half.dense.values()]), None)
        kind = torch.float64 if some is None else some.dtype
        return torch.eye(half.d, dtype=kind, device=None if some is None else some.device)
    return None


def _plus(total: Tensor | None, new: Tensor) -> Tensor:
    return new if total is None else total + new
