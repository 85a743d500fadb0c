"""States compiled into circuits: the start is Trotter's, gradients are right, and the result is the state."""

import pytest
import torch

from surrogates.physics.circuits import statevector
from surrogates.physics.errors import DomainError
from surrogates.physics.lattice import xxz_pauli
from surrogates.physics.tensor_networks import MPS, tebd
from surrogates.simulation.aqc_tensor import _Search, circuit_of, compile_state, random_ansatz, trotter

N, NEEL = 8, [n % 2 for n in range(8)]


@pytest.fixture(scope="module")
def model():
    return xxz_pauli(N, delta=0.5)


@pytest.fixture(scope="module")
def target(model):
    return tebd(model, MPS.neel(N), time=0.3, dt=0.01, order=4, chi_max=16, cutoff=1e-15).state


def test_the_start_is_a_second_order_trotter_circuit(model):
    for steps in (1, 2):
        circuit = circuit_of(trotter(model, 0.3, steps), NEEL)
        theirs = tebd(model, MPS.neel(N), time=0.3, dt=0.3 / steps, order=2, chi_max=16, cutoff=1e-15).state
        overlap = (statevector(circuit).conj() @ theirs.vector()).abs()
        assert float(overlap) == pytest.approx(1, abs=1e-10)


def test_the_gradient_is_that_of_finite_differences(target):
    ansatz = random_ansatz(N, 3, scale=0.4)
    search = _Search(target, ansatz, NEEL, 16, 0.0, None)
    x = 0.1 * torch.randn(len(ansatz.gates), 15, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    _, slope = search.evaluate(x)
    for place in ((0, 3), (5, 14), (len(x) - 1, 7)):
        step = torch.zeros_like(x)
        step[place] = 1e-5
        ends = [search.evaluate(x + sign * step)[0] for sign in (1, -1)]
        assert float(slope[place]) == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)


def test_one_step_becomes_sixteen_times_better_than_trotter(model, target):
    found = compile_state(target, trotter(model, 0.3, 1), start=NEEL, iterations=25, chi_max=16)
    exact = target.vector()
    fidelity = float((exact.conj() @ statevector(found.circuit)).abs() ** 2)
    assert fidelity == pytest.approx(found.verified, abs=1e-9)
    assert found.verified == pytest.approx(found.fidelity, abs=1e-6)
    assert found.cz_depth == 9
    assert 1 - found.fidelity < (1 - found.initial) / 15
    assert min(found.history) == pytest.approx(1 - found.fidelity)


def test_a_flip_that_leads_is_folded_into_the_first_gate(target, model):
    found = compile_state(target, trotter(model, 0.3, 1), start=[*NEEL[:3], 0, *NEEL[4:]], iterations=20, chi_max=16)
    assert found.folded == (3,)
    assert found.fidelity > 0.999


def test_the_published_cost_and_its_gradient_are_those_of_the_state_vector(target):
    ansatz = random_ansatz(N, 3, scale=0.5, seed=2)
    search, weight = _Search(target, ansatz, NEEL, 16, 0.0, None), 0.7
    fidelities = []
    for flip in (None, 2):
        circuit = circuit_of(ansatz, [b ^ (q == flip) for q, b in enumerate(NEEL)])
        fidelities.append(float((target.vector().conj() @ statevector(circuit)).abs() ** 2))
    x = torch.zeros(len(ansatz.gates), 15, dtype=torch.float64)
    value, slope = search.evaluate(x, leader=2, weight=weight)
    assert value == pytest.approx(1 - (1 - weight) * fidelities[0] - weight * fidelities[1], abs=1e-10)
    step = torch.zeros_like(x)
    step[4, 6] = 1e-5
    ends = [search.evaluate(x + sign * step, leader=2, weight=weight)[0] for sign in (1, -1)]
    assert float(slope[4, 6]) == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)
    assert dict(search._flips())[2] == pytest.approx(fidelities[1], abs=1e-10)


def test_a_flip_is_followed_by_the_published_cost_and_then_folded(target):
    """With weight on a flip that leads, descending raises its fidelity, and folding makes that the circuit's own."""
    search = _Search(target, random_ansatz(N, 3, scale=0.3, seed=4), NEEL, 16, 0.0, None)
    leader = max(search._flips(), key=lambda pair: pair[1])[0]
    before = dict(search._flips())[leader]
    search.descend(15, 0.0, leader, 1.0)
    after = dict(search._flips())[leader]
    assert after > 3 * before
    search.fold(leader)
    assert search._fidelity() == pytest.approx(after, rel=1e-6)


def test_the_published_cost_ends_at_the_same_optimum(target, model):
    plain = compile_state(target, trotter(model, 0.3, 1), start=NEEL, iterations=12, chi_max=16)
    staged = compile_state(target, trotter(model, 0.3, 1), start=NEEL, cost="surrogate", iterations=24, chi_max=16)
    assert staged.fidelity == pytest.approx(plain.fidelity, abs=1e-3)


def test_it_ends_where_it_is_asked_to_and_mistakes_are_named(target, model):
    found = compile_state(target, trotter(model, 0.3, 1), start=NEEL, iterations=40, stop=0.01, chi_max=16)
    assert 1e-4 < 1 - found.fidelity <= 0.01
    with pytest.raises(DomainError, match="a bit each"):
        compile_state(target, trotter(model, 0.3, 1), start=[0, 1])
    with pytest.raises(DomainError, match="cost"):
        compile_state(target, trotter(model, 0.3, 1), cost="hamming")
    with pytest.raises(DomainError, match="steps=0"):
        trotter(model, 0.3, 0)
