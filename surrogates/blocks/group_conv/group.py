"""Turns and mirror images of a plane, Group Equivariant Convolutional Networks (arXiv:1602.07576), section 4.

An element is g = A^k M^m: M turns axis 0 of the plane around, A takes axis 0 to axis 1 and axis 1 to minus axis 0 (what
torch.rot90 does to an array). Elements are numbered m turns + k, the unit is 0. Matrices act on (axis 0, axis 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from surrogates.physics.errors import DomainError

_TURN = torch.tensor([[0, -1], [1, 0]], device="cpu")
_MIRROR = torch.tensor([[-1, 0], [0, 1]], device="cpu")


@dataclass(frozen=True)
class PlanarGroup:
    """A group of turns and mirror images, by its matrices and the table of its products.

    Args:
        name: how arguments of models name it.
        turns: 4 for quarter turns, 2 for half turns, 1 for none.
        mirrors: 2 with mirror images (of axis 0, and those that follow from the turns), else 1.
    """

    name: str
    turns: int
    mirrors: int

    @property
    def order(self) -> int:
        """How many elements: poses in which a filter is seen."""
        return self.turns * self.mirrors

    @cached_property
    def matrices(self) -> Int[Tensor, "order 2 2"]:
        """The elements as matrices of whole numbers."""
        found = []
        for g in range(self.order):
            m, k = self._parts(g)
            matrix = _MIRROR if m else torch.eye(2, dtype=torch.int64, device="cpu")
            for _ in range(k):
                matrix = _TURN @ matrix
            found.append(matrix)
        return torch.stack(found)

    @cached_property
    def product(self) -> Int[Tensor, "order order"]:
        """product[g, h] is the number of the element g h."""
        products = self.matrices[:, None] @ self.matrices[None, :]
        same = (products[:, :, None] == self.matrices[None, None]).all(dim=-1).all(dim=-1)
        return same.long().argmax(dim=-1)

    @cached_property
    def inverse(self) -> Int[Tensor, "order"]:
        """inverse[g] is the number of the element that undoes g."""
        return (self.product == 0).long().argmax(dim=1)

    @cached_property
    def relative(self) -> Int[Tensor, "order order"]:
        """relative[g, h] is the number of g^-1 h: pose h as seen from pose g."""
        return self.product[self.inverse]

    def turn_grid(self, g: int, x: Tensor, axes: tuple[int, int] = (2, 3)) -> Tensor:
        """The array x moved by g about its centre: the value at point p goes to g p. Components are left alone."""
        m, k = self._parts(g)
        return torch.rot90(x.flip(axes[0]) if m else x, k, axes)

    def _parts(self, g: int) -> tuple[int, int]:
        """(m, k) of g = A^k M^m."""
        m, k = divmod(g, self.turns)
        return m, k * 4 // self.turns


P4 = PlanarGroup("p4", 4, 1)
P4M = PlanarGroup("p4m", 4, 2)
GROUPS = {
    group.name: group
    for group in (
        P4,
        P4M,
        PlanarGroup("p2", 2, 1),
        PlanarGroup("pmm", 2, 2),
        PlanarGroup("pm", 1, 2),
        PlanarGroup("p1", 1, 1),
    )
}


def planar_group(name: str) -> PlanarGroup:
    """The group of that name. Raises DomainError for another one."""
    if name not in GROUPS:
        raise DomainError(
            f"group={name!r} is unknown; choose p4 (quarter turns), p4m (and mirror images), p2 (half turns), pmm (and "
            "mirror images of both axes), pm (mirror images of axis 0) or p1 (none)"
        )
    return GROUPS[name]
