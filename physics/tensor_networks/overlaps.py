"""Other states in the basis of one that is swept, so that a search can be kept away from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from surrogates.physics.tensor_networks.mps import MPS

Apply = Callable[[Tensor], Tensor]


class Overlaps:
    """Blocks (other, own) of each other state with the one whose tensors change site by site."""

    def __init__(self, others: Sequence[MPS], tensors: Sequence[Tensor], center: int) -> None:
        kind, count = tensors[0].dtype, len(tensors)
        self.others = [[t.to(tensors[0].device, kind) for t in o.canonical(0).normalized().tensors] for o in others]
        one = torch.ones(1, 1, dtype=kind, device=tensors[0].device)
        self.left = [[one] * (count + 1) for _ in others]
        self.right = [[one] * (count + 1) for _ in others]
        for n in range(center):
            self.moved_right(n, tensors[n])
        for n in range(count - 1, center, -1):
            self.moved_left(n, tensors[n])

    def moved_right(self, n: int, t: Tensor) -> None:
        """Site n became part of the left."""
        for other, left in zip(self.others, self.left, strict=True):
            x = torch.tensordot(left[n], t.conj(), dims=1)
            left[n + 1] = torch.tensordot(other[n], x, dims=([0, 1], [0, 1]))

    def moved_left(self, n: int, t: Tensor) -> None:
        """Site n became part of the right."""
        for other, right in zip(self.others, self.right, strict=True):
            x = torch.tensordot(other[n], right[n + 1], dims=1)
            right[n] = torch.tensordot(x, t.conj(), dims=([1, 2], [1, 2]))

    def vectors(self, n: int, sites: int) -> list[Tensor]:
        """Each other state on `sites` sites from n on, in the own basis: <theta|other> is the overlap of the states."""
        found = []
        for other, left, right in zip(self.others, self.left, self.right, strict=True):
            x = left[n].mT
            for t in other[n : n + sites]:
                x = torch.tensordot(x, t, dims=1)
            found.append(torch.tensordot(x, right[n + sites], dims=1))
        return found

    def above(self, apply: Apply, n: int, sites: int, penalty: float) -> Apply:
        """The effective Hamiltonian with `penalty` times the projector on each other state."""
        vectors = self.vectors(n, sites)
        if not vectors:
            return apply

        def with_penalty(theta: Tensor) -> Tensor:
            found = apply(theta)
            for v in vectors:
                found = found + penalty * torch.vdot(v.flatten(), theta.flatten()) * v
            return found

        return with_penalty
