"""Structural Relaxation Made Simple (doi:10.1103/PhysRevLett.97.170201): the fast inertial relaxation engine.

Kept: MD with masses of one, velocities turned towards the forces, restart when moving uphill (steps F1 to F5).
Changed: as in ASE, whose minima we share, Euler steps and a longest displacement of the whole structure.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.simulation.optimizers.state import MinimiserState, dot


@dataclass(frozen=True)
class FIRE:
    """Downhill by damped inertia; robust from anywhere.

    Args:
        dt, dt_max: first and longest time step, Å/sqrt(eV) (masses are one).
        maxstep: longest displacement of all coordinates together, Å.
        n_min: downhill steps before the time step grows by `f_inc`, and the mixing shrinks by `f_alpha`.
        f_dec: what uphill motion makes of the time step. alpha: first mixing of velocity and force.
    """

    dt: float = 0.1
    dt_max: float = 1.0
    maxstep: float = 0.2
    n_min: int = 5
    f_inc: float = 1.1
    f_dec: float = 0.5
    alpha: float = 0.1
    f_alpha: float = 0.99

    def start(self, positions: Float[Tensor, "atoms 3"], structures: int) -> MinimiserState:
        """At rest."""
        full = positions.new_full
        return MinimiserState(
            {"velocities": torch.zeros_like(positions)},
            {
                "dt": full((structures,), self.dt),
                "alpha": full((structures,), self.alpha),
                "downhill": full((structures,), 0.0),
                "steps": full((structures,), 0.0),
            },
        )

    def step(
        self,
        state: MinimiserState,
        positions: Float[Tensor, "atoms 3"],
        forces: Float[Tensor, "atoms 3"],
        structure: Int[Tensor, "atoms"],
    ) -> tuple[Float[Tensor, "atoms 3"], MinimiserState]:
        """One step; all of it by structure, masks in place of branches."""
        v, own = state.atoms["velocities"], state.structures
        dt, alpha, downhill, steps = own["dt"], own["alpha"], own["downhill"], own["steps"]
        n = len(dt)
        power = dot(forces, v, structure, n)
        moved, down = steps > 0, power > 0
        turn = dot(v, v, structure, n).sqrt() / dot(forces, forces, structure, n).sqrt().clamp_min(1e-300)
        turned = (1 - alpha)[structure, None] * v + (alpha * turn)[structure, None] * forces
        v = torch.where((moved & down)[structure, None], turned, torch.zeros_like(v))
        faster, back = moved & down & (downhill > self.n_min), moved & ~down
        dt = torch.where(faster, (dt * self.f_inc).clamp_max(self.dt_max), torch.where(back, dt * self.f_dec, dt))
        alpha = torch.where(faster, alpha * self.f_alpha, torch.where(back, torch.full_like(alpha, self.alpha), alpha))
        downhill = torch.where(moved & down, downhill + 1, torch.where(back, torch.zeros_like(downhill), downhill))
        v = v + dt[structure, None] * forces
        move = dt[structure, None] * v
        length = dot(move, move, structure, n).sqrt()
        move = move * (self.maxstep / length.clamp_min(self.maxstep))[structure, None]
        return move, MinimiserState(
            {"velocities": v}, {"dt": dt, "alpha": alpha, "downhill": downhill, "steps": steps + 1}
        )
