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
from surrogates.physics.atoms.integrators import Motion
from surrogates.physics.atoms.thermostats import kinetic_energy, maxwell_boltzmann, without_drift, without_rotation
from surrogates.physics.units import FS, KB
from surrogates.simulation.constraints import Constraints
from surrogates.simulation.ensembles import NVE, Ensemble, Step
from surrogates.simulation.evaluate import Evaluator, select
from surrogates.simulation.foreign import check_elements
from surrogates.simulation.frames import FrameFiles
from surrogates.simulation.noise import Noise
from surrogates.simulation.records import Records
from surrogates.simulation.resume import Checkpoint, identify
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
        files: tuple[Path_, Path_] = (None, None),
    ) -> None:
        self.atoms, self.ensemble, self.temperature = list(atoms), ensemble, temperature
        self.timestep, self.every, self.step = timestep, every, 0
        sizes = [len(a) for a in self.atoms]
        self.evaluate, self.noise = Evaluator(surrogate, skin), Noise(seed, sizes)
        self.frames = None if files[0] is None else FrameFiles(files[0], len(sizes))
        self.checkpoint = Checkpoint(files[1], identify(self.atoms, ensemble, temperature, timestep, every, seed))
        self.records = Records(sizes, keep_positions=self.frames is None)
        self.failure: list[str | None] = [
            admission(a, f"structure {k}") or check_elements(surrogate, a.numbers) for k, a in enumerate(self.atoms)
        ]
        self.latest = [(a.positions.copy(), a.get_momenta()) for a in self.atoms]
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
        return float(np.nanmean(self.records.kinetic[-1] / self._half_kt())) if self.active else float("nan")

    def advance(self) -> None:
        """One time step of every structure; those that fail in it are left behind as they were before."""
        rule = Step(
            self.masses,
            self.bath,
            self.timestep * FS,
            self._forces,
            lambda: self._noise(self.step + 1),
            self.constraints,
        )
        before = self.motion
        self.motion = self.ensemble(before, rule)
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
        kinetic = np.array(self.records.kinetic).reshape(-1, len(self.atoms))
        return Trajectory(
            np.array(self.records.steps, dtype=float) * self.timestep,
            np.array(self.records.energy).reshape(-1, len(self.atoms)),
            kinetic,
            kinetic / self._half_kt(),
            tuple(self._atoms(k) for k in range(len(self.atoms))),
            tuple(self.failure),
            () if self.frames is None else self.frames.paths,
            self.records.split_positions(),
        )

    def _begin(self, ids: list[int]) -> None:
        self.ids, self.failures = ids, dict[int, str]()
        if not ids:
            return
        device = self.evaluate.device
        moving = [copy_atoms(self.atoms[k], self.latest[k][0]) for k in ids]
        self.batch = as_batch(moving).to(device)
        self.constraints = Constraints(moving, device)
        self.masses = torch.as_tensor(np.concatenate([a.get_masses() for a in moving]), device=device)
        kelvin = [0.0 if self.temperature is None else self.temperature[k] for k in ids]
        self.bath = torch.tensor(kelvin, dtype=torch.float64, device=device)[self.batch.structure]

    def _start(self) -> None:
        """Momenta, first forces, first frame."""
        if not self.ids:
            return
        here, momenta = self.batch.positions, self._drawn()
        momenta = self.constraints.momenta(here, momenta)
        self.motion = Motion(here, momenta, self._forces(here))
        self._leave(dict(self.failures))
        if self.active:
            self._record()

    def _drawn(self) -> Tensor:
        if self.temperature is None:
            own = np.concatenate([self.latest[k][1] for k in self.ids])
            return torch.as_tensor(own, device=self.masses.device)
        momenta = maxwell_boltzmann(self.masses, self.bath, self._noise(0))
        if not isinstance(self.ensemble, NVE):
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
        found = self.evaluate(replace(self.batch, positions=positions))
        self.failures = found.failures
        self.energy = self.constraints.energies(positions, found.energy)
        return self.constraints.forces(positions, found.forces)

    def _thrown(self, before: Motion) -> dict[int, str]:
        moved = (self.motion.positions - before.positions).norm(dim=1)
        worst = moved.new_zeros(self.active).scatter_reduce(0, self.batch.structure, moved, "amax")
        bad = (worst > _FARTHEST).nonzero().squeeze(1).tolist()
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
        motion, energy = self.motion, self.energy
        self._begin([self.ids[k] for k in keep])
        self.motion = Motion(motion.positions[members], motion.momenta[members], motion.forces[members])
        self.energy = energy[kept]

    def _record(self) -> None:
        self._remember()
        motion, n = self.motion, self.active
        kinetic = kinetic_energy(motion.momenta, self.masses, self.batch.structure, n).cpu().numpy()
        positions = [self.latest[k][0] for k in self.ids]
        self.records.add(self.step, self.ids, self.energy.cpu().numpy(), kinetic, positions)
        if self.frames is not None:
            forces = np.split(motion.forces.cpu().numpy(), self._cuts())
            for k, i in enumerate(self.ids):
                atoms = self._atoms(i)
                atoms.calc = SinglePointCalculator(atoms, energy=float(self.energy[k]), forces=forces[k].copy())
                self.frames.write(i, atoms)

    def _remember(self, skip: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        """Latest positions and momenta of the active structures, as arrays."""
        if not self.ids:
            return
        cuts = self._cuts()
        positions = np.split(self.motion.positions.cpu().numpy(), cuts)
        momenta = np.split(self.motion.momenta.cpu().numpy(), cuts)
        for k, i in enumerate(self.ids):
            if k not in skip:
                self.latest[i] = (positions[k].copy(), momenta[k].copy())

    def _cuts(self) -> np.ndarray:
        return np.cumsum([len(self.atoms[i]) for i in self.ids])[:-1]

    def _atoms(self, k: int) -> ase.Atoms:
        atoms = copy_atoms(self.atoms[k], self.latest[k][0])
        atoms.set_momenta(self.latest[k][1], apply_constraint=False)
        atoms.info["time"] = self.step * self.timestep
        return atoms

    def _half_kt(self) -> np.ndarray:
        """Kinetic energy by kelvin of each structure: k/2 times its moving freedoms."""
        freedoms = Constraints(self.atoms, torch.device("cpu")).freedoms.astype(float)
        if isinstance(self.ensemble, NVE) and self.temperature is not None:
            for k, a in enumerate(self.atoms):
                if not a.constraints:
                    freedoms[k] -= 3 if a.pbc.any() else _rigid(a)
        return np.maximum(freedoms, 1) * KB / 2

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        self._remember()
        if self.frames is not None:
            self.frames.flush()
        tensors = {
            "positions": torch.as_tensor(np.concatenate([p for p, _ in self.latest])),
            "momenta": torch.as_tensor(np.concatenate([p for _, p in self.latest])),
            "ids": torch.tensor(self.ids, dtype=torch.long),
        }
        if self.ids:
            tensors |= {"forces": self.motion.forces, "energy": self.energy}
        tensors |= {f"records.{name}": torch.as_tensor(v) for name, v in self.records.arrays().items()}
        written = [] if self.frames is None else list(self.frames.written)
        return tensors, {"kind": "dynamics", "step": self.step, "failure": self.failure, "written": written}

    def _resume(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        sizes = [len(a) for a in self.atoms]
        cuts = np.cumsum(sizes)[:-1]
        positions, momenta = (np.split(tensors[name].numpy(), cuts) for name in ("positions", "momenta"))
        self.latest = list(zip(positions, momenta, strict=True))
        self.step, self.failure = facts["step"], facts["failure"]
        self._begin(tensors["ids"].tolist())
        if self.ids:
            device = self.evaluate.device
            own = torch.as_tensor(np.concatenate([momenta[k] for k in self.ids]), device=device)
            self.motion = Motion(self.batch.positions, own, tensors["forces"].to(device))
            self.energy = tensors["energy"].to(device)
        self.records.restore({n.removeprefix("records."): t.numpy() for n, t in tensors.items() if "records." in n})
        if self.frames is not None:
            self.frames.cut(facts["written"] or [0] * len(sizes), sizes)


def _rigid(atoms: ase.Atoms) -> int:
    """Freedoms of moving and turning as a whole: 3, 5 or 6."""
    if len(atoms) <= 1 or not np.isfinite(atoms.positions).all():  # the latter has failed before it began
        return 3
    spread = np.linalg.svd(atoms.positions - atoms.positions.mean(0), compute_uv=False)
    return 5 if spread[1] < 1e-6 * spread[0] else 6
