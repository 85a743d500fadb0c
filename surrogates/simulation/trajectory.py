"""What molecular dynamics gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np
from jaxtyping import Float

from surrogates.evaluation.drift import energy_drift
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
    """

    time: Float[np.ndarray, "frames"]
    energy: Float[np.ndarray, "frames structures"]
    kinetic: Float[np.ndarray, "frames structures"]
    temperature: Float[np.ndarray, "frames structures"]
    final: tuple[ase.Atoms, ...]
    failure: tuple[str | None, ...]
    files: tuple[Path, ...] = ()
    positions: tuple[np.ndarray, ...] = ()

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
    def drift(self) -> Float[np.ndarray, "structures"]:
        """Drift of each structure's total energy, meV/atom/ps; means something in NVE."""
        each = [energy_drift(self.time, self.total[:, k], len(a)) for k, a in enumerate(self.final)]
        return np.array(each)

    def frames(self, k: int = 0) -> list[ase.Atoms]:
        """All frames of structure `k`."""
        if self.files:
            return read_frames(self.files[k])
        return [copy_atoms(self.final[k], p) for p in self.positions[k] if np.isfinite(p).all()]

    def __str__(self) -> str:
        last = float(self.time[-1]) if len(self.time) else 0.0
        lines = [
            f"{len(self.final)} structures, {len(self.time)} frames, {last:g} fs, {np.nanmean(self.temperature):.0f} K"
        ]
        failed = [(k, why) for k, why in enumerate(self.failure) if why]
        return "\n".join(lines + [f"structure {k} ({self.final[k].symbols}): {why}" for k, why in failed])
