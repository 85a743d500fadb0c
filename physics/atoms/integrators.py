"""One time step of molecular dynamics.

A step maps a `Motion` to the next one; forces are computed once a step. Masses in amu, positions in Å, momenta in
sqrt(amu eV), times in Å sqrt(amu/eV) (ASE's units; one fs is `surrogates.physics.units.FS`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Motion:
    """Where a simulation stands.

    Args:
        positions: Å. momenta: sqrt(amu eV). forces: eV/Å, at these positions.
        cell, stress: Å, and eV/Å^3 there, of rules that move cells; None otherwise.
        bath: what thermostats and barostats remember, by name; first axis the structures.
    """

    positions: Float[Tensor, "atoms 3"]
    momenta: Float[Tensor, "atoms 3"]
    forces: Float[Tensor, "atoms 3"]
    cell: Float[Tensor, "structures 3 3"] | None = None
    stress: Float[Tensor, "structures 3 3"] | None = None
    bath: Mapping[str, Tensor] = field(default_factory=dict)

    def keep(self, atoms: Int[Tensor, "kept_atoms"], structures: Int[Tensor, "kept"]) -> Motion:
        """Only these atoms and structures."""
        return Motion(
            self.positions[atoms],
            self.momenta[atoms],
            self.forces[atoms],
            None if self.cell is None else self.cell[structures],
            None if self.stress is None else self.stress[structures],
            {name: tensor[structures] for name, tensor in self.bath.items()},
        )


@runtime_checkable
class Holds(Protocol):
    """Constraints: what they leave of a displacement and of momenta; forces given to a step have theirs taken out."""

    @property
    def general(self) -> bool: ...

    def positions(self, old: Tensor, new: Tensor) -> Tensor: ...

    def momenta(self, positions: Tensor, momenta: Tensor) -> Tensor: ...


def velocity_verlet(
    motion: Motion,
    masses: Float[Tensor, "atoms"],
    dt: float,
    forces: Callable[[Tensor], Tensor],
    holds: Holds | None = None,
) -> Motion:
    """Half a kick, a drift, half a kick: second order, time-reversible, symplectic (doi:10.1063/1.442716)."""
    momenta = motion.momenta + dt / 2 * motion.forces
    positions, momenta = _drift(motion.positions, momenta, masses, dt, holds)
    force = forces(positions)
    momenta = _held(positions, momenta + dt / 2 * force, holds)
    return replace(motion, positions=positions, momenta=momenta, forces=force)


def baoab(
    motion: Motion,
    masses: Float[Tensor, "atoms"],
    dt: float,
    forces: Callable[[Tensor], Tensor],
    bath: Callable[[Tensor], Tensor],
    holds: Holds | None = None,
) -> Motion:
    """Langevin dynamics, split so that positions are sampled best: kick, drift, bath, drift, kick.

    Paper: Rational Construction of Stochastic Numerical Methods for Molecular Sampling (arXiv:1203.5428).
    `bath` maps momenta to momenta over the whole `dt`.
    """
    momenta = _held(motion.positions, motion.momenta + dt / 2 * motion.forces, holds)
    positions, momenta = _drift(motion.positions, momenta, masses, dt / 2, holds)
    momenta = _held(positions, bath(momenta), holds)
    positions, momenta = _drift(positions, momenta, masses, dt / 2, holds)
    force = forces(positions)
    momenta = _held(positions, momenta + dt / 2 * force, holds)
    return replace(motion, positions=positions, momenta=momenta, forces=force)


def _drift(positions: Tensor, momenta: Tensor, masses: Tensor, dt: float, holds: Holds | None) -> tuple[Tensor, Tensor]:
    wanted = positions + dt * momenta / masses[:, None]
    if holds is None:
        return wanted, momenta
    reached = holds.positions(positions, wanted)
    if holds.general:  # the constraint's own push on the momenta
        momenta = masses[:, None] * (reached - positions) / dt
    return reached, momenta


def _held(positions: Tensor, momenta: Tensor, holds: Holds | None) -> Tensor:
    return momenta if holds is None else holds.momenta(positions, momenta)
