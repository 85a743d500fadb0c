"""Ensembles with baths of their own equations of motion: constant temperature and constant pressure without noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import ase
import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.atoms.barostats import Piston, kinetic_tensor
from surrogates.physics.atoms.integrators import Motion, velocity_verlet
from surrogates.physics.atoms.nose_hoover import Chain
from surrogates.physics.atoms.thermostats import kinetic_energy
from surrogates.physics.errors import DomainError
from surrogates.physics.units import FS, KB
from surrogates.simulation.arguments import check_pressure, is_number, is_whole
from surrogates.simulation.ensembles import Step
from surrogates.simulation.strains import Strains, strains
from surrogates.simulation.structures import constraints_of


@dataclass(frozen=True)
class NoseHoover:
    """Constant temperature by a chain of thermostats (doi:10.1063/1.463940); reversible, with a conserved quantity.

    Args:
        time: fs that a fluctuation of the temperature lives. links: of the chain; one of them alone is not ergodic for
            stiff systems.
    """

    time: float | int = 100.0
    links: int = 3

    def __post_init__(self) -> None:
        if not is_number(self.time, above=0) or not is_whole(self.links, least=1):
            raise DomainError(
                f"NoseHoover(time={self.time!r} fs, links={self.links!r}); both are above 0, such as 100, 3"
            )

    def start(self, motion: Motion, step: Step) -> Motion:
        """A chain at rest."""
        return replace(motion, bath=_at_rest(step, self.links, "chain"))

    def admit(self, atoms: ase.Atoms, kelvin: float, freedoms: int, name: str) -> None:
        """DomainError at 0 K, and where nothing moves."""
        _need_heat(type(self).__name__, atoms, kelvin, freedoms, name)

    def energy(self, motion: Motion, step: Step) -> Float[Tensor, "structures"]:
        """The chain's, eV."""
        return _chain(motion, step, step.freedoms, self.time, "chain").energy()

    def __call__(self, motion: Motion, step: Step) -> Motion:
        """Half a step of the chain, velocity Verlet, half a step of the chain."""
        motion = _thermostatted(motion, step, self.time)
        motion = velocity_verlet(motion, step.masses, step.dt, step.forces, step.holds)
        return _thermostatted(motion, step, self.time)


@dataclass(frozen=True)
class NPT:
    """Constant temperature and pressure by the equations of Martyna, Tobias and Klein (doi:10.1063/1.467468).

    The cell's strain rate is symmetric, without spin (stretches along different axes, one after the other, can still
    turn it), and drawn at the start, since some motions never begin in a cell at rest. Total momentum is zero and the
    centre of mass no freedom: an ideal gas of N atoms has P <V> = N kT (with the centre of mass it would be N + 1).
    As with every rule without noise, what has hardly any anharmonicity or collisions mixes slowly or never.

    The volume of a solid oscillates faster than `barostat` says, with the period 2 pi barostat / sqrt(3 B v / kT), B
    its bulk modulus and v its volume an atom: copper at 300 K 180 fs, argon at 40 K 260 fs, for 1000 fs. With twenty
    time steps in it the variance of the volume is 2.5 % too large, with six 40 %.

    Args:
        pressure: eV/Å^3 (1 GPa = 0.00624151 eV/Å^3, `ase.units.GPa`).
        cell: what `relax` takes: "isotropic", "full", a mask of six booleans, or a rule.
        thermostat, barostat: fs that fluctuations of temperature and of pressure live. links: of both chains.
    """

    pressure: float | int = 0.0
    cell: Any = "isotropic"
    thermostat: float | int = 100.0
    barostat: float | int = 1000.0
    links: int = 3

    def __post_init__(self) -> None:
        times = is_number(self.thermostat, above=0) and is_number(self.barostat, above=0)
        check_pressure(self.pressure)
        if not times or not is_whole(self.links, least=1):
            raise DomainError(f"{self}; thermostat and barostat are times above 0 fs, links is a whole number from 1")
        strains(self.cell)

    @property
    def strains(self) -> Strains:
        """What the cell may do."""
        return strains(self.cell)

    def admit(self, atoms: ase.Atoms, kelvin: float, freedoms: int, name: str) -> None:
        """DomainError for a structure that is not periodic in three directions, or has constraints; at 0 K."""
        title = f"{name} ({atoms.symbols})"
        if not atoms.pbc.all():
            raise DomainError(
                f"{title}: NPT needs a cell that is periodic in three directions, since others have no volume; pbc is "
                f'{atoms.pbc.tolist()}; use ensemble="nvt"'
            )
        for held in constraints_of(atoms):
            raise DomainError(
                f'{title}: {type(held).__name__} has no meaning while the cell moves; remove it, or use ensemble="nvt"'
            )
        _need_heat("NPT", atoms, kelvin, freedoms, name)

    def start(self, motion: Motion, step: Step) -> Motion:
        """Chains at rest, strain rates of the temperature."""
        chains = _at_rest(step, self.links, "chain") | _at_rest(step, self.links, "cell_chain")
        first = torch.searchsorted(step.structure, torch.arange(len(step.kelvin), device=step.structure.device))
        noise = step.noise()  # `admit` sees to it that there are two atoms
        rate = self._piston(step).drawn(KB * step.kelvin, torch.cat([noise[first], noise[first + 1]], 1))
        return replace(motion, bath={"rate": rate, **chains})

    def energy(self, motion: Motion, step: Step) -> Float[Tensor, "structures"]:
        """The chains', the cell's kinetic energy and P V, eV."""
        piston = self._piston(step)
        own = piston.kinetic(motion.bath["rate"]) + self.pressure * _volume(motion)
        chain = _chain(motion, step, step.freedoms, self.thermostat, "chain").energy()
        return own + chain + self._cell_chain(motion, step).energy()

    def __call__(self, motion: Motion, step: Step) -> Motion:
        """Chain of the cell, chain of the atoms, cell, kick, drift, and the same backwards."""
        piston = self._piston(step)
        motion = _thermostatted(self._braked(motion, step, piston), step, self.thermostat)
        rate = self._pushed(motion, step, piston)
        momenta = piston.kicked(motion.momenta, motion.forces, rate, step.dt / 2)
        velocities = momenta / step.masses[:, None]
        positions, cell = piston.drifted(motion.positions, velocities, _cell(motion), rate, step.dt)
        forces, stress = step.virial(positions, cell)
        momenta = piston.kicked(momenta, forces, rate, step.dt / 2)
        motion = Motion(positions, momenta, forces, cell, stress, {**motion.bath, "rate": rate})
        motion = replace(motion, bath={**motion.bath, "rate": self._pushed(motion, step, piston)})
        return self._braked(_thermostatted(motion, step, self.thermostat), step, piston)

    def _piston(self, step: Step) -> Piston:
        kt = KB * step.kelvin
        mass = (step.freedoms + 3) * kt * (self.barostat * FS) ** 2 / 3
        assert step.allowed is not None
        return Piston(mass, float(self.pressure), step.freedoms, step.allowed, step.structure)

    def _pushed(self, motion: Motion, step: Step, piston: Piston) -> Tensor:
        kinetic = kinetic_tensor(motion.momenta, step.masses, step.structure, len(step.kelvin))
        return piston.pushed(motion.bath["rate"], kinetic, _stress(motion), _volume(motion), step.dt / 2)

    def _braked(self, motion: Motion, step: Step, piston: Piston) -> Motion:
        rate = motion.bath["rate"]
        chain, scale = self._cell_chain(motion, step).advanced(2 * piston.kinetic(rate), step.dt / 2)
        moved = {"rate": rate * scale[:, None, None], **_remembered(chain, "cell_chain")}
        return replace(motion, bath={**motion.bath, **moved})

    def _cell_chain(self, motion: Motion, step: Step) -> Chain:
        assert step.allowed is not None
        freedoms = step.allowed.diagonal(dim1=1, dim2=2).sum(1).round()
        return _chain(motion, step, freedoms, self.barostat, "cell_chain")


def _thermostatted(motion: Motion, step: Step, time: float | int) -> Motion:
    kinetic = kinetic_energy(motion.momenta, step.masses, step.structure, len(step.kelvin))
    chain, scale = _chain(motion, step, step.freedoms, time, "chain").advanced(2 * kinetic, step.dt / 2)
    momenta = motion.momenta * scale[step.structure, None]
    return replace(motion, momenta=momenta, bath={**motion.bath, **_remembered(chain, "chain")})


def _chain(motion: Motion, step: Step, freedoms: Tensor, time: float | int, name: str) -> Chain:
    position, velocity = motion.bath[name], motion.bath[f"{name}_velocity"]
    return Chain(position, velocity, KB * step.kelvin, freedoms, float(time) * FS)


def _remembered(chain: Chain, name: str) -> dict[str, Tensor]:
    return {name: chain.position, f"{name}_velocity": chain.velocity}


def _at_rest(step: Step, links: int, name: str) -> dict[str, Tensor]:
    rest = step.freedoms.new_zeros((len(step.freedoms), links))
    return {name: rest, f"{name}_velocity": rest}


def _cell(motion: Motion) -> Tensor:
    assert motion.cell is not None  # `check` has let only crystals in
    return motion.cell


def _stress(motion: Motion) -> Tensor:
    assert motion.stress is not None
    return motion.stress


def _volume(motion: Motion) -> Tensor:
    assert motion.cell is not None
    return torch.linalg.det(motion.cell).abs()


def _need_heat(rule: str, atoms: ase.Atoms, kelvin: float | int, freedoms: int, name: str) -> None:
    if not kelvin > 0:
        raise DomainError(f"{name} ({atoms.symbols}): {rule} at {kelvin:g} K; its temperature is above 0")
    if freedoms < 1:
        raise DomainError(f"{name} ({atoms.symbols}) has no freedom that {rule} could hold; use NVE, or more atoms")
