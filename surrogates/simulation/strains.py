"""Which strains of its cell a structure may make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import ase
import numpy as np
import torch
from ase.constraints import FixAtoms, FixSymmetry
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.atoms.strain import VOIGT, common_directions, projector, symmetric_strains
from surrogates.physics.errors import DomainError
from surrogates.simulation.structures import constraints_of
from surrogates.simulation.symmetry import symmetry_of


@runtime_checkable
class Strains(Protocol):
    """Symmetric strains that span what a cell may do; `plane` projects onto the span of its periodic directions."""

    def __call__(self, plane: Float[Tensor, "3 3"]) -> Float[Tensor, "directions 3 3"]: ...


@dataclass(frozen=True)
class Full:
    """Lengths and angles of all periodic lattice vectors."""

    def __call__(self, plane: Float[Tensor, "3 3"]) -> Float[Tensor, "directions 3 3"]:
        """Six strains of a crystal, three of a slab."""
        return symmetric_strains(plane)


@dataclass(frozen=True)
class Isotropic:
    """One factor for all periodic directions: the volume changes, the shape does not."""

    def __call__(self, plane: Float[Tensor, "3 3"]) -> Float[Tensor, "directions 3 3"]:
        """The projector itself."""
        return plane[None]


@dataclass(frozen=True)
class Shape:
    """Everything but the volume (of a slab: the area)."""

    def __call__(self, plane: Float[Tensor, "3 3"]) -> Float[Tensor, "directions 3 3"]:
        """The strains without trace."""
        every = symmetric_strains(plane)
        n = plane.trace()
        return every - torch.einsum("k,ij->kij", every.diagonal(dim1=1, dim2=2).sum(1) / n, plane)


@dataclass(frozen=True)
class Mask:
    """Chosen Cartesian components of the strain.

    Args:
        components: six booleans in Voigt order xx yy zz yz xz xy, as ASE's filters take them.
    """

    components: tuple[bool, ...]

    def __post_init__(self) -> None:
        if len(self.components) != 6 or not all(c in (0, 1) for c in self.components) or not any(self.components):
            raise DomainError(
                f"cell={self.components!r}; a mask has six booleans for xx yy zz yz xz xy, at least one of them true"
            )

    def __call__(self, plane: Float[Tensor, "3 3"]) -> Float[Tensor, "directions 3 3"]:
        """One strain each."""
        chosen = [pair for pair, on in zip(VOIGT, self.components, strict=True) if on]
        found = plane.new_zeros((len(chosen), 3, 3))
        for k, (i, j) in enumerate(chosen):
            found[k, i, j] = found[k, j, i] = 1
        return found


NAMED: dict[str, Strains] = {"full": Full(), "isotropic": Isotropic(), "shape": Shape()}


def strains(cell: Any) -> Strains:
    """The strains of that name, of a mask of six booleans, or the ones given. Raises DomainError."""
    if isinstance(cell, str) and cell.lower() in NAMED:
        return NAMED[cell.lower()]
    if isinstance(cell, Sequence | np.ndarray) and not isinstance(cell, str):
        return Mask(tuple(bool(c) if c in (0, 1) else c for c in np.asarray(cell).tolist()))
    if callable(cell) and not isinstance(cell, type):
        rule: Strains = cell
        return rule
    raise DomainError(
        f"cell={cell!r} is unknown; choose {', '.join(NAMED)}, a mask of six booleans for xx yy zz yz xz xy, or None "
        "for a cell that stays"
    )


def allowed_strains(rule: Strains, atoms: ase.Atoms, name: str) -> Float[Tensor, "directions 3 3"]:
    """Orthonormal strains that `rule`, the periodic directions and a FixSymmetry of `atoms` leave.

    Raises DomainError for a structure whose cell cannot change: nothing periodic, a lattice vector missing, constraints
    other than fixed atoms (which keep their fractional coordinates) and symmetry, or no strain left.
    """
    title = f"{name} ({atoms.symbols})"
    if not atoms.pbc.any():
        raise DomainError(f"{title} is not periodic, so it has no cell to change; use cell=None for molecules")
    if atoms.cell.rank < 3:
        raise DomainError(
            f"{title}: a changing cell needs three lattice vectors, also along open directions, where the length does "
            "not matter; give the vacuum one with atoms.center(vacuum=10, axis=...)"
        )
    held = constraints_of(atoms)
    for other in held:
        if not isinstance(other, FixAtoms | FixSymmetry):
            raise DomainError(
                f"{title}: {type(other).__name__} has no meaning while the cell changes; FixAtoms (atoms keep their "
                "fractional coordinates) and FixSymmetry have; remove it, or use cell=None"
            )
    axes = torch.as_tensor(atoms.cell.array[atoms.pbc])
    plane = torch.linalg.pinv(axes) @ axes
    spaces = [projector(rule(plane).to(plane)), projector(symmetric_strains(plane))]
    spaces += [
        symmetry_of(c, atoms, torch.device("cpu")).strains()
        for c in held
        if isinstance(c, FixSymmetry) and c.do_adjust_cell
    ]
    found = common_directions(torch.stack(spaces))
    if len(found) == 0:
        raise DomainError(f"{title}: cell={rule} leaves no strain that its periodic directions and symmetry have")
    return found
