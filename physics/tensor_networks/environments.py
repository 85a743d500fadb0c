"""Contractions of an MPS with an MPO from both ends, kept for a sweep, and the effective Hamiltonian between them.

Environment axes (ket bond, operator bond, bra bond). The two-site effective Hamiltonian is applied as matrix products
at a cost of chi^3; the matrix itself is never built.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def edge(dtype: torch.dtype, device: torch.device | None = None) -> Tensor:
    """What stands beyond either end of the chain."""
    return torch.ones(1, 1, 1, dtype=dtype, device=device)


def grow_left(left: Tensor, a: Tensor, w: Tensor) -> Tensor:
    """One site more on the left."""
    x = torch.tensordot(left, a, dims=([0], [0]))  # operator, bra, physical, right
    x = torch.tensordot(x, w, dims=([0, 2], [0, 3]))  # bra, right, operator', out
    return torch.tensordot(x, a.conj(), dims=([0, 3], [0, 1]))


def grow_right(right: Tensor, a: Tensor, w: Tensor) -> Tensor:
    """One site more on the right."""
    x = torch.tensordot(a, right, dims=([2], [0]))  # left, physical, operator, bra
    x = torch.tensordot(x, w, dims=([1, 2], [3, 1]))  # left, bra, operator', out
    return torch.tensordot(x, a.conj(), dims=([1, 3], [2, 1]))


class Environments:
    """Left and right environments of a state that changes site by site during a sweep."""

    def __init__(self, tensors: Sequence[Tensor], operator: Sequence[Tensor], center: int) -> None:
        self.operator = [w.to(tensors[0].dtype) for w in operator]
        count, kind, device = len(tensors), tensors[0].dtype, tensors[0].device
        self.left: list[Tensor] = [edge(kind, device)] * (count + 1)
        self.right: list[Tensor] = [edge(kind, device)] * (count + 1)
        for n in range(center):
            self.moved_right(n, tensors[n])
        for n in range(count - 1, center, -1):
            self.moved_left(n, tensors[n])

    def moved_right(self, n: int, a: Tensor) -> None:
        """Site n became part of the left environment, left[n + 1]."""
        self.left[n + 1] = grow_left(self.left[n], a, self.operator[n])

    def moved_left(self, n: int, a: Tensor) -> None:
        """Site n became part of the right environment, right[n]."""
        self.right[n] = grow_right(self.right[n + 1], a, self.operator[n])

    def two_sites(self, n: int) -> TwoSite:
        """The effective Hamiltonian of sites n and n + 1."""
        return TwoSite(self.left[n], self.operator[n], self.operator[n + 1], self.right[n + 2])

    def one_site(self, n: int) -> OneSite:
        """The effective Hamiltonian of site n."""
        return OneSite(self.left[n], self.operator[n], self.right[n + 1])

    def bond(self, n: int) -> Bond:
        """The effective Hamiltonian of the bond between sites n - 1 and n."""
        return Bond(self.left[n], self.right[n])


class TwoSite:
    """theta (left, p, q, right) -> H theta. One operator of both sites is made once, d^4 w^2 numbers."""

    def __init__(self, left: Tensor, w1: Tensor, w2: Tensor, right: Tensor) -> None:
        self.left, self.right = left, right
        self.d1, self.d2 = w1.shape[2], w2.shape[2]
        # (left bra * operator, left ket), applied first; right likewise
        self.from_left = left.permute(2, 1, 0).reshape(-1, left.shape[0])
        self.from_right = right.permute(0, 1, 2).reshape(right.shape[0], -1)
        joint = torch.tensordot(w1, w2, dims=([1], [0]))  # a, o1, i1, c, o2, i2
        self.joint = joint.permute(0, 2, 5, 1, 4, 3).reshape(w1.shape[0] * self.d1 * self.d2, -1).contiguous()

    def __call__(self, theta: Tensor) -> Tensor:
        """The same shape as theta."""
        l, d1, d2, r = theta.shape
        bras, a = self.left.shape[2], self.left.shape[1]
        x = (self.from_left @ theta.reshape(l, -1)).reshape(bras, a * d1 * d2, r)  # bra, (a i1 i2), r
        x = torch.matmul(x.transpose(1, 2), self.joint)  # bra, r, (o1 o2 c)
        c = self.right.shape[1]
        x = x.reshape(bras, r, d1 * d2, c).permute(0, 2, 1, 3).reshape(bras * d1 * d2, r * c)
        return (x @ self.right.reshape(r * c, -1)).reshape(bras, d1, d2, -1)


class OneSite:
    """A (left, p, right) -> H A."""

    def __init__(self, left: Tensor, w: Tensor, right: Tensor) -> None:
        self.left, self.w, self.right = left, w, right

    def __call__(self, a: Tensor) -> Tensor:
        """The same shape as a."""
        x = torch.tensordot(self.left, a, dims=([0], [0]))  # operator, bra, p, r
        x = torch.tensordot(x, self.w, dims=([0, 2], [0, 3]))  # bra, r, operator', out
        return torch.tensordot(x, self.right, dims=([1, 2], [0, 1]))


class Bond:
    """C (left, right) -> H C."""

    def __init__(self, left: Tensor, right: Tensor) -> None:
        self.left, self.right = left, right

    def __call__(self, c: Tensor) -> Tensor:
        """The same shape as c."""
        x = torch.tensordot(self.left, c, dims=([0], [0]))  # operator, bra, r
        return torch.tensordot(x, self.right, dims=([2, 0], [0, 1]))
