"""One-site DMRG's cuts, excited states, and endless chains against exact levels and integrals."""

import math
import warnings

import pytest
import torch
from scipy.integrate import quad

from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.physics.lattice import hamiltonian, heisenberg, j1j2, tfim
from surrogates.physics.lattice.exact import ground_state
from surrogates.physics.tensor_networks import MPS, Schedule, dmrg, infinite_dmrg, mpo
from surrogates.physics.tensor_networks import subspace_expansion as expansion
from surrogates.physics.tensor_networks.environments import Environments
from surrogates.physics.tensor_networks.estimates import memory_needed


@pytest.mark.parametrize("right", [True, False])
def test_expansion_keeps_the_state_and_adds_what_the_hamiltonian_leads_to(right):
    state, n = MPS.random(6, 2, seed=1).canonical(3), 3
    environments, t = Environments(state.tensors, mpo(heisenberg(6)).tensors, n), state.tensors[n]
    half = environments.left_half(n) if right else environments.right_half(n)
    whole = expansion.expanded(half, t, 0.3, None, right=right)
    size = t.shape[2] if right else t.shape[0]
    kept, taken, lost = expansion.cut(whole, size, chi=100, cutoff=1e-14, right=right)
    flat = t.flatten(0, 1) if right else t.flatten(1)
    torch.testing.assert_close(kept @ taken if right else taken @ kept, flat, atol=1e-12, rtol=0)
    assert lost < 1e-14
    assert (kept.shape[1] if right else kept.shape[0]) == 4  # the whole space of two sites, from a bond of two
    assert expansion.next_alpha(0.1, 1.0, 0.5) < 0.1 < expansion.next_alpha(0.1, 1.0, 0.1)


@pytest.mark.parametrize("sites", ["one", "two"])
def test_excited_states_are_exact_levels(sites):
    model, found = tfim(8, h=0.8), []
    for level, energy in enumerate(ground_state(model, 3)[0]):
        start = MPS.random(8, 4, seed=level)
        one = dmrg(model, start, chi_max=16, sites=sites, above=found, schedule=Schedule(noise=(1e-2, 1e-4)))
        assert one.energy == pytest.approx(energy, abs=1e-9)
        assert one.converged
        found = [*found, one.state]


def test_endless_chains():
    """Energies per site: the free fermions' integral, 1/4 - log 2, and two sites that repeat."""
    for h, tol in ((2.0, 1e-10), (1.2, 2e-9)):
        exact = -quad(lambda k, h=h: math.sqrt(1 + h * h - 2 * h * math.cos(k)), 0, math.pi)[0] / math.pi
        found = infinite_dmrg(tfim(8, h=h), chi_max=24)
        assert found.energy == pytest.approx(exact, abs=tol)
        assert found.converged
        assert found.correlation_length() == pytest.approx(1 / math.log(h), rel=0.1)
    found = infinite_dmrg(heisenberg(8), chi_max=24, max_sites=300)
    assert 0 < found.energy - (0.25 - math.log(2)) < 5e-5
    for t in found.cell:
        torch.testing.assert_close(
            torch.einsum("apb,apc->bc", t, t), torch.eye(t.shape[2]).double(), atol=1e-10, rtol=0
        )
    dimers = hamiltonian(12, [(1.0, [(s, a), (s, a + 1)]) for a in range(0, 11, 2) for s in ("Sx", "Sy", "Sz")])
    assert infinite_dmrg(dimers, chi_max=8).energy == pytest.approx(-0.375, abs=1e-10)


def test_errors_are_estimated_from_the_sweeps():
    """Against a search that cuts nothing: the right size, a warning with a chi that does, memory before it is used."""
    model = heisenberg(16)
    exact = dmrg(model, MPS.neel(16), chi_max=64)
    assert exact.error_estimate < 1e-9
    found = dmrg(model, MPS.neel(16), chi_max=12)
    assert 0.2 < found.error_estimate / (found.energy - exact.energy) < 5
    with pytest.warns(SurrogatesWarning, match="chi_max=12 leaves an error of about"):
        dmrg(model, MPS.neel(16), chi_max=12, schedule=Schedule(accuracy=1e-8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dmrg(model, MPS.neel(16), chi_max=64, schedule=Schedule(accuracy=1e-8))
    with pytest.raises(DomainError, match=r"chi_max=\d+ fits"):
        dmrg(heisenberg(400), MPS.neel(400), chi_max=10**6)
    less = memory_needed(mpo(heisenberg(100)), torch.float64, 128)
    assert 3.5 < memory_needed(mpo(heisenberg(100)), torch.float64, 256) / less < 4


def test_bad_searches_are_named():
    with pytest.raises(DomainError, match="choose one or two"):
        dmrg(heisenberg(4), MPS.neel(4), sites="three")
    with pytest.raises(DomainError, match="even number from 8"):
        infinite_dmrg(heisenberg(7))
    with pytest.raises(DomainError, match="must repeat"):
        infinite_dmrg(hamiltonian(10, [(1.0 + a, [("Sz", a), ("Sz", a + 1)]) for a in range(9)]))
    assert infinite_dmrg(j1j2(12), chi_max=16).energy == pytest.approx(-0.375, abs=1e-9)  # singlets
