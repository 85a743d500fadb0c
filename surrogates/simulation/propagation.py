"""The loop of molecular dynamics."""

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
from surrogates.physics.atoms.barostats import kinetic_tensor
from surrogates.physics.atoms.integrators import Motion
from surrogates.physics.atoms.strain import projector, voigt_vector
from surrogates.physics.atoms.thermostats import kinetic_energy, maxwell_boltzmann, without_drift, without_rotation
from surrogates.physics.units import FS, KB
from surrogates.simulation.constraints import Constraints
from surrogates.simulation.ensembles import Conserving, Ensemble, Step
from surrogates.simulation.evaluate import Evaluator, select
from surrogates.simulation.foreign import check_elements
from surrogates.simulation.frames import FrameFiles
from surrogates.simulation.noise import Noise
from surrogates.simulation.records import Records
from surrogates.simulation.resume import Checkpoint, identify
from surrogates.simulation.strains import Strains, allowed_strains
from surrogates.simulation.structures import admission, as_batch, copy_atoms
from surrogates.simulation.trajectory import Trajectory

_FARTHEST = 1.0  # Å; an atom that moves further in one step has been thrown

Path_ = str | Path | None


class Propagation:
    """A simulation under way; `dynamics` explains the arguments.

    Args:
        files: trajectory and checkpoint, None for none.
    """

    motion: Motion
    stress: Tensor | None = None

    def __init__(
        self,
        atoms: Sequence[ase.Atoms],
        surrogate: Surrogate,
        ensemble: Ensemble,
        *,
        temperature: Sequence[float] | None,
        timestep: float,
        every: int,
        seed: int,
        skin: float,
        stress: bool = False,
        files: tuple[Path_, Path_] = (None, None),
    ) -> None:
        self.atoms, self.ensemble, self.temperature = list(atoms), ensemble, temperature
        self.timestep, self.every, self.step = timestep, every, 0
        sizes = [len(a) for a in self.atoms]
        self.evaluate, self.noise = Evaluator(surrogate, skin), Noise(seed, sizes)
        self.frames = None if files[0] is None else FrameFiles(files[0], len(sizes))
        self.rule = ensemble if isinstance(ensemble, Conserving) else None
        self.strains: Strains | None = getattr(ensemble, "strains", None)
        self.with_stress = stress or self.strains is not None
        settings = (ensemble, temperature, timestep, every, seed, self.with_stress)
        self.checkpoint = Checkpoint(files[1], identify(self.atoms, "rows", *settings))
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("energy", "kinetic", "conserved"), ()) | {"cell": (3, 3)}
        if self.with_stress:
            shapes["stress"] = (6,)
        self.records = Records(sizes, shapes, keep_positions=self.frames is None)
        self.failure: list[str | None] = [
            admission(a, f"structure {k}") or check_elements(surrogate, a.numbers) for k, a in enumerate(self.atoms)
        ]
        self.latest = [(a.positions.copy(), a.get_momenta(), a.cell.array.copy()) for a in self.atoms]
        self.freedoms = self._freedoms()
        self._admit()
        saved = self.checkpoint.read()
        if saved is None:
            self._begin([k for k, reason in enumerate(self.failure) if reason is None])
            self._start()
        else:
            self._resume(*saved)

    @property
    def active(self) -> int:
        """Structures that still move."""
        return len(self.ids)

    @property
    def last_temperature(self) -> float:
        """Mean kinetic temperature of the last frame, K."""
        return float(np.nanmean(self.records.rows["kinetic"][-1] / self._half_kt())) if self.active else float("nan")

    def advance(self) -> None:
        """One time step of every structure; those that fail in it are left behind as they were before."""
        before = self.motion
        self.motion = self.ensemble(before, self._rule(self.step + 1))
        self.step += 1
        self._leave(self._thrown(before) | self.failures)
        if self.step % self.every == 0 and self.active:
            self._record()
        self.checkpoint.write(self._state, now=self.active == 0)

    def result(self) -> Trajectory:
        """What has been simulated until now."""
        self._remember()
        self.checkpoint.write(self._state, now=True)
        if self.frames is not None:
            self.frames.close()
        table = self.records.table
        kinetic = table("kinetic")
        return Trajectory(
            np.array(self.records.steps, dtype=float) * self.timestep,
            table("energy"),
            kinetic,
            kinetic / self._half_kt(),
            tuple(self._atoms(k) for k in range(len(self.atoms))),
            tuple(self.failure),
            () if self.frames is None else self.frames.paths,
            self.records.split_positions(),
            table("conserved"),
            table("cell"),
            table("stress") if self.with_stress else None,
        )

    def _begin(self, ids: list[int]) -> None:
        self.ids, self.failures = ids, dict[int, str]()
        if not ids:
            return
        device = self.evaluate.device
        moving = [copy_atoms(self.atoms[k], self.latest[k][0], self.latest[k][2]) for k in ids]
        self.batch = as_batch(moving).to(device)
        self.constraints = Constraints(moving, device)
        self.masses = torch.as_tensor(np.concatenate([a.get_masses() for a in moving]), device=device)
        kelvin = [0.0 if self.temperature is None else self.temperature[k] for k in ids]
        self.kelvin = torch.tensor(kelvin, dtype=torch.float64, device=device)
        self.allowed = None
        if self.strains is not None:
            rule, named = self.strains, [(f"structure {k}", self.atoms[k]) for k in ids]
            self.allowed = torch.stack([projector(allowed_strains(rule, a, name)) for name, a in named]).to(device)

    def _admit(self) -> None:
        """DomainError where the ensemble cannot do a structure."""
        if self.rule is None:
            return
        for k, a in enumerate(self.atoms):
            if self.failure[k] is None:
                kelvin = 0.0 if self.temperature is None else self.temperature[k]
                self.rule.admit(a, kelvin, int(self.freedoms[k]), f"structure {k}")

    def _rule(self, step: int) -> Step:
        """What the ensemble gets for making `step`."""
        return Step(
            self.masses,
            self.kelvin[self.batch.structure],
            self.timestep * FS,
            self._forces,
            lambda: self._noise(step),
            self.constraints,
            self.batch.structure,
            self.kelvin,
            torch.as_tensor(self.freedoms[self.ids], device=self.masses.device),
            self.allowed,
            self._virial,
        )

    def _start(self) -> None:
        """Momenta, first forces, first frame."""
        if not self.ids:
            return
        here, momenta = self.batch.positions, self._drawn()
        momenta = self.constraints.momenta(here, momenta)
        self.motion = Motion(here, momenta, self._forces(here), *self._moving_cell())
        if self.rule is not None:
            self.motion = self.rule.start(self.motion, self._rule(-1))  # other numbers than the momenta
        self._leave(dict(self.failures))
        if self.active:
            self._record()

    def _drawn(self) -> Tensor:
        if self.temperature is None:
            own = np.concatenate([self.latest[k][1] for k in self.ids])
            return torch.as_tensor(own, device=self.masses.device)
        momenta = maxwell_boltzmann(self.masses, self.kelvin[self.batch.structure], self._noise(0))
        if self.rule is None:
            return momenta
        which, n = self.batch.structure, self.active
        still = without_drift(momenta, self.masses, which, n)
        calm = without_rotation(self.batch.positions, still, self.masses, which, n)
        free = torch.tensor([len(self.atoms[k].constraints) == 0 for k in self.ids], device=which.device)
        momenta = torch.where(free[which, None], still, momenta)
        return torch.where((free & ~self.batch.pbc.any(1))[which, None], calm, momenta)

    def _noise(self, step: int) -> Tensor:
        return torch.as_tensor(self.noise(self.ids, step), device=self.masses.device)

    def _forces(self, positions: Tensor) -> Tensor:
        found = self.evaluate(replace(self.batch, positions=positions), stress=self.with_stress)
        self.failures, self.stress = found.failures, found.stress
        self.energy = self.constraints.energies(positions, found.energy)
        return self.constraints.forces(positions, found.forces)

    def _virial(self, positions: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        self.batch = replace(self.batch, cell=cell)
        forces = self._forces(positions)
        assert self.stress is not None
        return forces, self.stress

    def _moving_cell(self) -> tuple[Tensor | None, Tensor | None]:
        return (None, None) if self.strains is None else (self.batch.cell, self.stress)

    def _thrown(self, before: Motion) -> dict[int, str]:
        """Atoms that left their place, seen from the moving cell; NaN momenta of a bath that broke down."""
        old, which = before.positions, self.batch.structure
        if before.cell is not None and self.motion.cell is not None:
            deform = torch.linalg.solve(before.cell, self.motion.cell)
            old = torch.einsum("ni,nij->nj", old, deform.index_select(0, which))
        moved = (self.motion.positions - old).norm(dim=1)
        worst = moved.new_zeros(self.active).scatter_reduce(0, which, moved, "amax")
        bad = (~(worst <= _FARTHEST)).nonzero().squeeze(1).tolist()
        return {k: f"an atom moved {float(worst[k]):.1f} Å in one step; use a shorter timestep" for k in bad}

    def _leave(self, failures: dict[int, str]) -> None:
        if not failures:
            return
        self._remember(skip=set(failures))
        for k, reason in failures.items():
            self.failure[self.ids[k]] = f"{reason}, at {self.step * self.timestep:g} fs"
        keep = [k for k in range(self.active) if k not in failures]
        kept = torch.tensor(keep, dtype=torch.long, device=self.masses.device)
        _, members = select(self.batch, kept)
        self.motion, self.energy = self.motion.keep(members, kept), self.energy[kept]
        self.stress = None if self.stress is None else self.stress[kept]
        self._begin([self.ids[k] for k in keep])

    def _record(self) -> None:
        self._remember()
        motion, n = self.motion, self.active
        kinetic = kinetic_energy(motion.momenta, self.masses, self.batch.structure, n)
        conserved = torch.full_like(kinetic, torch.nan)
        if self.rule is not None:
            conserved = self.energy + kinetic + self.rule.energy(motion, self._rule(self.step))
        values = {"energy": self.energy, "kinetic": kinetic, "conserved": conserved, "cell": self.batch.cell}
        if self.stress is not None:
            volume = torch.linalg.det(self.batch.cell).abs()[:, None, None]
            heat = kinetic_tensor(motion.momenta, self.masses, self.batch.structure, n)
            values["stress"] = voigt_vector(self.stress - heat / volume)
        rows = {name: tensor.cpu().numpy() for name, tensor in values.items()}
        self.records.add(self.step, self.ids, rows, [self.latest[k][0] for k in self.ids])
        if self.frames is not None:
            forces = np.split(motion.forces.cpu().numpy(), self._cuts())
            for k, i in enumerate(self.ids):
                known: dict[str, Any] = {"energy": float(self.energy[k]), "forces": forces[k].copy()}
                if self.stress is not None and bool(self.stress[k].isfinite().all()):
                    known["stress"] = voigt_vector(self.stress[k]).cpu().numpy()
                atoms = self._atoms(i)
                atoms.calc = SinglePointCalculator(atoms, **known)
                self.frames.write(i, atoms)

    def _remember(self, skip: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        """Latest positions, momenta and cells of the active structures, as arrays."""
        if not self.ids:
            return
        cuts = self._cuts()
        positions = np.split(self.motion.positions.cpu().numpy(), cuts)
        momenta = np.split(self.motion.momenta.cpu().numpy(), cuts)
        cells = None if self.motion.cell is None else self.motion.cell.cpu().numpy()
        for k, i in enumerate(self.ids):
            if k not in skip:
                cell = self.latest[i][2] if cells is None else cells[k].copy()
                self.latest[i] = (positions[k].copy(), momenta[k].copy(), cell)

    def _cuts(self) -> np.ndarray:
        return np.cumsum([len(self.atoms[i]) for i in self.ids])[:-1]

    def _atoms(self, k: int) -> ase.Atoms:
        atoms = copy_atoms(self.atoms[k], self.latest[k][0], self.latest[k][2])
        atoms.set_momenta(self.latest[k][1], apply_constraint=False)
        atoms.info["time"] = self.step * self.timestep
        return atoms

    def _half_kt(self) -> np.ndarray:
        """Kinetic energy by kelvin of each structure: k/2 times its moving freedoms."""
        return np.maximum(self.freedoms, 1) * KB / 2

    def _freedoms(self) -> np.ndarray:
        """Moving freedoms of each structure; rigid motions are none where the drawn momenta leave them out."""
        freedoms = Constraints(self.atoms, torch.device("cpu")).freedoms.astype(float)
        if self.rule is not None and self.temperature is not None:
            for k, a in enumerate(self.atoms):
                if not a.constraints:
                    freedoms[k] -= 3 if a.pbc.any() else _rigid(a)
        return freedoms

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        self._remember()
        if self.frames is not None:
            self.frames.flush()
        tensors = {
            "positions": torch.as_tensor(np.concatenate([p for p, _, _ in self.latest])),
            "momenta": torch.as_tensor(np.concatenate([p for _, p, _ in self.latest])),
            "cells": torch.as_tensor(np.stack([c for _, _, c in self.latest])),
            "ids": torch.tensor(self.ids, dtype=torch.long),
        }
        if self.ids:
            tensors |= {"forces": self.motion.forces, "energy": self.energy}
            tensors |= {} if self.stress is None else {"stress": self.stress}
            tensors |= {f"bath.{name}": t for name, t in self.motion.bath.items()}
        tensors |= {f"records.{name}": torch.as_tensor(v) for name, v in self.records.arrays().items()}
        written = [] if self.frames is None else list(self.frames.written)
        return tensors, {"kind": "dynamics", "step": self.step, "failure": self.failure, "written": written}

    def _resume(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        sizes = [len(a) for a in self.atoms]
        cuts = np.cumsum(sizes)[:-1]
        positions, momenta = (np.split(tensors[name].numpy(), cuts) for name in ("positions", "momenta"))
        self.latest = list(zip(positions, momenta, tensors["cells"].numpy(), strict=True))
        self.step, self.failure = facts["step"], facts["failure"]
        self._begin(tensors["ids"].tolist())
        if self.ids:
            device = self.evaluate.device
            own = torch.as_tensor(np.concatenate([momenta[k] for k in self.ids]), device=device)
            self.energy = tensors["energy"].to(device)
            self.stress = tensors["stress"].to(device) if self.with_stress else None
            bath = {n.removeprefix("bath."): t.to(device) for n, t in tensors.items() if n.startswith("bath.")}
            forces = tensors["forces"].to(device)
            self.motion = Motion(self.batch.positions, own, forces, *self._moving_cell(), bath)
        self.records.restore({n.removeprefix("records."): t.numpy() for n, t in tensors.items() if "records." in n})
        if self.frames is not None:
            self.frames.cut(facts["written"] or [0] * len(sizes), sizes)


def _rigid(atoms: ase.Atoms) -> int:
    """Freedoms of moving and turning as a whole: 3, 5 or 6."""
    if len(atoms) <= 1 or not np.isfinite(atoms.positions).all():  # the latter has failed before it began
        return 3
    spread = np.linalg.svd(atoms.positions - atoms.positions.mean(0), compute_uv=False)
    return 5 if spread[1] < 1e-6 * spread[0] else 6
