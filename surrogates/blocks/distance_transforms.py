"""Distances scaled by the size of the two atoms, so that one radial basis suits all pairs.

Agnesi: Witt et al., J. Chem. Phys. 159, 164101 (2023), doi:10.1063/5.0158783, section on radial transformations. Soft:
as in mace-torch 0.3.11 and, in another form, in 0.3.5 to 0.3.10. r in Å; radii are covalent radii by atomic number.
"""

from __future__ import annotations

import torch
from ase.data import covalent_radii
from jaxtyping import Float, Int
from torch import Tensor, nn

_Z = Int[Tensor, "edges"]
_R = Float[Tensor, "edges"]


class Agnesi(nn.Module):
    """t = 1 / (1 + a s^q / (1 + s^(q - p))), s = r / r0, r0 the mean of both radii."""

    radii: Tensor
    a: Tensor
    p: Tensor
    q: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.arguments: dict[str, float] = {}
        _register(self, a=1.0805, p=4.5791, q=0.9183)

    def forward(self, r: _R, z_i: _Z, z_j: _Z) -> _R:
        s = r / (0.5 * (self.radii[z_i] + self.radii[z_j]))
        return 1 / (1 + self.a * s**self.q / (1 + s ** (self.q - self.p)))


class Soft(nn.Module):
    """t = b + (r - b) (1 + tanh(steepness (r - (b + c)/2) / (c - b))) / 2, b = 3/4 and c = 4/3 of the sum of radii."""

    radii: Tensor
    steepness: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.arguments: dict[str, float] = {}
        _register(self, steepness=4.0)

    def forward(self, r: _R, z_i: _Z, z_j: _Z) -> _R:
        bond = self.radii[z_i] + self.radii[z_j]
        near, far = 0.75 * bond, 4 / 3 * bond
        turn = torch.tanh((self.steepness / (far - near)) * (r - 0.5 * (near + far)))
        return near + (r - near) * 0.5 * (1 + turn)


class EarlySoft(nn.Module):
    """t = r + tanh(-s - a s^b) / 2 + 1/2, s = r / r0, r0 a quarter of the sum of radii (mace-torch 0.3.5 to 0.3.10)."""

    radii: Tensor
    a: Tensor
    b: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.arguments: dict[str, float] = {}
        _register(self, a=0.2, b=3.0)

    def forward(self, r: _R, z_i: _Z, z_j: _Z) -> _R:
        s = r / ((self.radii[z_i] + self.radii[z_j]) / 4)
        return r + 0.5 * torch.tanh(-s - self.a * s**self.b) + 0.5


def _register(module: nn.Module, **numbers: float) -> None:
    """Buffers: radii of atomic numbers 0 to 118, and constants, so that a file's own values win."""
    module.register_buffer("radii", torch.tensor(covalent_radii[:119]))
    for name, value in numbers.items():
        module.register_buffer(name, torch.tensor(value))
