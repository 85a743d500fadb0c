"""Charges of atoms: by element, by atom, and any others held to a structure's total charge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.elements import ElementIndex, atomic_number
from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.errors import DomainError


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
