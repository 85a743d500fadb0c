"""The loop of a relaxation: a batch that shrinks as its structures arrive."""

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
from surrogates.simulation.constraints import Constraints
from surrogates.simulation.evaluate import Evaluation, Evaluator, select
from surrogates.simulation.foreign import check_elements
from surrogates.simulation.frames import FrameFiles
from surrogates.simulation.optimizers import Minimiser, MinimiserState
from surrogates.simulation.relaxed import Relaxed
from surrogates.simulation.resume import Checkpoint, identify
from surrogates.simulation.structures import admission, as_batch, copy_atoms

Path_ = str | Path | None


class Relaxation:
    """A relaxation under way; `relax` explains the arguments.

    Args:
        files: trajectory and checkpoint, None for none.
    """

    def __init__(
        self,
        atoms: Sequence[ase.Atoms],
        surrogate: Surrogate,
        minimiser: Minimiser,
        *,
        fmax: float,
        skin: float,
        files: tuple[Path_, Path_] = (None, None),
    ) -> None:
        self.atoms, self.fmax, self.minimiser = list(atoms), fmax, minimiser
        self.evaluate = Evaluator(surrogate, skin)
        n = len(self.atoms)
        self.frames = None if files[0] is None else FrameFiles(files[0], n)
        self.made, self.largest = 0, float("inf")
        self.positions = [a.positions.copy() for a in self.atoms]
        self.forces = [np.full((len(a), 3), np.nan) for a in self.atoms]
        self.energy, self.worst = np.full(n, np.nan), np.full(n, np.nan)
        self.steps, self.converged = np.zeros(n, dtype=int), np.zeros(n, dtype=bool)
        self.failure: list[str | None] = [
            admission(a, f"structure {k}") or check_elements(surrogate, a.numbers) for k, a in enumerate(self.atoms)
        ]
        self.checkpoint = Checkpoint(files[1], identify(self.atoms, minimiser, fmax))
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
        found = self.evaluate(self.batch)
        forces = self.constraints.forces(self.batch.positions, found.forces)
        worst = torch.zeros_like(found.energy).scatter_reduce(0, self.batch.structure, forces.norm(dim=1), "amax")
        self._record(found, worst)
        leaving = [k in found.failures or bool(self.converged[i]) for k, i in enumerate(self.ids)]
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
            self.fmax,
            self._spread(),
        )

    def _begin(self, ids: list[int]) -> None:
        """Put the structures `ids` into the batch, where they stand."""
        self.ids = ids
        device = self.evaluate.device
        if not ids:
            return
        self.batch = as_batch([copy_atoms(self.atoms[k], self.positions[k]) for k in ids]).to(device)
        self.constraints = Constraints([self.atoms[k] for k in ids], device)
        self.memory = self.minimiser.start(self.batch.positions, len(ids))

    def _record(self, found: Evaluation, worst: Tensor) -> None:
        energy = self.constraints.energies(self.batch.positions, found.energy).cpu().numpy()
        bounds = np.cumsum([0] + [len(self.atoms[i]) for i in self.ids])
        positions, forces = self.batch.positions.cpu().numpy(), found.forces.cpu().numpy()
        for k, i in enumerate(self.ids):
            self.steps[i] = self.made
            if k in found.failures:
                self.failure[i] = f"{found.failures[k]}, after {self.made} steps"
                continue
            rows = slice(bounds[k], bounds[k + 1])
            self.positions[i], self.forces[i] = positions[rows].copy(), forces[rows].copy()
            self.energy[i], self.worst[i] = energy[k], float(worst[k])
            self.converged[i] = self.worst[i] < self.fmax
            if self.frames is not None:
                self.frames.write(i, self._frame(i))

    def _compact(self, keep: list[int]) -> Tensor:
        """Only the structures at `keep` stay; returns the indices of their atoms."""
        kept = torch.tensor(keep, dtype=torch.long, device=self.batch.positions.device)
        self.batch, members = select(self.batch, kept)
        self.memory = self.memory.keep(members, kept)
        self.ids = [self.ids[k] for k in keep]
        self.constraints = Constraints([self.atoms[k] for k in self.ids], self.batch.positions.device)
        return members

    def _move(self, forces: Tensor) -> None:
        here = self.batch.positions
        move, self.memory = self.minimiser.step(self.memory, here, forces, self.batch.structure)
        self.batch = replace(self.batch, positions=self.constraints.positions(here, here + move))

    def _frame(self, k: int) -> ase.Atoms:
        atoms = copy_atoms(self.atoms[k], self.positions[k])
        if np.isfinite(self.energy[k]):
            atoms.calc = SinglePointCalculator(atoms, energy=float(self.energy[k]), forces=self.forces[k].copy())
        return atoms

    def _spread(self) -> np.ndarray | None:
        surrogate = self.evaluate.surrogate
        if getattr(surrogate, "spread", None) is None and len(getattr(surrogate, "members", ())) < 2:
            return None
        good = [k for k, reason in enumerate(self.failure) if reason is None]
        std = np.full(len(self.atoms), np.nan)
        if good:
            batch = as_batch([copy_atoms(self.atoms[k], self.positions[k]) for k in good]).to(self.evaluate.device)
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
            "steps": self.steps,
            "converged": self.converged,
            "ids": np.array(self.ids, dtype=np.int64),
        }
        tensors = {name: torch.as_tensor(value) for name, value in arrays.items()}
        if self.ids:
            tensors["moving"] = self.batch.positions
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
        self.energy, self.worst = tensors["energy"].numpy(), tensors["fmax"].numpy()
        self.steps, self.converged = tensors["steps"].numpy(), tensors["converged"].numpy()
        self.made, self.failure = facts["made"], facts["failure"]
        self._begin(tensors["ids"].tolist())
        if self.ids:
            self.batch = replace(self.batch, positions=tensors["moving"].to(self.evaluate.device))
            self.memory = MinimiserState(self._part("atoms.", tensors), self._part("structures.", tensors))
        if self.frames is not None:
            self.frames.cut(facts["written"] or [0] * len(sizes), sizes)

    def _part(self, prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        device = self.evaluate.device
        return {name.removeprefix(prefix): t.to(device) for name, t in tensors.items() if name.startswith(prefix)}
