"""Electrostatics of point charges, summed over all distances; meant for `Sum(PointCharges({...}), model)`.

Charges come from a part: one of each element, one of each atom, or any module atoms -> charges that learns them. The
sum over periodic images is another part: exact (Ewald) or on a mesh (PME).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.elements import ElementIndex, atomic_number
from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.atoms.ewald import direct, ewald
from surrogates.physics.atoms.pme import ORDERS, pme
from surrogates.physics.errors import DomainError

Charges = Mapping[str, float | int] | Sequence[float | int] | nn.Module


class ElementCharges(nn.Module):
    """One charge for each element, which can be fitted.

    Args:
        values: charges in e by symbol, {"Na": 1.0, "Cl": -1.0}.
    """

    def __init__(self, values: Mapping[str, float | int]) -> None:
        super().__init__()
        if not values:
            raise DomainError('charges={} names no element; give charges in e such as {"Na": 1.0, "Cl": -1.0}')
        by_number = {atomic_number(symbol): float(q) for symbol, q in values.items()}
        self.elements = tuple(sorted(by_number))
        self.arguments = {"values": {symbol: float(q) for symbol, q in values.items()}}
        self.index = ElementIndex(self.elements)
        self.values = nn.Parameter(torch.tensor([by_number[z] for z in self.elements], dtype=torch.float64))

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Charge of each atom, e."""
        return self.values[self.index(atoms.numbers)]


class AtomCharges(nn.Module):
    """One charge for each atom of one structure, in its order; every structure of a batch must have as many atoms.

    Args:
        values: charges in e.
    """

    def __init__(self, values: Sequence[float | int]) -> None:
        super().__init__()
        if len(values) == 0:
            raise DomainError("charges=[] has no atom; give one charge in e for each atom of the structure")
        self.elements: tuple[int, ...] = ()
        self.arguments = {"values": [float(q) for q in values]}
        self.values = nn.Parameter(torch.tensor(self.arguments["values"], dtype=torch.float64))

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Charge of each atom, e. DomainError where a structure has another number of atoms."""
        counts = set(torch.bincount(atoms.structure, minlength=atoms.n_structures).tolist())
        if counts != {len(self.values)}:
            raise DomainError(
                f"{len(self.values)} charges for structures of {sorted(counts)} atoms; give one for each atom, or "
                "charges by element"
            )
        return self.values.repeat(atoms.n_structures)


class TotalCharge(nn.Module):
    """Charges shifted alike on all atoms, so that they sum to the total charge of their structure.

    Args:
        charges: atoms -> charges in e, such as a network that knows nothing of the total.
    """

    def __init__(self, charges: nn.Module) -> None:
        super().__init__()
        self.charges = charges
        self.elements: tuple[int, ...] = tuple(getattr(charges, "elements", ()))
        self.arguments = {"charges": charges}

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Charge of each atom, e."""
        q = self.charges(atoms)
        sums = q.new_zeros(2, atoms.n_structures).index_add(1, atoms.structure, torch.stack([q, torch.ones_like(q)]))
        excess = (sums[0] - atoms.charge.to(q.dtype)) / sums[1].clamp(min=1)
        return q - excess[atoms.structure]


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
