"""One way to ask any potential, surrogate or ASE calculator: structures in, energy, forces and stress out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets.batch import AtomsBatch, join
from surrogates.interfaces import Surrogate
from surrogates.tasks.energy import energy_forces
from surrogates.testing.transforms import without_edges


@dataclass(frozen=True)
class Answer:
    """What was said of one structure, in float64: energy in eV, forces in eV/Å, stress in eV/Å^3.

    Args:
        magnitude: sum of |atomic energies| in eV (|energy| where there are none): round-off is a part of this.
    """

    energy: float
    forces: Float[Tensor, "atoms 3"]
    stress: Float[Tensor, "6"] | None
    magnitude: float


@dataclass(frozen=True)
class Probe:
    """A surrogate with what the laws must know of it.

    Args:
        given: what the caller passed.
        r_max: cutoff in Å; 0: unknown or none, as for a foreign calculator.
        dtype: what its batches are made of.
        foreign: whether it is somebody else's calculator, whose energies carry convergence errors.
    """

    name: str
    given: Any
    surrogate: Surrogate
    r_max: float
    dtype: torch.dtype
    foreign: bool = False

    def together(self, structures: Sequence[AtomsBatch], *, stress: bool = False) -> list[Answer]:
        """Answers about structures that were asked as one batch."""
        batch = join([without_edges(s) for s in structures]).to(dtype=self.dtype)
        batch = batch.with_edges(self.r_max) if self.r_max > 0 else batch
        result = self.surrogate.predict(batch, stress=stress)
        return [_answer(result, batch, k) for k in range(batch.n_structures)]

    def __call__(self, atoms: AtomsBatch, *, stress: bool = False) -> Answer:
        """The answer about one structure, asked alone."""
        return self.together([atoms], stress=stress)[0]


@dataclass(frozen=True)
class _Differentiated:
    """A bare potential as a surrogate."""

    potential: Any
    r_max: float
    elements: tuple[int, ...]

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> Any:
        return energy_forces(self.potential, atoms, stress=stress)


def probe(thing: Any) -> Probe:
    """A Probe of a Potential, a Surrogate, an ASE calculator, or a checkpoint's path."""
    if isinstance(thing, Probe):
        return thing
    name = getattr(thing, "name", None) or type(thing).__name__
    if isinstance(thing, nn.Module) and not hasattr(thing, "predict"):
        surrogate: Any = _Differentiated(thing, thing.r_max, thing.elements)  # type: ignore[arg-type]
        return Probe(str(name), thing, surrogate, surrogate.r_max, dtype_of(thing))
    if hasattr(thing, "predict"):
        return Probe(str(name), thing, thing, float(thing.r_max), dtype_of(thing))
    from surrogates.simulation.foreign import AseSurrogate, as_surrogate

    surrogate = as_surrogate(thing)
    foreign = isinstance(surrogate, AseSurrogate)
    return Probe(str(name), thing, surrogate, 0.0 if foreign else float(surrogate.r_max), dtype_of(surrogate), foreign)


def dtype_of(thing: Any) -> torch.dtype:
    """Floating type of the first parameter or buffer of a module or of its `task`; float64 where there is none."""
    module = thing if isinstance(thing, nn.Module) else getattr(thing, "task", None)
    if isinstance(module, nn.Module):
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                return tensor.dtype
    return torch.float64


def _answer(result: Any, batch: AtomsBatch, k: int) -> Answer:
    mine = batch.structure == k
    energy = float(result.energy[k])
    energies = getattr(result, "energies", None)
    stress = None if result.stress is None else result.stress[k].detach().double().cpu()
    magnitude = abs(energy) if energies is None else float(energies[mine].detach().double().abs().sum())
    return Answer(energy, result.forces[mine].detach().double().cpu(), stress, max(magnitude, abs(energy)))
