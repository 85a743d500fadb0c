"""Finite temperature against exact traces; bonds grown by Krylov states; long quenches against free fermions."""

import numpy as np
import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice import hamiltonian, heisenberg, hopping, j1j2, tfim
from surrogates.physics.lattice.exact import evolve, matrix, xx_quench
from surrogates.physics.tensor_networks import MPS, cool, expand, mpo, tdvp, tebd

FLUX = hamiltonian(
    4, [(c, [(a, n), (b, n + 1)]) for n in range(3) for a, b, c in (("Sx", "Sy", 0.6), ("Sy", "Sx", -0.2))]
)
CASES = {
    "heisenberg": (heisenberg(6), "tebd", "Sz"),
    "field": (tfim(6, h=0.7), "tebd", "X"),
    "fermions": (hopping(5, v=0.5, mu=0.3), "tebd", "n"),
    "reaching": (j1j2(5, j2=0.4), "tdvp", "Sz"),
    "complex": (FLUX, "tebd", "Sx"),
}


@pytest.mark.parametrize("name", CASES)
def test_thermal_states_are_the_exact_ones(name):
    model, method, operator = CASES[name]
    found = cool(model, beta=1.0, step=0.1, method=method, measure={"o": operator}, every=5)
    energies, states = np.linalg.eigh(matrix(model).toarray())
    local = [matrix(hamiltonian(model.length, [(1, [(operator, i)])], model.site)) for i in range(model.length)]
    diagonal = np.array([np.einsum("as,as->s", states.conj(), o @ states).real for o in local])
    close = 2e-5 if method == "tebd" else 5e-4  # of order 4, and of order 2
    for n, beta in enumerate(found.betas.tolist()):
        weights = np.exp(-beta * energies)
        assert found.log_partition[n] == pytest.approx(np.log(weights.sum()), abs=close)
        assert found.energy[n] == pytest.approx(weights @ energies / weights.sum(), abs=5 * close)
        np.testing.assert_allclose(found.measured["o"][n], diagonal @ weights / weights.sum(), atol=5 * close)
    assert len(found.betas) == 3
    assert found.free_energy[-1] == pytest.approx(-np.log(weights.sum()), abs=close)


def test_expansion_keeps_the_state_and_holds_the_krylov_vectors():
    operator, start = mpo(heisenberg(8)), MPS.neel(8)
    grown = expand(operator, start, chi_max=16, krylov=2)
    assert grown.fidelity(start) == pytest.approx(1, abs=1e-13)
    assert max(grown.bonds) > 2
    h, psi = matrix(heisenberg(8)), start.vector().numpy()
    right = torch.eye(1, dtype=grown.dtype)
    for t in reversed(grown.tensors[4:]):
        right = torch.einsum("apb,bx->apx", t, right).flatten(1)
    for vector in (psi, h @ psi, h @ (h @ psi)):  # rows of the vectors lie in the basis of the right half
        rows = torch.from_numpy(vector.reshape(16, 16))
        torch.testing.assert_close((rows @ right.mH) @ right, rows, atol=1e-10, rtol=0)


def test_one_site_evolution_grows_by_expansion():
    model, start = j1j2(8, j2=0.4), MPS.neel(8)
    exact = evolve(model, start.vector().numpy(), 0.5)
    grown = tdvp(model, start, time=0.5, dt=0.05, chi_max=16, sites="expand", every=5)
    stuck = tdvp(model, start, time=0.5, dt=0.05, chi_max=16, sites="one", every=10)
    assert np.linalg.norm(grown.state.vector() - exact) < 2e-3
    assert np.linalg.norm(stuck.state.vector() - exact) > 0.1
    assert np.abs(grown.energy - grown.energy[0]).max() < 1e-9
    with pytest.raises(DomainError, match="auto, one, two or expand"):
        tdvp(model, start, time=0.5, dt=0.05, sites="three")
    with pytest.raises(DomainError, match="choose tebd or tdvp"):
        cool(model, beta=1.0, method="exact")


@pytest.mark.slow
def test_long_quench_of_free_fermions():
    """XX chain of 50 sites from a Neel state: every <Sz> to 1e-8."""
    chain, start = heisenberg(50, delta=0), MPS.neel(50)
    found = tebd(chain, start, time=1.5, dt=0.0125, chi_max=120, cutoff=1e-14, order=4, measure={"Sz": "Sz"}, every=60)
    np.testing.assert_allclose(found.measured["Sz"], xx_quench(50, found.times.numpy()), atol=1e-8)


@pytest.mark.slow
def test_long_evolution_by_one_site_conserves_and_turns_back():
    chain = heisenberg(20, delta=0.7)
    start = tebd(chain, MPS.neel(20), time=0.5, dt=0.05, chi_max=12).state
    there = tdvp(chain, start, time=1.0, dt=0.05, sites="one", every=5)
    assert np.abs(there.energy - there.energy[0]).max() < 1e-10
    back = tdvp(-1.0 * chain, there.state, time=1.0, dt=0.05, sites="one", every=20)
    assert back.state.fidelity(start) == pytest.approx(1, abs=1e-8)
