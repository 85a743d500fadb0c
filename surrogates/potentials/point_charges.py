"""Electrostatics of point charges, summed over all distances; meant for `Sum(PointCharges({...}), model)`.

Charges come from a part: one of each element, one of each atom, or any module atoms -> charges that learns them. The
sum over periodic images is another part: exact (Ewald) or on a mesh (PME).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.charges import AtomCharges, ElementCharges
from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.atoms.ewald import direct, ewald
from surrogates.physics.atoms.pme import ORDERS, pme
from surrogates.physics.errors import DomainError

Charges = Mapping[str, float | int] | Sequence[float | int] | nn.Module


class Ewald(nn.Module):
    """Ewald's sum; see surrogates.physics.atoms.ewald.

    Args:
        tolerance: root-mean-square error of the forces, eV/Å.
    """

    def __init__(self, *, tolerance: float = 1e-6) -> None:
        super().__init__()
        self.tolerance = _positive(tolerance)
        self.arguments = {"tolerance": self.tolerance}

    def forward(self, positions: Tensor, charges: Tensor, cell: Tensor) -> Float[Tensor, "atoms"]:
        """Energy of each atom of one periodic structure, eV."""
        return ewald(positions, charges, cell, tolerance=self.tolerance)


class PME(nn.Module):
    """Smooth particle mesh Ewald; see surrogates.physics.atoms.pme. Faster than `Ewald` from some 500 atoms on.

    Args:
        tolerance: root-mean-square error of the forces, eV/Å.
        order: of the B-splines; 4, 6, 8 or 10, higher ones for tighter tolerances.
    """

    def __init__(self, *, tolerance: float = 1e-4, order: int = 8) -> None:
        super().__init__()
        if order not in ORDERS:
            raise DomainError(f"order={order}: B-splines of the order {', '.join(map(str, ORDERS))} are there")
        self.tolerance, self.order = _positive(tolerance), order
        self.arguments = {"tolerance": self.tolerance, "order": order}

    def forward(self, positions: Tensor, charges: Tensor, cell: Tensor) -> Float[Tensor, "atoms"]:
        """Energy of each atom of one periodic structure, eV."""
        return pme(positions, charges, cell, tolerance=self.tolerance, order=self.order)


class PointCharges(nn.Module):
    """Coulomb energy of point charges, half of each pair's on either atom; needs no edges, no cutoff (`r_max` 0).

    Structures without periodic directions take the direct sum over all pairs. Structures periodic in all three take
    `summation`, with a conductor at infinity; a cell whose charges do not cancel gets a uniform background. Those
    periodic in one or two directions are refused.

    Args:
        charges: by element {"Na": 1.0, "Cl": -1.0}, or a list of one for each atom, in e; or a module atoms -> charges.
            Charges of the first two are parameters: `Sum` holds them fixed as baseline and fits them as model.
        summation: over periodic images, `Ewald()` or `PME()`.
    """

    def __init__(self, charges: Charges, *, summation: nn.Module | None = None) -> None:
        super().__init__()
        if isinstance(charges, Mapping):
            charges = ElementCharges(charges)
        elif not isinstance(charges, nn.Module):
            charges = AtomCharges(charges)
        self.charges = charges
        self.summation = Ewald() if summation is None else summation
        self.arguments = {"charges": self.charges, "summation": self.summation}
        self.elements: tuple[int, ...] = tuple(getattr(charges, "elements", ()))
        self.r_max = float(getattr(charges, "r_max", 0.0))  # of a network that makes charges

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, eV. DomainError for a structure periodic in one or two directions only."""
        q = self.charges(atoms).to(atoms.positions.dtype)
        counts = torch.bincount(atoms.structure, minlength=atoms.n_structures).tolist()
        energies = []
        for k, (x, own) in enumerate(zip(atoms.positions.split(counts), q.split(counts), strict=True)):
            periodic = int(atoms.pbc[k].sum())
            if periodic not in (0, 3):
                raise DomainError(
                    f"structure {k} is periodic in {periodic} of 3 directions; point charges are summed for molecules "
                    "and for crystals: give a slab enough vacuum and make it periodic in all directions"
                )
            energies.append(self.summation(x, own, atoms.cell[k]) if periodic else direct(x, own))
        return torch.cat(energies)


def _positive(tolerance: float) -> float:
    if not 1e-12 <= tolerance <= 1.0:
        raise DomainError(f"tolerance={tolerance} eV/Å: give the error of forces, from 1e-12 to 1")
    return float(tolerance)
