"""Statistical ensembles as rules for one time step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import ase
import torch
from jaxtyping import Float, Int
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
        holds: constraints. structure: of each atom. kelvin, freedoms: of each structure.
        allowed: projectors of flattened strains onto those that the rule's `cell` may make; None without one.
        virial: forces (eV/Å) and stress (eV/Å^3) at positions and cells in Å.
    """

    masses: Float[Tensor, "atoms"]
    temperature: Float[Tensor, "atoms"]
    dt: float
    forces: Callable[[Tensor], Tensor]
    noise: Callable[[], Tensor]
    holds: Holds
    structure: Int[Tensor, "atoms"]
    kelvin: Float[Tensor, "structures"]
    freedoms: Float[Tensor, "structures"]
    allowed: Float[Tensor, "structures 9 9"] | None
    virial: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@runtime_checkable
class Ensemble(Protocol):
    """One step of dynamics; all that a rule without memory needs."""

    def __call__(self, motion: Motion, step: Step) -> Motion: ...


@runtime_checkable
class Conserving(Ensemble, Protocol):
    """A rule that keeps total momentum, so that momenta are drawn without overall motion, and a conserved quantity."""

    def start(self, motion: Motion, step: Step) -> Motion:
        """The first motion with what the rule remembers; `step.noise` is independent of the momenta."""

    def energy(self, motion: Motion, step: Step) -> Float[Tensor, "structures"]:
        """What, added to potential and kinetic energy, is conserved, eV."""

    def admit(self, atoms: ase.Atoms, kelvin: float, freedoms: int, name: str) -> None:
        """DomainError for a structure that the rule cannot do."""


@dataclass(frozen=True)
class NVE:
    """Newton's equations: constant energy, by velocity Verlet."""

    def start(self, motion: Motion, step: Step) -> Motion:
        """Nothing to remember."""
        return motion

    def energy(self, motion: Motion, step: Step) -> Float[Tensor, "structures"]:
        """Nothing."""
        return torch.zeros_like(step.freedoms)

    def admit(self, atoms: ase.Atoms, kelvin: float, freedoms: int, name: str) -> None:
        """Every structure."""

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
