"""Short-range repulsion of nuclei in mace-torch's form: Ziegler-Biersack-Littmark, cut off at the sum of both radii.

Formula: Ziegler, Biersack and Littmark, The Stopping and Range of Ions in Solids (Pergamon, 1985), with the constants
of mace-torch 0.3.5 (screening length 0.4543 * 0.529 Å / (Z_i^0.3 + Z_j^0.3)), which differ from the book's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import covalent_radii
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.elements import atomic_numbers
from surrogates.blocks.radial import polynomial_cutoff
from surrogates.datasets.batch import AtomsBatch

_EXPONENTS = (3.2, 0.9423, 0.4028, 0.2016)
_COULOMB = 14.3996  # eV Å, as rounded there
_BOHR = 0.529  # Å, likewise


class CoreRepulsion(nn.Module):
    """strength * sum over neighbours of half a pair's screened Coulomb repulsion, eV.

    Args:
        elements: the elements it knows. r_max: cutoff in Å; a pair ends at the sum of its radii if that is shorter.
        cutoff_p: exponent of the polynomial cutoff of each pair.
        strength: factor on the energy, such as the scale of the model that it was trained with.
    """

    radii: Tensor
    factors: Tensor
    power: Tensor
    length: Tensor

    def __init__(
        self, elements: Sequence[int | str], *, r_max: float | int, cutoff_p: int = 6, strength: float | int = 1.0
    ) -> None:
        super().__init__()
        self.elements = atomic_numbers(elements)
        self.arguments = dict(elements=list(self.elements), r_max=r_max, cutoff_p=cutoff_p, strength=strength)
        self._r_max, self.cutoff_p, self.strength = float(r_max), cutoff_p, float(strength)
        self.register_buffer("radii", torch.tensor(covalent_radii[:119]))
        self.register_buffer("factors", torch.tensor([0.1818, 0.5099, 0.2802, 0.02817]))
        self.register_buffer("power", torch.tensor(0.3))
        self.register_buffer("length", torch.tensor(0.4543))

    @property
    def r_max(self) -> float:
        """Longest distance at which a pair feels it, Å."""
        return min(self._r_max, 2 * float(self.radii[list(self.elements)].max()))

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, eV."""
        r = atoms.vectors().norm(dim=-1)
        numbers = atoms.numbers[atoms.edges]
        z_i, z_j = numbers.to(r.dtype)
        x = r * (z_i**self.power + z_j**self.power) / (self.length * _BOHR)
        screening = sum(c * torch.exp(-b * x) for c, b in zip(self.factors, _EXPONENTS, strict=True))
        end = self.radii[numbers].sum(0)
        cut = polynomial_cutoff(r / end, 1.0, self.cutoff_p) * (r < self._r_max)
        energy = (0.5 * _COULOMB * self.strength) * z_i * z_j / r * screening * cut
        return energy.new_zeros(atoms.numbers.shape[0]).index_add(0, atoms.edges[0], energy)
