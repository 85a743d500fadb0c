"""What a minimiser remembers between steps, and what it promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class MinimiserState:
    """Tensors with one row an atom, and tensors with one row a structure; so that structures can leave.

    Args:
        atoms: by name, first axis the atoms. structures: by name, first axis the structures.
    """

    atoms: Mapping[str, Tensor]
    structures: Mapping[str, Tensor]

    def keep(self, atoms: Int[Tensor, "kept_atoms"], structures: Int[Tensor, "kept"]) -> MinimiserState:
        """The memory of the structures that stay."""
        return MinimiserState(
            {name: t.index_select(0, atoms) for name, t in self.atoms.items()},
            {name: t.index_select(0, structures) for name, t in self.structures.items()},
        )


@runtime_checkable
class Minimiser(Protocol):
    """Forces in, displacements out; every structure is minimised as if it were alone."""

    def start(self, positions: Float[Tensor, "atoms 3"], structures: int) -> MinimiserState: ...

    def step(
        self,
        state: MinimiserState,
        positions: Float[Tensor, "atoms 3"],
        forces: Float[Tensor, "atoms 3"],
        structure: Int[Tensor, "atoms"],
    ) -> tuple[Float[Tensor, "atoms 3"], MinimiserState]:
        """Displacements in Å and the memory for the next step; `forces` (eV/Å) are those at `positions` (Å)."""


def dot(
    a: Float[Tensor, "atoms 3"], b: Float[Tensor, "atoms 3"], structure: Int[Tensor, "atoms"], structures: int
) -> Float[Tensor, "structures"]:
    """Scalar product over the coordinates of each structure."""
    return a.new_zeros(structures).index_add(0, structure, (a * b).sum(1))
