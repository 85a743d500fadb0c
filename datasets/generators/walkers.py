"""Langevin walkers: independent, seeded trajectories on a reference that yield labelled structures.

A walker relaxes its structure on the reference, draws Maxwell-Boltzmann momenta, equilibrates, and then gives one
sample each `spacing`. It moves in segments between which nothing survives but the state (positions, momenta, random
state): every segment begins with a fresh calculator and a new integrator. So a state, once computed, can be read from
the cache, and an interrupted walker continues there and ends in the same bits.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import ase
import numpy as np
from ase.calculators.calculator import CalculatorError
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import LBFGS
from jaxtyping import Float

from surrogates.datasets.generators.cache import Arrays, digest
from surrogates.datasets.generators.driver import DivergedError, driver
from surrogates.datasets.generators.labels import Labels, Referee, ReferenceFailure, contents
from surrogates.physics.errors import DomainError
from surrogates.physics.units import FS

_ATTEMPTS = 20  # failures in a row before a walker gives up
_FAILURES = (CalculatorError, ArithmeticError, np.linalg.LinAlgError, ReferenceFailure)
# ASE's Langevin keeps the centre of mass at rest by default, which samples small systems wrongly
_FREE = {"fixcm": False} if "fixcm" in inspect.signature(Langevin.__init__).parameters else {}


@dataclass(frozen=True)
class Walker:
    """How one walker samples.

    Args:
        temperature: K. samples: labelled structures that it yields.
        timestep: fs; 0.5 resolves the stretching of bonds to hydrogen (period 9 fs).
        friction: 1/fs; 0.02 forgets momenta in 50 fs, so that the walker neither rings nor crawls.
        equilibration: fs between the relaxed structure and the first spacing; 500 is ten times 1/friction.
        fmax: eV/Å to which the structure is relaxed on the reference before, so that no bad start heats the walker.
    """

    temperature: float | int
    samples: int
    timestep: float | int = 0.5
    friction: float | int = 0.02
    equilibration: float | int = 500.0
    fmax: float | int = 0.05

    def __post_init__(self) -> None:
        for name in ("temperature", "samples", "timestep", "friction", "fmax"):
            if not getattr(self, name) > 0:
                raise DomainError(f"a walker's {name} was given as {getattr(self, name)}; it must be above 0")
        if self.equilibration < 0:
            raise DomainError(f"a walker's equilibration was given as {self.equilibration} fs; it must not be negative")

    def steps(self, duration: float | int) -> int:
        """Time steps in `duration` (fs), at least one; DomainError when it is no whole number of them."""
        steps = round(duration / self.timestep)
        if steps < 1 or abs(steps * self.timestep - duration) > 1e-6 * duration:
            raise DomainError(
                f"{duration:g} fs is no whole number of time steps of {self.timestep:g} fs; "
                f"give a multiple, such as {max(steps, 1) * self.timestep:g} fs"
            )
        return steps


@dataclass(frozen=True)
class State:
    """Where a walker stands: all that its future depends on.

    Args:
        positions: Å. momenta: ASE's units, amu Å / (Å sqrt(amu/eV)). random: JSON of a PCG64 state.
    """

    positions: Float[np.ndarray, "atoms 3"]
    momenta: Float[np.ndarray, "atoms 3"]
    random: str

    def generator(self) -> np.random.Generator:
        """A random generator that continues from this state."""
        bits = np.random.PCG64()
        bits.state = json.loads(self.random)
        return np.random.Generator(bits)

    def arrays(self) -> Arrays:
        """The state as the cache keeps it."""
        return {"positions": self.positions, "momenta": self.momenta, "random": _bytes(self.random)}

    @staticmethod
    def restored(arrays: Arrays) -> State:
        """Inverse of `arrays`."""
        return State(arrays["positions"], arrays["momenta"], arrays["random"].tobytes().decode())


@dataclass(frozen=True)
class Frame:
    """One labelled structure, or the reason why there is none."""

    atoms: ase.Atoms
    labels: Labels | None
    failure: str | None = None


_Move = Generator[Frame, None, State]


def walk(start: ase.Atoms, referee: Referee, walker: Walker, *, spacing: float | int, seed: int) -> Iterator[Frame]:
    """Yield `walker.samples` labelled frames of one trajectory, and a frame with `failure` for each failed attempt.

    After a failure the walker returns to its last sample and goes on with new momenta. `spacing` is in fs.
    DomainError when the reference cannot treat the structure at all, or fails 20 times in a row.
    """
    trajectory = _Trajectory(start, referee, walker)
    state = trajectory.prepared(seed)
    for duration in _durations(walker.equilibration, spacing):
        state = yield from trajectory.advance(state, walker.steps(duration), label=False)
    for _ in range(walker.samples):
        state = yield from trajectory.advance(state, walker.steps(spacing), label=True)


class _Trajectory:
    """The moves of one walker, each read from the cache where it is known."""

    def __init__(self, start: ase.Atoms, referee: Referee, walker: Walker) -> None:
        self.start, self.referee, self.walker = start, referee, walker
        self.identity = _identity(start, referee, walker)
        self.calculator: Any = None  # has calculated the current state, or nothing yet

    def prepared(self, seed: int) -> State:
        """The relaxed structure with momenta drawn for the walker's temperature."""
        random = json.dumps(np.random.PCG64(seed).state)
        given = State(self.start.positions.copy(), np.zeros_like(self.start.positions), random)
        self.referee.check(self.start)
        try:
            relaxed = self._known(given, "relax", partial(self._relax, given))
        except _FAILURES as error:
            raise DomainError(
                f"the reference {self.referee.reference.use} cannot relax {self.start.symbols}: {error}; "
                "give a structure nearer to a minimum"
            ) from error
        return self._thermalise(relaxed)

    def advance(self, state: State, steps: int, *, label: bool) -> _Move:
        """Move by `steps` and return the new state; yields the failures on the way and, if asked, a labelled frame."""
        for _ in range(_ATTEMPTS):
            try:
                moved = self._known(state, f"langevin {steps}", partial(self._langevin, state, steps))
                frame = self._frame(moved) if label else None
            except _FAILURES as error:
                yield Frame(self._atoms(state), None, str(error))
                self.calculator = None
                state = self._thermalise(state)
            else:
                if frame is not None:
                    yield frame
                return moved
        raise DomainError(
            f"the reference {self.referee.reference.use} failed {_ATTEMPTS} times in a row on {self.start.symbols} "
            f"at {self.walker.temperature:g} K; lower the temperature or the time step ({self.walker.timestep:g} fs), "
            "or loosen the reference's convergence"
        )

    def _frame(self, state: State) -> Frame:
        atoms = self._atoms(state)
        self.calculator = self.referee.fresh(atoms)
        return Frame(atoms, self.referee.label(atoms, self.calculator))

    def _known(self, state: State, move: str, compute: Callable[[], State]) -> State:
        key = digest("move 1", move, self.identity, state.positions, state.momenta, state.random)
        if (known := self.referee.cache.get(key)) is not None:
            self.calculator = None
            return State.restored(known)
        moved = compute()
        self.referee.cache.put(key, moved.arrays())
        return moved

    def _langevin(self, state: State, steps: int) -> State:
        atoms, generator = self._driven(state), state.generator()
        dynamics = Langevin(
            atoms,
            self.walker.timestep * FS,
            temperature_K=self.walker.temperature,
            friction=self.walker.friction / FS,
            rng=generator,
            **_FREE,
        )
        with self.referee.one_thread():
            dynamics.run(steps)
        self.calculator = None
        if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.get_momenta()).all()):
            raise DivergedError(f"the walker at {self.walker.temperature:g} K ran away to infinity")
        return State(atoms.positions.copy(), atoms.get_momenta(), json.dumps(generator.bit_generator.state))

    def _relax(self, state: State) -> State:
        atoms = self._driven(state)
        with self.referee.one_thread():
            LBFGS(atoms, logfile=os.devnull).run(fmax=self.walker.fmax, steps=500)
        return replace(state, positions=atoms.positions.copy())

    def _thermalise(self, state: State) -> State:
        """The same place with new momenta, and the random state after drawing them."""
        atoms, generator = self._atoms(state), state.generator()
        MaxwellBoltzmannDistribution(atoms, temperature_K=self.walker.temperature, rng=generator)
        return State(state.positions, atoms.get_momenta(), json.dumps(generator.bit_generator.state))

    def _atoms(self, state: State) -> ase.Atoms:
        atoms = self.start.copy()
        atoms.set_positions(state.positions, apply_constraint=False)
        atoms.set_momenta(state.momenta, apply_constraint=False)
        return atoms

    def _driven(self, state: State) -> ase.Atoms:
        atoms = self._atoms(state)
        atoms.calc = driver(self.calculator or self.referee.fresh(atoms))
        return atoms


def _identity(start: ase.Atoms, referee: Referee, walker: Walker) -> str:
    """Key of everything but the state that a move depends on; the number of samples is none of it."""
    settings = {k: float(v) for k, v in asdict(walker).items() if k not in ("samples", "equilibration")}
    fixed = json.dumps([c.todict() for c in start.constraints], default=np.ndarray.tolist)
    masses = start.get_masses()
    return digest(json.dumps(settings), referee.identity, ase.__version__, fixed, masses, *contents(start))


def _durations(total: float | int, piece: float | int) -> Iterator[float]:
    """`total` fs in pieces of at most `piece` fs, so that little is lost when a walker is killed."""
    while total > 1e-9:
        yield min(piece, total)
        total -= piece


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)
