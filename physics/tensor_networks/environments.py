"""Blocks left and right of every bond, kept for a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from surrogates.physics.tensor_networks.blocks import (
    Block,
    Channels,
    Half,
    edge,
    left_block,
    left_half,
    right_block,
    right_half,
)
from surrogates.physics.tensor_networks.effective import Bond, OneSite, TwoSite


class Environments:
    """Left and right blocks of a state that changes site by site during a sweep.

    left[n] lies left of site n, right[n] right of bond n, so that right[n + 1] lies right of site n.
    """

    def __init__(self, tensors: Sequence[Tensor], operator: Sequence[Tensor], center: int) -> None:
        count, self.like = len(tensors), tensors[0]
        self.sites = [Channels(w.to(self.like)) for w in operator]
        self.left: list[Block] = [edge()] * (count + 1)
        self.right: list[Block] = [edge()] * (count + 1)
        self._left: tuple[int, Block, Half] | None = None
        self._right: tuple[int, Block, Half] | None = None
        for n in range(center):
            self.moved_right(n, tensors[n])
        for n in range(count - 1, center, -1):
            self.moved_left(n, tensors[n])

    def left_half(self, n: int) -> Half:
        """left[n] and site n; the last one is kept."""
        if self._left is None or self._left[0] != n or self._left[1] is not self.left[n]:
            self._left = (n, self.left[n], left_half(self.left[n], self.sites[n], self.like))
        return self._left[2]

    def right_half(self, n: int) -> Half:
        """Site n and right[n + 1]; the last one is kept."""
        if self._right is None or self._right[0] != n or self._right[1] is not self.right[n + 1]:
            self._right = (n, self.right[n + 1], right_half(self.right[n + 1], self.sites[n], self.like))
        return self._right[2]

    def moved_right(self, n: int, t: Tensor) -> None:
        """Site n became part of the left block, left[n + 1]."""
        self.left[n + 1] = left_block(self.left_half(n), t)

    def moved_left(self, n: int, t: Tensor) -> None:
        """Site n became part of the right block, right[n]."""
        self.right[n] = right_block(self.right_half(n), t)

    def two_sites(self, n: int) -> TwoSite:
        """The effective Hamiltonian of sites n and n + 1."""
        return TwoSite(self.left_half(n), self.right_half(n + 1))

    def one_site(self, n: int) -> OneSite:
        """The effective Hamiltonian of site n."""
        return OneSite(self.left_half(n), self.right[n + 1])

    def bond(self, n: int) -> Bond:
        """The effective Hamiltonian of the bond between sites n - 1 and n."""
        return Bond(self.left[n], self.right[n])
