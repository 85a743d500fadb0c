"""A potential that is linear in known features, molecules with labels of known noise, and a task around both."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from surrogates.datasets.sample import Sample
from surrogates.tasks.energy import EnergyForces
from surrogates.uncertainty.environment import neighbour_density


class LinearDensity(nn.Module):
    """energies = features @ weight with features = distance histograms, so its posterior is known exactly."""

    def __init__(self, elements: tuple[int, ...] = (1, 6), r_max: float = 4.0, seed: int = 0) -> None:
        super().__init__()
        self.elements, self.r_max = tuple(elements), r_max
        self.last_layer = nn.Linear((len(elements) + 1) * 12, 1, bias=False)
        generator = torch.Generator().manual_seed(seed)
        self.last_layer.weight.data = torch.randn(self.last_layer.weight.shape, generator=generator)

    def features(self, atoms):
        return neighbour_density(atoms, self.elements, self.r_max)

    def forward(self, atoms):
        return self.last_layer(self.features(atoms)).squeeze(-1)


def molecules(count: int, *, seed: int = 0, spread: float = 0.12) -> list[Sample]:
    """Five atoms around fixed sites, displaced by `spread` Å times a factor of 0.5 to 2 that differs between frames."""
    rng = np.random.default_rng(seed)
    sites = np.array([[0, 0, 0], [1.5, 0, 0], [-0.6, 0.9, 0.3], [-0.5, -0.9, 0.4], [2.1, 0.8, -0.5]], dtype=float)
    found = []
    for row in range(count):
        positions = sites + spread * np.exp(rng.uniform(-0.7, 0.7)) * rng.normal(size=sites.shape)
        numbers = np.array([6, 6, 1, 1, 1])
        found.append(Sample(numbers, positions, np.zeros((3, 3)), np.zeros(3, dtype=bool), row=row))
    return found


def label(samples: list[Sample], truth: EnergyForces, *, seed: int, noise: float, wild: float = 0.0) -> list[Sample]:
    """Labels of `truth` plus force noise of `noise` eV/Å, larger by exp(wild * displacement of the bond) per frame."""
    rng = np.random.default_rng(seed)
    result = truth.predict(truth.collate(samples).atoms)
    found = []
    for k, sample in enumerate(samples):
        bond = np.linalg.norm(sample.positions[1] - sample.positions[0]) - 1.5
        size = noise * np.exp(wild * abs(bond))
        forces = result.forces[5 * k : 5 * k + 5].double().numpy() + size * rng.normal(size=sample.positions.shape)
        energy = float(result.energy[k]) + size * rng.normal()
        found.append(replace(sample, energy=energy, forces=forces))
    return found
