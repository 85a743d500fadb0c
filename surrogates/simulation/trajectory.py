"""What molecular dynamics gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np
from jaxtyping import Float

from surrogates.evaluation.drift import energy_drift
from surrogates.physics.units import AMU_PER_A3
from surrogates.simulation.frames import read_frames
from surrogates.simulation.structures import copy_atoms


@dataclass(frozen=True)
class Trajectory:
    """Frames of many structures that moved side by side.

    Args:
        time: fs. energy, kinetic: potential and kinetic energy, eV. temperature: kinetic, K, by the moving freedoms.
        final: the last state of each structure, momenta included.
        failure: why a structure stopped; None where it did not. Its later frames are NaN.
        files: trajectory files by structure; () when frames were kept in memory.
        positions: Å, of each structure's frames; () when they are in files.
        conserved: what the rule's equations of motion conserve, eV; NaN of rules without such a thing (Langevin).
        cells: rows are lattice vectors, Å.
        stress: eV/Å^3, Voigt order, ASE's sign, the kinetic part included (which vanishes at 0 K); None unless it was
            asked for or the cell moves; NaN of structures that are not periodic.
    """

    time: Float[np.ndarray, "frames"]
    energy: Float[np.ndarray, "frames structures"]
    kinetic: Float[np.ndarray, "frames structures"]
    temperature: Float[np.ndarray, "frames structures"]
    final: tuple[ase.Atoms, ...]
    failure: tuple[str | None, ...]
    files: tuple[Path, ...] = ()
    positions: tuple[np.ndarray, ...] = ()
    conserved: Float[np.ndarray, "frames structures"] | None = None
    cells: Float[np.ndarray, "frames structures 3 3"] | None = None
    stress: Float[np.ndarray, "frames structures 6"] | None = None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def atoms(self) -> tuple[ase.Atoms, ...]:
        """The last state of each structure, as other simulations take it."""
        return self.final

    @property
    def total(self) -> Float[np.ndarray, "frames structures"]:
        """Potential and kinetic energy, eV."""
        return self.energy + self.kinetic

    @property
    def volume(self) -> Float[np.ndarray, "frames structures"]:
        """Å^3; NaN of structures that are not periodic in three directions."""
        solid = np.array([a.pbc.all() for a in self.final])
        cells = np.full((len(self), len(self.final), 3, 3), np.nan) if self.cells is None else self.cells
        with np.errstate(invalid="ignore"):  # NaN after a failure
            return np.where(solid, np.abs(np.linalg.det(cells)), np.nan)

    @property
    def density(self) -> Float[np.ndarray, "frames structures"]:
        """g/cm^3."""
        mass = np.array([a.get_masses().sum() for a in self.final])
        return mass / self.volume / AMU_PER_A3

    @property
    def pressure(self) -> Float[np.ndarray, "frames structures"]:
        """Minus a third of the stress's trace, kinetic part included, eV/Å^3; NaN where there is no stress."""
        if self.stress is None:
            return np.full(self.energy.shape, np.nan)
        return -self.stress[..., :3].mean(axis=-1)

    @property
    def drift(self) -> Float[np.ndarray, "structures"]:
        """Drift of what is conserved (in NVE, the total energy), meV/atom/ps; of the total energy where nothing is."""
        kept = (
            self.total if self.conserved is None else np.where(np.isfinite(self.conserved), self.conserved, self.total)
        )
        each = [energy_drift(self.time, kept[:, k], len(a)) for k, a in enumerate(self.final)]
        return np.array(each)

    def frames(self, k: int = 0) -> list[ase.Atoms]:
        """All frames of structure `k`."""
        if self.files:
            return read_frames(self.files[k])
        cells = [None] * len(self) if self.cells is None else list(self.cells[:, k])
        pairs = zip(self.positions[k], cells, strict=True)
        return [copy_atoms(self.final[k], p, c) for p, c in pairs if np.isfinite(p).all()]

    def __str__(self) -> str:
        last = float(self.time[-1]) if len(self.time) else 0.0
        known = self.temperature[np.isfinite(self.temperature)]  # none where all failed at once
        mean = f", {known.mean():.0f} K" if known.size else ""
        lines = [f"{len(self.final)} structures, {len(self.time)} frames, {last:g} fs{mean}"]
        failed = [(k, why) for k, why in enumerate(self.failure) if why]
        return "\n".join(lines + [f"structure {k} ({self.final[k].symbols}): {why}" for k, why in failed])
