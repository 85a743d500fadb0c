"""Clusters of argon-like atoms with an energy scale of 1 eV."""

import numpy as np
import pytest
from ase import Atoms

from surrogates.potentials.pair import LennardJones
from surrogates.simulation import relax


@pytest.fixture(scope="session")
def potential():
    return LennardJones(epsilon=1.0).double()


@pytest.fixture(scope="session")
def minima(potential):
    """Relaxed clusters of 3, 5, 6 and 4 atoms."""
    rng = np.random.default_rng(0)
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.5, 0.5, 0.7], [0.5, 0.5, -0.7], [1, 1, 0]])
    start = [Atoms(["Ar"] * n, 3.8 * corner[:n] + rng.normal(0, 0.05, (n, 3))) for n in (3, 5, 6, 4)]
    return relax(start, potential, fmax=1e-5, optimizer="lbfgs")


@pytest.fixture
def clusters(minima):
    """The same, rattled a little: the energy is convex there."""
    rng = np.random.default_rng(1)
    found = [a.copy() for a in minima]
    for a in found:
        a.positions += rng.normal(0, 0.06, a.positions.shape)
    return found
