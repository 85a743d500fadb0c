"""The law of dynamics: an isolated system keeps its energy."""

from __future__ import annotations

import math
from typing import Any

import torch
from ase.data import atomic_masses
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.units import FS, KB
from surrogates.testing.law import EXACT, Law, Tolerance, judge
from surrogates.testing.laws import Batches, each
from surrogates.testing.probe import Probe, probe
from surrogates.testing.transforms import moved


def nve_drift(
    thing: Any,
    structures: Batches,
    tolerance: Tolerance = EXACT,
    *,
    temperature: float = 300.0,
    steps: int = 400,
    timestep: float = 0.5,
) -> list[Law]:
    """Slope of the total energy along velocity-Verlet dynamics, eV/atom/ps; `timestep` in fs, `temperature` in K.

    The slope is fitted by least squares; its scale is the kinetic energy per atom over the time simulated.
    """
    ask, slope, scale = probe(thing), 0.0, 0.0
    time = torch.arange(steps + 1, dtype=torch.float64) * timestep / 1000  # ps
    centred = time - time.mean()
    for s in each(structures):
        total, kinetic = _trajectory(ask, s, temperature, steps, timestep * FS)
        n = s.numbers.shape[0]
        found = ((centred * total).sum() / (centred**2).sum()).item() / n
        slope = found if math.isnan(found) else max(slope, abs(found))
        scale = max(scale, kinetic.mean().item() / n / float(time[-1]))
    note = f"{steps} steps of {timestep:g} fs from {temperature:g} K"
    return [judge("NVE drift", slope, scale, tolerance.drift, "eV/atom/ps", note)]


def _trajectory(ask: Probe, atoms: AtomsBatch, temperature: float, steps: int, dt: float) -> tuple[Tensor, Tensor]:
    """Total and kinetic energies, eV; `dt` in ASE's unit of time."""
    masses = torch.as_tensor(atomic_masses[atoms.numbers.cpu().numpy()], dtype=torch.float64)[:, None]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(masses), 3, generator=generator, dtype=torch.float64)
    momenta = noise * (masses * KB * temperature).sqrt()
    momenta = momenta - masses * (momenta.sum(0) / masses.sum())
    here, total, kinetic = ask(atoms), [], []
    for step in range(steps + 1):
        if step:
            half = momenta + dt / 2 * here.forces
            atoms = moved(atoms, (dt * half / masses).to(atoms.positions))
            here = ask(atoms)
            momenta = half + dt / 2 * here.forces
        kinetic.append((momenta**2 / (2 * masses)).sum().item())
        total.append(here.energy + kinetic[-1])
    return torch.tensor(total, dtype=torch.float64), torch.tensor(kinetic, dtype=torch.float64)
