"""Irreducible representations with one number of channels, and the layout in which this package stores them.

A feature of irreps "32x0e + 32x1o" is a tensor (atoms, 4, 32): components of all irreps one after another, channels
innermost. e3nn's strings and its component order are used (a 1o is x, y, z); e3nn's flat layout is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from e3nn import o3
from torch import Tensor

from surrogates.physics.errors import DomainError

Irrep = tuple[int, int]  # degree l and parity +1 (e) or -1 (o)


@dataclass(frozen=True)
class ChannelIrreps:
    """Distinct irreps, each with the same number of channels.

    Args:
        irreps: (l, parity) of each block, in the order of the components.
        channels: copies of every block.
    """

    irreps: tuple[Irrep, ...]
    channels: int

    @property
    def dim(self) -> int:
        """Components per channel, the sum of 2l + 1."""
        return sum(2 * l + 1 for l, _ in self.irreps)

    @property
    def sizes(self) -> list[int]:
        """Components of each block."""
        return [2 * l + 1 for l, _ in self.irreps]

    @property
    def block_of_component(self) -> list[int]:
        """Index of the block that each component belongs to."""
        return [k for k, size in enumerate(self.sizes) for _ in range(size)]

    def __str__(self) -> str:
        return " + ".join(f"{self.channels}x{l}{'e' if p == 1 else 'o'}" for l, p in self.irreps)


def channel_irreps(text: str) -> ChannelIrreps:
    """Parse "32x0e + 32x1o" and sort it; DomainError unless every irrep has one multiplicity and 0e is there."""
    found = ordered_irreps(text)
    return ChannelIrreps(tuple(sorted(found.irreps, key=lambda irrep: (irrep[0], -irrep[1]))), found.channels)


def ordered_irreps(text: str) -> ChannelIrreps:
    """As `channel_irreps`, in the order in which they are written."""
    try:
        blocks = [(mul, (ir.l, ir.p)) for mul, ir in o3.Irreps(text).simplify() if mul > 0]
    except (ValueError, TypeError) as error:
        raise DomainError(f"irreps {text!r} cannot be read; write them as '32x0e + 32x1o'") from error
    multiplicities = {mul for mul, _ in blocks}
    irreps = tuple(irrep for _, irrep in blocks)
    if len(multiplicities) != 1 or len(set(irreps)) != len(irreps) or (0, 1) not in irreps:
        raise DomainError(
            f"irreps {text!r}: one block per irrep, all with the same multiplicity, scalars 0e among them; "
            "for example '32x0e + 32x1o'"
        )
    return ChannelIrreps(irreps, multiplicities.pop())


def natural_irreps(l_max: int) -> tuple[Irrep, ...]:
    """Irreps of the spherical harmonics: parity (-1)^l for l = 0..l_max."""
    return tuple((l, (-1) ** l) for l in range(l_max + 1))


def rows_of(outputs: Sequence[Irrep], n_paths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Path and component of each row of a table of couplings: rows are ordered by output irrep, component, path."""
    path: list[int] = []
    component: list[int] = []
    first_path = first_component = 0
    for (l, _), n in zip(outputs, n_paths, strict=True):
        for m in range(2 * l + 1):
            path += range(first_path, first_path + n)
            component += [first_component + m] * n
        first_path, first_component = first_path + n, first_component + 2 * l + 1
    return torch.tensor(path, dtype=torch.long), torch.tensor(component, dtype=torch.long)
