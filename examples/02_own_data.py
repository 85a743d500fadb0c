"""Train a potential on your own file, see how far it can be trusted, and simulate with it.

Needs frames.extxyz: yours, or what 01_make_frames.py writes. Four CPU minutes of training; leaves mine.safetensors.
"""

from pathlib import Path

from surrogates.datasets import read_structures
from surrogates.potentials.mace import MACE
from surrogates.simulation import dynamics, relax
from surrogates.tasks.energy import EnergyForces
from surrogates.training import Plan, fit

data = read_structures("frames.extxyz", energy="energy", forces="forces")
print(data.description)  # which keys and units were found, and where

train, valid, calibration, test = data.split(0.7, 0.1, 0.1, 0.1, seed=0)
model = MACE(elements=data.elements, r_max=5.0, hidden="32x0e + 32x1o", edge_l_max=2, correlation=3)
plan = Plan(minutes=4, batch_size=5, lr=0.01)
# Calibration measures the spread and the out-of-data threshold, on twenty or more frames that training has not seen.
fitted = fit(EnergyForces(model), train, valid, plan=plan, seed=0).calibrate(calibration)
fitted.save("mine.safetensors")
print(fitted.evaluate(test))

minima = relax(test.atoms[:64], fitted, fmax=0.01)  # one batch; a failure is reported, not raised
print(minima)

trajectory = dynamics(minima[0], fitted, "nve", temperature=300, time=1000, timestep=0.5, trajectory="md.extxyz")
print(trajectory)
print(f"drift of the total energy: {trajectory.drift[0]:+.3f} meV/atom/ps")

# The example 03_calculator.py names this file; with your own molecule, name yours there.
Path("ethanol.safetensors").write_bytes(Path("mine.safetensors").read_bytes())
