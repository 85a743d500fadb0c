"""The loop of a relaxation: a batch that shrinks as its structures arrive; cells come along where they may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from torch import Tensor

from surrogates.interfaces import Surrogate
from surrogates.physics.atoms.strain import voigt_vector
from surrogates.simulation.constraints import Constraints
from surrogates.simulation.deformation import Deformation
from surrogates.simulation.evaluate import Evaluation, Evaluator, select
from surrogates.simulation.foreign import check_elements
from surrogates.simulation.frames import FrameFiles
from surrogates.simulation.optimizers import Minimiser, MinimiserState
from surrogates.simulation.relaxed import CellResult, Relaxed
from surrogates.simulation.resume import Checkpoint, identify
from surrogates.simulation.strains import Strains, allowed_strains
from surrogates.simulation.structures import admission, as_batch, copy_atoms

Path_ = str | Path | None


class Relaxation:
    """A relaxation under way; `relax` explains the arguments.

    Args:
        limits: fmax in eV/Å and smax in eV/Å^3. cell: which strains it may make, and the pressure in eV/Å^3.
        files: trajectory and checkpoint, None for none.
    """

    deformation: Deformation | None = None

    def __init__(
        self,
        atoms: Sequence[ase.Atoms],
        surrogate: Surrogate,
        minimiser: Minimiser,
        *,
        limits: tuple[float, float],
        cell: tuple[Strains, float] | None = None,
        skin: float,
        files: tuple[Path_, Path_] = (None, None),
    ) -> None:
        self.atoms, self.limits, self.minimiser = list(atoms), limits, minimiser
        self.evaluate = Evaluator(surrogate, skin)
        n = len(self.atoms)
        self.frames = None if files[0] is None else FrameFiles(files[0], n)
        self.made, self.largest = 0, float("inf")
        self.positions = [a.positions.copy() for a in self.atoms]
        self.cells = np.array([a.cell.array for a in self.atoms])
        self.forces = [np.full((len(a), 3), np.nan) for a in self.atoms]
        self.energy, self.worst, self.residual = (np.full(n, np.nan) for _ in range(3))
        self.stress = np.full((n, 6), np.nan)
        self.steps, self.converged = np.zeros(n, dtype=int), np.zeros(n, dtype=bool)
        self.failure: list[str | None] = [
            admission(a, f"structure {k}") or check_elements(surrogate, a.numbers) for k, a in enumerate(self.atoms)
        ]
        self.cell = cell
        self.directions = {
            k: allowed_strains(cell[0], a, f"structure {k}")
            for k, a in enumerate(self.atoms)
            if cell is not None and self.failure[k] is None
        }
        self.checkpoint = Checkpoint(files[1], identify(self.atoms, minimiser, *limits, cell))
        self._begin([k for k, reason in enumerate(self.failure) if reason is None])
        self._resume()

    @property
    def active(self) -> int:
        """Structures that still move."""
        return len(self.ids)

    def unfinished(self, steps: int) -> bool:
        """Whether a structure is left that may move."""
        return self.active > 0 and self.made <= steps

    def step(self, steps: int) -> None:
        """Evaluate, let go what has arrived, failed or made all its `steps`, and move the rest."""
        found = self.evaluate(self.batch, stress=self.deformation is not None)
        forces = self.constraints.forces(self.batch.positions, found.forces)
        worst = torch.zeros_like(found.energy).scatter_reduce(0, self.batch.structure, forces.norm(dim=1), "amax")
        residual = None
        if self.deformation is not None and found.stress is not None:
            forces, residual = self.deformation.forces(forces, found.stress)
        self._record(found, worst, residual)
        leaving = [self.failure[i] is not None or bool(self.converged[i]) for i in self.ids]
        if self.made >= steps:
            leaving = [True] * self.active
        if any(leaving):
            forces = forces[self._compact([k for k, gone in enumerate(leaving) if not gone])]
        self.largest = max((float(self.worst[i]) for i in self.ids), default=0.0)
        if self.active:
            self._move(forces)
            self.made += 1
        self.checkpoint.write(self._state, now=self.active == 0)

    def result(self) -> Relaxed:
        """What has been reached."""
        if self.frames is not None:
            self.frames.close()
        return Relaxed(
            tuple(self._frame(k) for k in range(len(self.atoms))),
            self.converged.copy(),
            self.steps.copy(),
            self.energy.copy(),
            self.worst.copy(),
            tuple(self.failure),
            self.limits[0],
            self._spread(),
            None if self.cell is None else CellResult(self.stress, self.residual, self.limits[1], self.cell[1]),
        )

    def _begin(self, ids: list[int]) -> None:
        """Put the structures `ids` into the batch, where they stand."""
        self.ids = ids
        device = self.evaluate.device
        if not ids:
            return
        self.batch = as_batch([self._copy(k) for k in ids]).to(device)
        self.constraints = Constraints([self.atoms[k] for k in ids], device)
        rows = self.batch.positions
        if self.cell is not None:
            self.deformation = Deformation.start(self.batch, [self.directions[k] for k in ids], self.cell[1])
            rows = self.deformation.rows
        self.memory = self.minimiser.start(rows, len(ids))

    def _record(self, found: Evaluation, worst: Tensor, residual: Tensor | None) -> None:
        energy = self.constraints.energies(self.batch.positions, found.energy).cpu().numpy()
        bounds = np.cumsum([0] + [len(self.atoms[i]) for i in self.ids])
        positions, forces = self.batch.positions.cpu().numpy(), found.forces.cpu().numpy()
        cells = self.batch.cell.cpu().numpy()
        stress = None if found.stress is None else voigt_vector(found.stress).cpu().numpy()
        lost = () if self.deformation is None else self.deformation.runaway()
        for k, i in enumerate(self.ids):
            self.steps[i] = self.made
            if k in found.failures:
                self.failure[i] = f"{found.failures[k]}, after {self.made} steps"
                continue
            rows = slice(bounds[k], bounds[k + 1])
            self.positions[i], self.forces[i] = positions[rows].copy(), forces[rows].copy()
            self.energy[i], self.worst[i] = energy[k], float(worst[k])
            self.converged[i] = self.worst[i] < self.limits[0]
            if residual is not None and stress is not None:
                self.cells[i], self.stress[i], self.residual[i] = cells[k], stress[k], float(residual[k])
                self.converged[i] &= self.residual[i] < self.limits[1]
            if k in lost:
                self.converged[i] = False
                self.failure[i] = (
                    f"the cell was stretched or squeezed by more than a factor of e, after {self.made} steps; there is "
                    "no minimum near at this pressure, or the structure is outside the surrogate's data"
                )
            if self.frames is not None:
                self.frames.write(i, self._frame(i))

    def _compact(self, keep: list[int]) -> Tensor:
        """Only the structures at `keep` stay; returns the indices of their rows."""
        kept = torch.tensor(keep, dtype=torch.long, device=self.batch.positions.device)
        self.batch, members = select(self.batch, kept)
        rows = members
        if self.deformation is not None:
            rows = self.deformation.members(members, kept)
            self.deformation = self.deformation.keep(members, kept, self.batch.structure)
        self.memory = self.memory.keep(rows, kept)
        self.ids = [self.ids[k] for k in keep]
        self.constraints = Constraints([self.atoms[k] for k in self.ids], self.batch.positions.device)
        return rows

    def _move(self, forces: Tensor) -> None:
        if self.deformation is None:
            here = self.batch.positions
            move, self.memory = self.minimiser.step(self.memory, here, forces, self.batch.structure)
            self.batch = replace(self.batch, positions=self.constraints.positions(here, here + move))
            return
        old = self.deformation
        move, self.memory = self.minimiser.step(self.memory, old.rows, forces, old.owner)
        wanted = old.positions + move[: len(old.positions)]
        self.deformation = old.moved(self.constraints.positions(old.positions, wanted), move)
        self.batch = self.deformation.batch(self.batch)

    def _copy(self, k: int) -> ase.Atoms:
        return copy_atoms(self.atoms[k], self.positions[k], self.cells[k])

    def _frame(self, k: int) -> ase.Atoms:
        atoms = self._copy(k)
        if np.isfinite(self.energy[k]):
            known: dict[str, Any] = {"energy": float(self.energy[k]), "forces": self.forces[k].copy()}
            if np.isfinite(self.stress[k]).all():
                known["stress"] = self.stress[k].copy()
            atoms.calc = SinglePointCalculator(atoms, **known)
        return atoms

    def _spread(self) -> np.ndarray | None:
        surrogate = self.evaluate.surrogate
        if getattr(surrogate, "spread", None) is None and len(getattr(surrogate, "members", ())) < 2:
            return None
        good = [k for k, reason in enumerate(self.failure) if reason is None]
        std = np.full(len(self.atoms), np.nan)
        if good:
            batch = as_batch([self._copy(k) for k in good]).to(self.evaluate.device)
            found = self.evaluate.ask(self.evaluate.skin(batch), spread=True).energy_std
            if found is None:
                return None
            std[good] = found.double().cpu().numpy()
        return std

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        if self.frames is not None:
            self.frames.flush()
        arrays = {
            "positions": np.concatenate(self.positions),
            "forces": np.concatenate(self.forces),
            "energy": self.energy,
            "fmax": self.worst,
            "cells": self.cells,
            "stress": self.stress,
            "smax": self.residual,
            "steps": self.steps,
            "converged": self.converged,
            "ids": np.array(self.ids, dtype=np.int64),
        }
        tensors = {name: torch.as_tensor(value) for name, value in arrays.items()}
        if self.ids:
            moving = self.deformation
            tensors["moving"] = self.batch.positions if moving is None else moving.positions
            if moving is not None:
                tensors["log_strain"] = moving.log_strain
            tensors |= {f"atoms.{name}": t for name, t in self.memory.atoms.items()}
            tensors |= {f"structures.{name}": t for name, t in self.memory.structures.items()}
        written = [] if self.frames is None else list(self.frames.written)
        return tensors, {"kind": "relaxation", "made": self.made, "failure": self.failure, "written": written}

    def _resume(self) -> None:
        saved = self.checkpoint.read()
        if saved is None:
            return
        tensors, facts = saved
        sizes = [len(a) for a in self.atoms]
        cuts = np.cumsum(sizes)[:-1]
        self.positions = np.split(tensors["positions"].numpy(), cuts)
        self.forces = np.split(tensors["forces"].numpy(), cuts)
        self.energy, self.worst, self.residual = (tensors[name].numpy() for name in ("energy", "fmax", "smax"))
        self.stress = tensors["stress"].numpy()
        self.steps, self.converged = tensors["steps"].numpy(), tensors["converged"].numpy()
        self.made, self.failure = facts["made"], facts["failure"]
        self._begin(tensors["ids"].tolist())  # from the first cells
        self.cells = tensors["cells"].numpy()
        if self.ids:
            moving = tensors["moving"].to(self.evaluate.device)
            self.batch = replace(self.batch, positions=moving)
            if self.deformation is not None:
                strain = tensors["log_strain"].to(self.evaluate.device)
                self.deformation = replace(self.deformation, positions=moving, log_strain=strain)
                self.batch = self.deformation.batch(self.batch)
            self.memory = MinimiserState(self._part("atoms.", tensors), self._part("structures.", tensors))
        if self.frames is not None:
            self.frames.cut(facts["written"] or [0] * len(sizes), sizes)

    def _part(self, prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        device = self.evaluate.device
        return {name.removeprefix(prefix): t.to(device) for name, t in tensors.items() if name.startswith(prefix)}
