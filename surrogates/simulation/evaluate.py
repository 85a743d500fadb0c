"""Energies and forces of a batch in which some structures may fail without stopping the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from ase.calculators.calculator import CalculatorError
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.interfaces import Surrogate
from surrogates.physics.atoms.strain import full_matrix
from surrogates.physics.errors import SurrogatesError
from surrogates.simulation.charges import warn_of_charges
from surrogates.simulation.foreign import placement
from surrogates.simulation.skin import Skin

# what the physics of one structure may raise; bugs such as TypeError are passed on
FAILURES = (SurrogatesError, CalculatorError, ArithmeticError, ValueError, RuntimeError, AssertionError)


@dataclass(frozen=True)
class Evaluation:
    """Energies and forces in float64.

    Args:
        energy: eV. forces: eV/Å.
        failures: reasons by structure; energy and forces of these are NaN.
        dipole: e Å, where the surrogate has one.
        stress: eV/Å^3, symmetric matrices, ASE's sign; None unless asked for.
    """

    energy: Float[Tensor, "structures"]
    forces: Float[Tensor, "atoms 3"]
    failures: dict[int, str]
    dipole: Float[Tensor, "structures 3"] | None = None
    stress: Float[Tensor, "structures 3 3"] | None = None


class Evaluator:
    """Asks a surrogate about float64 batches in the surrogate's precision, with a Verlet skin.

    Args:
        surrogate: what is asked. skin: width of the margin of its neighbour lists, Å.
    """

    def __init__(self, surrogate: Surrogate, skin: float = 0.5) -> None:
        self.surrogate, self.skin = surrogate, Skin(surrogate.r_max, skin)
        self.device, self.dtype = placement(surrogate)
        self._asked = False

    def __call__(self, atoms: AtomsBatch, *, stress: bool = False) -> Evaluation:
        """Energies and forces of `atoms`; the structure that raises is found by halving and reported.

        With `stress` a periodic structure whose stress the surrogate does not give, or gives as NaN, has failed too.
        """
        if not self._asked:
            warn_of_charges(self.surrogate, atoms.charge.tolist(), stacklevel=6)
            self._asked = True
        atoms = self.skin(atoms)
        try:
            found = self.ask(atoms, stress=stress)
        except FAILURES:
            return self._halved(atoms, stress)
        checked = _checked(found.energy.double(), found.forces.double(), atoms, {})
        checked = replace(checked, dipole=getattr(found, "dipole", None))
        return _with_stress(checked, found.stress, atoms) if stress else checked

    def ask(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> Any:
        """The surrogate's own result for a batch that has edges."""
        return self.surrogate.predict(atoms.to(self.device, self.dtype), stress=stress, spread=spread)

    def _halved(self, atoms: AtomsBatch, stress: bool) -> Evaluation:
        energy = atoms.positions.new_full((atoms.n_structures,), torch.nan)
        forces = torch.full_like(atoms.positions, torch.nan)
        six = atoms.positions.new_full((atoms.n_structures, 6), torch.nan)
        failures: dict[int, str] = {}
        todo = [range(atoms.n_structures)]
        while todo:
            some = todo.pop()
            part, members = select(atoms, torch.tensor(list(some), device=atoms.positions.device))
            try:
                found = self.ask(part, stress=stress)
            except FAILURES as error:
                if len(some) == 1:
                    failures[some[0]] = f"{type(error).__name__}: {error}"
                else:
                    half = len(some) // 2
                    todo += [some[half:], some[:half]]
                continue
            energy[some.start : some.stop] = found.energy.double().to(energy.device)
            forces[members] = found.forces.double().to(energy.device)
            if stress and found.stress is not None:
                six[some.start : some.stop] = found.stress.double().to(energy.device)
        checked = _checked(energy, forces, atoms, failures)
        return _with_stress(checked, six, atoms) if stress else checked


def select(atoms: AtomsBatch, keep: Tensor) -> tuple[AtomsBatch, Tensor]:
    """The structures `keep` (ascending indices) as a batch of their own, and the indices of their atoms."""
    rank = torch.full((atoms.n_structures,), -1, dtype=torch.long, device=keep.device)
    rank[keep] = torch.arange(len(keep), device=keep.device)
    members = (rank[atoms.structure] >= 0).nonzero().squeeze(1)
    place = torch.full((len(atoms.structure),), -1, dtype=torch.long, device=keep.device)
    place[members] = torch.arange(len(members), device=keep.device)
    edges = place[atoms.edges]
    kept = (edges[0] >= 0).nonzero().squeeze(1)
    part = replace(
        atoms,
        numbers=atoms.numbers[members],
        positions=atoms.positions[members],
        structure=rank[atoms.structure[members]],
        cell=atoms.cell[keep],
        pbc=atoms.pbc[keep],
        charge=atoms.charge[keep],
        multiplicity=atoms.multiplicity[keep],
        edges=edges[:, kept],
        shift=atoms.shift[kept],
    )
    return part, members


def _checked(energy: Tensor, forces: Tensor, atoms: AtomsBatch, failures: dict[int, str]) -> Evaluation:
    """Not finite is a failure too."""
    energy, forces = energy.to(atoms.positions.device), forces.to(atoms.positions.device)
    finite = torch.ones_like(energy).scatter_reduce(
        0, atoms.structure, forces.isfinite().all(1).to(energy.dtype), "amin"
    )
    bad = (~(energy.isfinite() & (finite > 0))).nonzero().squeeze(1).tolist()
    return Evaluation(energy, forces, {k: "energy or forces are not finite (NaN)" for k in bad} | failures)


def _with_stress(found: Evaluation, voigt: Tensor | None, atoms: AtomsBatch) -> Evaluation:
    """A periodic structure that has a volume but no finite stress has failed."""
    if voigt is None:
        voigt = atoms.positions.new_full((atoms.n_structures, 6), torch.nan)
    voigt = voigt.double().to(atoms.positions.device)
    owed = atoms.pbc.any(1) & (torch.linalg.det(atoms.cell) != 0)
    missing = (~voigt.isfinite().all(1) & owed).nonzero().squeeze(1).tolist()
    reasons = {k: "the surrogate gave no finite stress" for k in missing}
    return replace(found, failures=reasons | found.failures, stress=full_matrix(voigt))
