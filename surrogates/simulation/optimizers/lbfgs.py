"""Updating Quasi-Newton Matrices with Limited Storage (doi:10.1090/S0025-5718-1980-0572855-7): L-BFGS.

Kept: the two-loop recursion over the last pairs of displacements and force changes. Changed: as in ASE, whose minima
we share, no line search; the first curvature is a constant, and a step is shortened as a whole to its longest atom's.
Added: a pair without positive curvature is left out, which near a minimum changes nothing; far from one (random
Lennard-Jones clusters) it was the difference between a hundred steps and two thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.simulation.optimizers.state import MinimiserState, dot


@dataclass(frozen=True)
class LBFGS:
    """Quasi-Newton; fewer evaluations than FIRE where forces are smooth.

    Args:
        maxstep: longest displacement of an atom, Å.
        memory: pairs remembered.
        curvature: eV/Å^2, first guess for the Hessian's diagonal.
    """

    maxstep: float = 0.2
    memory: int = 100
    curvature: float = 70.0

    def start(self, positions: Float[Tensor, "atoms 3"], structures: int) -> MinimiserState:
        """Nothing known."""
        none = positions.new_zeros((len(positions), 0, 3))
        rest = {"positions": positions.clone(), "forces": torch.zeros_like(positions)}
        return MinimiserState(
            {"s": none, "y": none, **rest},
            {"rho": positions.new_zeros((structures, 0)), "steps": positions.new_zeros(structures)},
        )

    def step(
        self,
        state: MinimiserState,
        positions: Float[Tensor, "atoms 3"],
        forces: Float[Tensor, "atoms 3"],
        structure: Int[Tensor, "atoms"],
    ) -> tuple[Float[Tensor, "atoms 3"], MinimiserState]:
        """One step of every structure."""
        s, y, rho = self._learned(state, positions, forces, structure)
        move = self._newton(forces, s, y, rho, structure)
        longest = move.new_zeros(len(rho)).scatter_reduce(0, structure, move.norm(dim=1), "amax")
        move = move * (self.maxstep / longest.clamp_min(self.maxstep))[structure, None]
        return move, MinimiserState(
            {"s": s, "y": y, "positions": positions, "forces": forces},
            {"rho": rho, "steps": state.structures["steps"] + 1},
        )

    def _learned(
        self, state: MinimiserState, positions: Tensor, forces: Tensor, structure: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        s, y, rho = state.atoms["s"], state.atoms["y"], state.structures["rho"]
        if not bool((state.structures["steps"] > 0).all()):  # structures start together, and have no pair yet
            return s, y, rho
        moved = positions - state.atoms["positions"]
        change = state.atoms["forces"] - forces
        curvature = dot(moved, change, structure, len(rho))
        inverse = torch.where(curvature > 0, 1 / curvature, torch.zeros_like(curvature))
        s = torch.cat([s, moved[:, None]], 1)[:, -self.memory :]
        y = torch.cat([y, change[:, None]], 1)[:, -self.memory :]
        return s, y, torch.cat([rho, inverse[:, None]], 1)[:, -self.memory :]

    def _newton(self, forces: Tensor, s: Tensor, y: Tensor, rho: Tensor, structure: Tensor) -> Tensor:
        """Inverse Hessian times forces, by the two loops."""
        n, pairs = len(rho), rho.shape[1]
        q, a = forces, [forces.new_zeros(n)] * pairs
        for k in reversed(range(pairs)):
            a[k] = rho[:, k] * dot(s[:, k], q, structure, n)
            q = q - a[k][structure, None] * y[:, k]
        z = q / self.curvature
        for k in range(pairs):
            b = rho[:, k] * dot(y[:, k], z, structure, n)
            z = z + s[:, k] * (a[k] - b)[structure, None]
        return z
