"""Nosé-Hoover chains: a thermostat without noise, whose conserved quantity proves its integration.

Papers: Martyna, Klein and Tuckerman, Nosé-Hoover chains: the canonical ensemble via continuous dynamics
(doi:10.1063/1.463940), the equations of motion; Martyna, Tuckerman, Tobias and Klein, Explicit reversible integrators
for extended systems dynamics (doi:10.1080/00268979600100761), the integrator; Yoshida, Construction of
higher order symplectic integrators (doi:10.1016/0375-9601(90)90092-3), its weights.
Many chains at once, one a structure; times in Å sqrt(amu/eV).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

_W7 = (0.784513610477560, 0.235573213359357, -1.17767998417887)
_W5 = 1 / (4 - 4 ** (1 / 3))
_W3 = 1 / (2 - 2 ** (1 / 3))
WEIGHTS = {
    1: (1.0,),
    3: (_W3, 1 - 2 * _W3, _W3),
    5: (_W5, _W5, 1 - 4 * _W5, _W5, _W5),
    7: (*_W7, 1 - 2 * sum(_W7), *_W7[::-1]),
}


@dataclass(frozen=True)
class Chain:
    """Links of the chains of many structures; link 0 holds the system.

    Args:
        position, velocity: eta (dimensionless) and its rate.
        kt: eV. freedoms: of what is held. time: how long a fluctuation lives, ASE's unit of time.
    """

    position: Float[Tensor, "structures links"]
    velocity: Float[Tensor, "structures links"]
    kt: Float[Tensor, "structures"]
    freedoms: Float[Tensor, "structures"]
    time: float

    @property
    def weights(self) -> Float[Tensor, "structures links"]:
        """kT of each link, times the freedoms for the first."""
        first = torch.zeros_like(self.position)
        first[:, 0] = 1
        return self.kt[:, None] * (1 + first * (self.freedoms[:, None] - 1))

    @property
    def masses(self) -> Float[Tensor, "structures links"]:
        """Q_1 = freedoms kT time^2, the others kT time^2; eV times time squared."""
        return self.weights * self.time**2

    def energy(self) -> Float[Tensor, "structures"]:
        """sum Q v^2/2 + freedoms kT eta_1 + kT sum eta_j, eV: the chain's part of what is conserved."""
        return (self.masses * self.velocity.square() / 2 + self.weights * self.position).sum(1)

    def advanced(
        self, doubled_kinetic: Float[Tensor, "structures"], duration: float, order: int = 3
    ) -> tuple[Chain, Float[Tensor, "structures"]]:
        """The chains `duration` later, and what the momenta held by them are multiplied with; reversible.

        `doubled_kinetic` is sum p^2/m in eV; `order` is the number of Suzuki-Yoshida weights.
        """
        q, kt, goal = self.masses, self.kt, self.freedoms * self.kt
        x, v = self.position, list(self.velocity.unbind(1))
        scale, held = torch.ones_like(kt), doubled_kinetic
        last = len(v) - 1

        def push(j: int, d: float) -> None:
            """Half a step of link j: friction, force, friction."""
            force = (held - goal if j == 0 else q[:, j - 1] * v[j - 1] ** 2 - kt) / q[:, j]
            drag = torch.exp(-v[j + 1] * d / 4) if j < last else torch.ones_like(kt)
            v[j] = (v[j] * drag + force * d / 2) * drag

        for weight in WEIGHTS[order]:
            d = weight * duration
            for j in range(last, -1, -1):
                push(j, d)
            slower = torch.exp(-v[0] * d)
            scale, held = scale * slower, held * slower**2
            x = x + d * torch.stack(v, 1)
            for j in range(last + 1):
                push(j, d)
        return replace(self, position=x, velocity=torch.stack(v, 1)), scale
