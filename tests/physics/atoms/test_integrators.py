"""Integrators: their order, reversibility, and what a thermostat samples."""

import math

import numpy as np
import torch

from surrogates.physics.atoms.integrators import Motion, baoab, velocity_verlet
from surrogates.physics.atoms.thermostats import (
    kinetic_energy,
    maxwell_boltzmann,
    ornstein_uhlenbeck,
    without_drift,
    without_rotation,
)
from surrogates.physics.units import KB

MASSES = torch.tensor([1.0, 3.0], dtype=torch.float64)
START = torch.tensor([[0.3, -0.2, 0.1], [-0.5, 0.4, 0.2]], dtype=torch.float64)
PUSH = torch.tensor([[0.1, 0.3, -0.2], [0.5, -0.1, 0.2]], dtype=torch.float64)


def quartic(positions):
    """Forces of sum(x^2/2 + x^4/4)."""
    return -(positions + positions**3)


def energy(motion):
    potential = (motion.positions**2 / 2 + motion.positions**4 / 4).sum()
    return float(potential + (motion.momenta.square().sum(1) / (2 * MASSES)).sum())


def run(dt, time=4.0, motion=None):
    motion = motion or Motion(START, PUSH, quartic(START))
    worst, start = 0.0, energy(motion)
    for _ in range(round(time / dt)):
        motion = velocity_verlet(motion, MASSES, dt, quartic)
        worst = max(worst, abs(energy(motion) - start))
    return motion, worst


def test_velocity_verlet_is_of_second_order():
    exact = run(0.4 / 64)[0].positions
    errors = [float((run(dt)[0].positions - exact).norm()) for dt in (0.2, 0.1, 0.05)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 2, atol=0.15)
    np.testing.assert_allclose(np.log2(run(0.1)[1] / run(0.05)[1]), 2, atol=0.15)


def test_velocity_verlet_runs_backwards():
    there, _ = run(0.1)
    back, _ = run(0.1, motion=Motion(there.positions, -there.momenta, there.forces))
    torch.testing.assert_close(back.positions, START, rtol=0, atol=1e-12)
    torch.testing.assert_close(-back.momenta, PUSH, rtol=0, atol=1e-12)


def test_baoab_samples_a_harmonic_well_exactly():
    """For harmonic forces its positions have variance kT/k at any stable time step, here 70 % of the limit."""
    generator = torch.Generator().manual_seed(0)
    n, temperature, dt = 3000, 300.0, 1.4
    masses, kelvin = torch.ones(n, dtype=torch.float64), torch.full((n,), temperature, dtype=torch.float64)

    def noise():
        return torch.randn(n, 3, generator=generator, dtype=torch.float64)

    def bath(momenta):
        return ornstein_uhlenbeck(momenta, masses, kelvin, 0.5 * dt, noise())

    here = torch.zeros(n, 3, dtype=torch.float64)
    motion, found = Motion(here, maxwell_boltzmann(masses, kelvin, noise()), here), []
    for step in range(80):
        motion = baoab(motion, masses, dt, lambda x: -x, bath)
        if step >= 20:
            found.append(float(motion.positions.square().mean()))
    error = math.sqrt(2 / (3 * n * 10))  # about ten independent frames
    assert abs(np.mean(found) / (KB * temperature) - 1) < 5 * error


def test_bath_without_friction_is_nothing_and_with_much_is_maxwell():
    generator = torch.Generator().manual_seed(1)
    masses, kelvin = torch.tensor([1.0, 16.0]).double().repeat(4000), torch.full((8000,), 500.0).double()
    momenta = torch.ones(8000, 3, dtype=torch.float64)
    noise = torch.randn(8000, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(ornstein_uhlenbeck(momenta, masses, kelvin, 0.0, noise), momenta)
    mixed = ornstein_uhlenbeck(momenta, masses, kelvin, 50.0, noise)
    kinetic = kinetic_energy(mixed, masses, torch.arange(2).repeat(4000), 2) / 4000
    torch.testing.assert_close(kinetic, torch.full((2,), 1.5 * KB * 500.0).double(), rtol=0.04, atol=0)


def test_overall_motion_is_taken_out():
    generator = torch.Generator().manual_seed(2)
    structure = torch.tensor([0] * 5 + [1] * 2)  # the second is linear
    positions, momenta = (torch.randn(7, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    masses = torch.rand(7, generator=generator, dtype=torch.float64) + 1
    calm = without_rotation(positions, without_drift(momenta, masses, structure, 2), masses, structure, 2)
    total = torch.zeros(2, 3, dtype=torch.float64).index_add(0, structure, calm)
    angular = torch.zeros(2, 3, dtype=torch.float64).index_add(0, structure, torch.linalg.cross(positions, calm))
    assert float(total.abs().max()) < 1e-12
    assert float(angular.abs().max()) < 1e-10
    assert float(calm[5:].abs().max()) > 0.01  # the vibration of the pair is left
