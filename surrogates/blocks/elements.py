"""Which chemical elements a model knows: names to atomic numbers, atomic numbers to rows of its tables."""

from collections.abc import Iterable

import torch
from ase.data import atomic_numbers as _numbers
from jaxtyping import Int
from torch import Tensor, nn

from surrogates.physics.errors import DomainError

LARGEST = 118


def atomic_number(element: int | str) -> int:
    """Atomic number of a symbol or number; DomainError for anything that is no element."""
    number = _numbers.get(element, 0) if isinstance(element, str) else int(element)
    if not 1 <= number <= LARGEST:
        raise DomainError(
            f"{element!r} is no chemical element; give symbols such as 'C' or atomic numbers 1 to {LARGEST}"
        )
    return number


def atomic_numbers(elements: Iterable[int | str]) -> tuple[int, ...]:
    """Sorted distinct atomic numbers of symbols or numbers."""
    return tuple(sorted({atomic_number(e) for e in elements}))


class ElementIndex(nn.Module):
    """Atomic numbers -> 0, 1, ... in the order of `elements`; unknown ones map to -1 (the door refuses them first).

    Args:
        elements: ascending atomic numbers.
    """

    table: Tensor

    def __init__(self, elements: tuple[int, ...]) -> None:
        super().__init__()
        table = torch.full((LARGEST + 1,), -1)
        table[list(elements)] = torch.arange(len(elements))
        self.register_buffer("table", table, persistent=False)

    def forward(self, numbers: Int[Tensor, "atoms"]) -> Int[Tensor, "atoms"]:
        return self.table[numbers]
