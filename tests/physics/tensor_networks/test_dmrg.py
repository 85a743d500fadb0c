"""DMRG against exact energies, from every kind of start; measurements against state vectors."""

import math

import numpy as np
import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice import hamiltonian, heisenberg, hubbard, tfim
from surrogates.physics.lattice.exact import ground_state, matrix, tfim_energy
from surrogates.physics.tensor_networks.dmrg import dmrg
from surrogates.physics.tensor_networks.environments import Environments
from surrogates.physics.tensor_networks.lanczos import exponential
from surrogates.physics.tensor_networks.measure import (
    correlations,
    energy_and_variance,
    expect,
    expect_operator,
    reduced_density_matrix,
)
from surrogates.physics.tensor_networks.mpo import mpo
from surrogates.physics.tensor_networks.mps import MPS


@pytest.mark.parametrize("model", [heisenberg(9), tfim(9, h=0.8), hubbard(4, mu=2.0), heisenberg(6, twice_spin=2)])
def test_ground_states_of_short_chains(model):
    exact = ground_state(model)[0][0]
    found = dmrg(model, MPS.product([0] * model.length, model.site), chi_max=64)
    assert found.energy == pytest.approx(exact, abs=1e-9)
    assert found.converged
    assert abs(found.variance) < 1e-8
    assert found.state.norm() == pytest.approx(1)


@pytest.mark.parametrize("sites", ["one", "two"])
@pytest.mark.parametrize("start", ["neel", "random", "tilted ferromagnet"])
def test_no_start_holds_the_search(start, sites):
    """A ferromagnet, tilted so that it has no sector of its own, is an eigenstate with the highest energy."""
    vector = [math.cos(0.4), math.sin(0.4)]
    starts = {
        "neel": MPS.neel(20),
        "random": MPS.random(20, 4, seed=3),
        "tilted ferromagnet": MPS.product([vector] * 20),
    }
    found = dmrg(heisenberg(20), starts[start], chi_max=64, sites=sites)
    assert found.converged
    assert found.energy == pytest.approx(-8.6824733344, abs=1e-8)  # two libraries, chi 200


def test_long_ising_chain_is_free_fermions():
    found = dmrg(tfim(30), MPS.product(["up"] * 30), chi_max=32)
    assert found.energy == pytest.approx(tfim_energy(30), abs=1e-8)
    assert 0 < found.state.entanglement_entropy(15) < math.log(2) * 1.5


def test_truncated_answers_say_so():
    """Above the exact energy (variational), with a variance and a discarded weight that tell."""
    found = dmrg(heisenberg(20), MPS.neel(20), chi_max=8)
    assert found.energy > -8.6824733344
    assert found.discarded > 1e-7
    assert found.variance > 1e-5
    assert max(found.state.bonds) <= 10  # a multiplet may exceed eight


def test_effective_hamiltonians_are_the_operator_between_isometries():
    torch.manual_seed(0)
    operator = mpo(heisenberg(5))
    state = MPS.random(5, 3, seed=1, dtype=torch.complex128).canonical(2)
    environments, dense = Environments(state.tensors, operator.tensors, 2), operator.dense().to(torch.complex128)
    isometry = torch.eye(1, dtype=torch.complex128)
    for t in state.tensors[:2]:
        isometry = torch.einsum("xa,apb->xpb", isometry, t).flatten(0, 1)
    right = torch.eye(1, dtype=torch.complex128)
    for t in reversed(state.tensors[4:]):
        right = torch.einsum("apb,bx->apx", t, right).flatten(1)
    embed = torch.einsum("xa,pq,rs,by->xpryaqsb", isometry, torch.eye(2).to(dense), torch.eye(2).to(dense), right)
    embed = embed.reshape(32, -1)
    theta = torch.tensordot(state.tensors[2], state.tensors[3], dims=1)
    expected = (embed.mH @ dense @ embed @ theta.flatten()).reshape(theta.shape)
    torch.testing.assert_close(environments.two_sites(2)(theta), expected, atol=1e-12, rtol=0)


def test_measurements_are_those_of_the_vector():
    state = MPS.random(5, 4, seed=2, dtype=torch.complex128)
    psi, model = state.vector().numpy(), heisenberg(5)

    def value(terms):
        return psi.conj() @ (matrix(hamiltonian(5, terms)) @ psi)

    sz = [value([(1, [("Sz", i)])]).real for i in range(5)]
    np.testing.assert_allclose(expect(state, "Sz").numpy(), sz, atol=1e-12)
    both = [[value([(1, [("S+", i), ("S-", j)])]) for j in range(5)] for i in range(5)]
    np.testing.assert_allclose(correlations(state, "S+", "S-").numpy(), both, atol=1e-12)
    h = matrix(model)
    energy = (psi.conj() @ (h @ psi)).real
    assert expect_operator(mpo(model), state) == pytest.approx(energy, abs=1e-12)
    found, variance = energy_and_variance(mpo(model), state)
    assert (found, variance) == pytest.approx((energy, np.linalg.norm(h @ psi) ** 2 - energy**2), abs=1e-11)
    rho = reduced_density_matrix(state, [1, 3]).numpy()
    tensor = psi.reshape([2] * 5)
    exact = np.einsum("abcde,xpcqe->abdxpq", tensor, tensor.conj())
    exact = np.einsum("abdapq->bdpq", exact).reshape(4, 4)
    np.testing.assert_allclose(rho, exact, atol=1e-12)
    assert np.trace(rho) == pytest.approx(1)


def test_fermion_correlations_have_their_strings():
    model = hubbard(4, u=0.0, mu=0.0)
    found = dmrg(model, MPS.product(["up", "down", "up", "down"], model.site), chi_max=64).state
    c = correlations(found, "cu+", "cu").real.numpy()
    hopping = -(np.eye(4, k=1) + np.eye(4, k=-1))
    _, modes = np.linalg.eigh(hopping)
    np.testing.assert_allclose(c, modes[:, :2] @ modes[:, :2].T, atol=1e-6)


def test_krylov_exponential():
    torch.manual_seed(0)
    h = torch.randn(30, 30, dtype=torch.complex128)
    h, x = h + h.mH, torch.randn(30, dtype=torch.complex128)
    found = exponential(lambda v: h @ v, -0.3j, x)
    torch.testing.assert_close(found, torch.linalg.matrix_exp(-0.3j * h) @ x, atol=1e-10, rtol=0)


def test_bad_searches_are_named():
    with pytest.raises(DomainError, match="the operator has 4 sites and the start 5"):
        dmrg(heisenberg(4), MPS.neel(5))
    with pytest.raises(DomainError, match="not Hermitian"):
        dmrg(hamiltonian(4, [(1.0, [("S+", 0), ("S-", 1)])]), MPS.neel(4))
    with pytest.raises(DomainError, match="4 states a site, the start has 2"):
        dmrg(hubbard(4), MPS.neel(4))
