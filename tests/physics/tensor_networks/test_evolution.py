"""TEBD and TDVP against exact evolution and free fermions: orders, conservation, time reversal, bad input."""

import numpy as np
import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice import hamiltonian, heisenberg, j1j2, tfim
from surrogates.physics.lattice.exact import evolve, ground_state, xx_quench
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.tdvp import tdvp
from surrogates.physics.tensor_networks.tebd import tebd

MODEL, START = heisenberg(8, delta=0.7), MPS.neel(8)


@pytest.fixture(scope="module")
def exact():
    return evolve(MODEL, START.vector().numpy(), 1.0)


@pytest.mark.parametrize("order", [2, 4])
def test_order_of_the_splittings(order, exact):
    errors = [
        np.linalg.norm(tebd(MODEL, START, time=1.0, dt=dt, chi_max=16, cutoff=0.0, order=order).state.vector() - exact)
        for dt in (0.2, 0.1)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)
    assert errors[1] < {2: 2e-3, 4: 2e-5}[order]


def test_two_site_tdvp_is_the_evolution(exact):
    found = tdvp(MODEL, START, time=1.0, dt=0.1, chi_max=16, cutoff=1e-16, sites="two")
    assert np.linalg.norm(found.state.vector() - exact) < 2e-4
    np.testing.assert_allclose(found.energy, found.energy[0], atol=1e-7)
    long_ranged = j1j2(6, j2=0.4)
    found = tdvp(long_ranged, MPS.neel(6), time=0.5, dt=0.05, chi_max=8, sites="two", every=10)
    there = evolve(long_ranged, MPS.neel(6).vector().numpy(), 0.5)
    assert np.linalg.norm(found.state.vector() - there) < 3e-4


@pytest.mark.parametrize("evolution", ["tebd", "tdvp"])
def test_quench_of_free_fermions(evolution):
    """<Sz> of every site of the XX chain after a Neel start."""
    chain, start = heisenberg(10, delta=0), MPS.neel(10)
    if evolution == "tebd":
        found = tebd(chain, start, time=1.0, dt=0.05, order=4, measure={"Sz": "Sz"}, every=5)
    else:
        found = tdvp(chain, start, time=1.0, dt=0.1, measure={"Sz": "Sz"}, every=5)
    np.testing.assert_allclose(found.measured["Sz"], xx_quench(10, found.times.numpy()), atol=3e-6)
    assert found.norm[-1] == pytest.approx(1, abs=1e-6)
    assert found.chi[-1] > 4


def test_one_site_tdvp_conserves_and_turns_back():
    start = tebd(MODEL, START, time=0.5, dt=0.05, chi_max=6).state
    there = tdvp(MODEL, start, time=0.5, dt=0.1, sites="one")
    assert np.abs(there.energy - there.energy[0]).max() < 1e-10
    assert np.abs(there.norm - 1).max() < 1e-10
    back = tdvp(-1.0 * MODEL, there.state, time=0.5, dt=0.1, sites="one")
    assert back.state.fidelity(start) == pytest.approx(1, abs=1e-8)


def test_imaginary_time_finds_the_ground_state():
    energy = ground_state(tfim(6))[0][0]
    for evolution in (tebd, tdvp):
        found = evolution(tfim(6), MPS.product(["up"] * 6), time=8.0, dt=0.1, imaginary=True, every=80)
        assert found.energy[-1] == pytest.approx(energy, abs=5e-4)
        assert found.state.dtype == torch.float64


def test_measurements_may_be_functions():
    found = tebd(MODEL, START, time=0.2, dt=0.1, measure={"S": lambda s: s.entanglement_entropy(4), "n": "X"})
    assert found.measured["S"].shape == (3,)
    assert found.measured["S"][0] < 1e-12 < found.measured["S"][-1]
    assert found.measured["n"].shape == (3, 8)


def test_bad_evolutions_are_named():
    with pytest.raises(DomainError, match="neighbours only, use tdvp"):
        tebd(j1j2(4), MPS.neel(4), time=1.0, dt=0.1)
    with pytest.raises(DomainError, match="multiple of dt"):
        tdvp(MODEL, START, time=1.0, dt=0.3)
    with pytest.raises(DomainError, match="order=3"):
        tebd(MODEL, START, time=1.0, dt=0.1, order=3)
    with pytest.raises(DomainError, match="not Hermitian"):
        tdvp(hamiltonian(3, [(1.0, [("S+", 0), ("S-", 1)])]), MPS.neel(3), time=1.0, dt=0.1)
    with pytest.raises(DomainError, match="the start 5"):
        tdvp(heisenberg(4), MPS.neel(5), time=1.0, dt=0.1)
