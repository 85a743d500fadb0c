"""One way to ask any potential, surrogate or ASE calculator: structures in, energy, forces and stress out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch, join
from surrogates.interfaces import Surrogate
from surrogates.simulation.foreign import AseSurrogate, as_surrogate, placement


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
        r_max: cutoff in Å; 0: unknown or none, as for a foreign calculator.
        dtype: what its batches are made of.
        foreign: whether it is somebody else's calculator, whose energies carry convergence errors.
        charged: whether that calculator sets a charge or spin of its own, whatever the structure.
    A structure that was asked alone is not asked again: several laws start from the same one.
    """

    name: str
    surrogate: Surrogate
    r_max: float
    dtype: torch.dtype
    foreign: bool = False
    charged: bool = False
    _known: dict[tuple[bytes, bool], Answer] = field(default_factory=dict, repr=False, compare=False)

    def together(self, structures: Sequence[AtomsBatch], *, stress: bool = False) -> list[Answer]:
        """Answers about structures that were asked as one batch."""
        batch = (join(structures) if len(structures) > 1 else structures[0]).to(dtype=self.dtype)
        batch = batch.with_edges(self.r_max) if self.r_max > 0 else batch
        result = self.surrogate.predict(batch, stress=stress)
        return [_answer(result, batch, k) for k in range(batch.n_structures)]

    def __call__(self, atoms: AtomsBatch, *, stress: bool = False) -> Answer:
        """The answer about one structure, asked alone."""
        tensors = (atoms.numbers, atoms.positions, atoms.cell, atoms.pbc, atoms.charge, atoms.multiplicity)
        key = b"".join(t.detach().cpu().numpy().tobytes() for t in tensors)
        for said in (stress, True):
            if (key, said) in self._known:
                return self._known[key, said]
        return self._known.setdefault((key, stress), self.together([atoms], stress=stress)[0])


def probe(thing: Any, dtype: torch.dtype | None = None) -> Probe:
    """A Probe of a Potential, a Surrogate, an ASE calculator, or a checkpoint's path; networks as copies in `dtype`."""
    if isinstance(thing, Probe):
        return thing
    surrogate = as_surrogate(thing, dtype=dtype)
    foreign = isinstance(surrogate, AseSurrogate)
    r_max = 0.0 if foreign else float(surrogate.r_max)
    own = getattr(thing, "parameters", None) or {}
    charged = foreign and bool(own.get("charge") or own.get("uhf") or (own.get("multiplicity") or 1) > 1)
    return Probe(_name(thing), surrogate, r_max, placement(surrogate)[1], foreign, charged)


def _name(thing: Any) -> str:
    if isinstance(thing, str | Path):
        return Path(thing).name
    inner = getattr(thing, "task", thing)
    return str(getattr(thing, "name", None) or type(getattr(inner, "model", inner)).__name__)


def _answer(result: Any, batch: AtomsBatch, k: int) -> Answer:
    mine = batch.structure == k
    energy = float(result.energy[k])
    energies = getattr(result, "energies", None)
    stress = None if result.stress is None else result.stress[k].detach().double().cpu()
    magnitude = abs(energy) if energies is None else float(energies[mine].detach().double().abs().sum())
    return Answer(energy, result.forces[mine].detach().double().cpu(), stress, max(magnitude, abs(energy)))
