"""From a network's numbers of order one to atomic energies in eV."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

_ELEMENTS = 119  # atomic numbers 0 to 118


class ScaleShift(nn.Module):
    """E_i = E0[z_i] + shift + scale * x_i, all buffers; the identity until `set` is called.

    E0 is the energy of an isolated atom (eV); scale and shift (eV) belong to the interaction part only. `known` tells
    whether values were set or loaded, so that nobody overwrites a trained task's by accident.
    """

    isolated: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("isolated", torch.zeros(_ELEMENTS))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        self.known = False
        self.register_load_state_dict_post_hook(_loaded)

    def set(self, isolated: dict[int, float], scale: float, shift: float) -> None:
        """Take energies of isolated atoms by atomic number (eV), scale and shift (eV)."""
        self.isolated.zero_()
        self.correct(isolated, shift - self.shift.item())
        self.scale.fill_(scale)
        self.known = True

    def correct(self, isolated: dict[int, float], shift: float) -> None:
        """Add to the energies of isolated atoms and to the shift, eV."""
        for number, energy in isolated.items():
            self.isolated[number] += energy
        self.shift += shift

    def interaction(self, raw: Float[Tensor, "atoms"]) -> Float[Tensor, "atoms"]:
        """shift + scale * x: the atomic energies without the isolated atoms, eV."""
        return self.shift + self.scale * raw

    def forward(self, raw: Float[Tensor, "atoms"], numbers: Int[Tensor, "atoms"]) -> Float[Tensor, "atoms"]:
        """The atomic energies, eV."""
        return self.isolated.index_select(0, numbers) + self.interaction(raw)


def _loaded(module: nn.Module, keys: object) -> None:
    module.known = True  # type: ignore[assignment]
