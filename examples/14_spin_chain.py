"""Tensor networks: the ground state of a chain of 100 spins, with what shows that it is one, and a quench."""

from surrogates.physics.lattice import heisenberg
from surrogates.physics.tensor_networks import MPS, dmrg, tdvp

H = heisenberg(100)  # open chain, S = sigma/2, J = 1;   tfim(L, J=1.0, h=1.0) is Pauli: -J sum ZZ - h sum X
ground = dmrg(H, MPS.neel(100), chi_max=128, energy_tol=1e-9)
print(f"energy {ground.energy:.10f}, variance {ground.variance:.1e}, discarded weight {ground.discarded:.1e}")
print("settled" if ground.converged else "NOT settled", "after", len(ground.sweeps), "sweeps")
print(f"entanglement entropy of the middle cut {ground.state.entanglement_entropy(bond=50):.6f}")
print(f"largest |<Sz>| {ground.state.expect('Sz').abs().max():.1e}, zero by symmetry")

quench = tdvp(H, MPS.neel(100), time=2.0, dt=0.05, chi_max=64, measure={"Sz": "Sz"})  # observables along the way
for t, sz in zip(quench.times[::10], quench.measured["Sz"][::10], strict=True):
    print(f"t = {t:.1f}: staggered magnetisation {(sz[::2].mean() - sz[1::2].mean()) / 2:+.6f}")
