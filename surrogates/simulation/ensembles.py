"""Statistical ensembles as rules for one time step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from surrogates.physics.atoms.integrators import Holds, Motion, baoab, velocity_verlet
from surrogates.physics.atoms.thermostats import ornstein_uhlenbeck
from surrogates.physics.errors import DomainError
from surrogates.physics.units import FS


@dataclass(frozen=True)
class Step:
    """What an ensemble needs to make a step.

    Args:
        masses: amu. temperature: K, of each atom. dt: in ASE's unit of time.
        forces: eV/Å at positions in Å, constraints taken out. noise: standard normal numbers of this step.
        holds: constraints.
    """

    masses: Float[Tensor, "atoms"]
    temperature: Float[Tensor, "atoms"]
    dt: float
    forces: Callable[[Tensor], Tensor]
    noise: Callable[[], Tensor]
    holds: Holds


@runtime_checkable
class Ensemble(Protocol):
    """One step of dynamics."""

    def __call__(self, motion: Motion, step: Step) -> Motion: ...


@dataclass(frozen=True)
class NVE:
    """Newton's equations: constant energy, by velocity Verlet."""

    def __call__(self, motion: Motion, step: Step) -> Motion:
        """The next motion."""
        return velocity_verlet(motion, step.masses, step.dt, step.forces, step.holds)


@dataclass(frozen=True)
class Langevin:
    """Constant temperature: friction and noise on every atom, by BAOAB.

    Args:
        friction: 1/fs; momenta are forgotten in 1/friction.
    """

    friction: float = 0.01

    def __post_init__(self) -> None:
        if not self.friction > 0:
            raise DomainError(f"friction={self.friction} 1/fs; it is above 0, such as 0.01; without it use NVE")

    def __call__(self, motion: Motion, step: Step) -> Motion:
        """The next motion."""
        decay = self.friction / FS * step.dt

        def bath(momenta: Tensor) -> Tensor:
            return ornstein_uhlenbeck(momenta, step.masses, step.temperature, decay, step.noise())

        return baoab(motion, step.masses, step.dt, step.forces, bath, step.holds)
