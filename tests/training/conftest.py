"""Small trainings: a line in one variable, which knows nothing of atoms, and Morse clusters."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from surrogates.datasets import Structures
from surrogates.datasets.collate import collate
from surrogates.datasets.hashes import content_hash, row_hash
from surrogates.datasets.sample import Sample
from surrogates.potentials.pair import Morse
from surrogates.potentials.tensornet import TensorNet
from surrogates.tasks.energy import EnergyForces, energy_forces
from surrogates.training import Plan, fit


class Rows(list):
    """Samples with the two digests that a data set offers."""

    @property
    def hash(self):
        return content_hash(self)

    def row_hashes(self):
        return [row_hash(sample) for sample in self]


@dataclass(frozen=True)
class Points:
    x: torch.Tensor
    y: torch.Tensor

    def to(self, device=None, dtype=None):
        return Points(self.x.to(device), self.y.to(device))


class Numbers(list):
    """Pairs (x, y)."""

    def row_hashes(self):
        return [hashlib.sha256(repr(row).encode()).hexdigest() for row in self]


class Line(nn.Module):
    """A task of another domain: y = a x + b, with dropout so that random state matters."""

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))
        self.register_buffer("mean", torch.zeros(()))

    def prepare(self, train):
        self.mean.fill_(sum(y for _, y in train) / len(train))

    def collate(self, samples):
        x, y = torch.tensor(samples, dtype=self.mean.dtype).T
        return Points(x[:, None], y[:, None])

    def loss(self, batch, weights):
        error = (self.net(batch.x) + self.mean - batch.y).square().mean()
        return weights.get("y", 1.0) * error, {"y": error.detach()}

    def refit(self, train):
        batch = self.collate(list(train))
        with torch.no_grad():
            self.mean += (batch.y - self.net(batch.x) - self.mean).mean()

    def evaluate(self, data, *, predict=None):
        with torch.no_grad():
            return self.loss(self.collate(list(data)), {})[0].item()


@pytest.fixture
def line():
    """A fresh task with fixed first weights."""

    def make(dropout: float = 0.0, seed: int = 0):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return Line(dropout)

    return make


@pytest.fixture
def numbers():
    x = np.random.default_rng(0).uniform(-1, 1, 40)
    rows = Numbers((float(v), float(np.sin(2 * v) + 5)) for v in x)
    return Numbers(rows[:30]), Numbers(rows[30:])


def make_clusters(n: int, seed: int = 0, alone=((29, -3.0), (79, -5.0)), *, depth=0.5, r0=2.6, noise=0.15, kind=Rows):
    """Copper-gold clusters of several compositions, labelled by a Morse potential plus isolated atoms."""
    rng = np.random.default_rng(seed)
    truth = Morse(depth=depth, width=1.2, r0=r0, r_max=6.0).double()
    rows = Rows()
    for k in range(n):
        m = 3 + k % 3
        grid = np.stack(np.meshgrid(*[[0.0, 2.7]] * 3), -1).reshape(-1, 3)[:m]
        z = rng.choice([29, 79], m)
        bare = Sample(z, grid + rng.normal(0, noise, (m, 3)), np.zeros((3, 3)), np.zeros(3, bool))
        found = energy_forces(truth, collate([bare], r_max=6.0, dtype=torch.float64).atoms)
        own = sum(e * np.count_nonzero(z == a) for a, e in alone)
        rows.append(
            Sample(
                z,
                bare.positions,
                bare.cell,
                bare.pbc,
                energy=found.energy.item() + own,
                forces=found.forces.numpy(),
            )
        )
    return kind(rows)


@pytest.fixture
def clusters():
    return make_clusters


@pytest.fixture(scope="session")
def old_level():
    """Training, validation and test structures of the level of theory that a model was trained on."""
    return tuple(make_clusters(n, seed, kind=Structures) for n, seed in ((24, 0), (8, 1), (12, 2)))


@pytest.fixture(scope="session")
def new_level():
    """The same of another level: other bonds, other places, other isolated atoms."""
    other = {"alone": ((29, -13.0), (79, -25.0)), "depth": 0.8, "r0": 2.45, "noise": 0.08, "kind": Structures}
    return tuple(make_clusters(n, seed, **other) for n, seed in ((16, 3), (6, 4), (12, 5)))


@pytest.fixture(scope="session")
def pretrained(old_level):
    """A small network trained on the old level; tests must not change it."""
    train, valid, _ = old_level
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = TensorNet(elements=["Cu", "Au"], r_max=5.0, channels=8, layers=1, n_radial=8)
    plan = Plan(epochs=16, batch_size=8, lr=0.03, dtype="float64", validations=4)
    return fit(EnergyForces(net), train, valid, plan=plan)


@pytest.fixture
def morse_task():
    """A Morse potential of other parameters, to be trained."""

    def make():
        return EnergyForces(Morse(depth=1.0, width=1.0, r0=2.9, r_max=6.0))

    return make
