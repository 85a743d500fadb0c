"""Circuits on matrix product states against the state vector, and what truncation costs."""

import math
import warnings

import pytest
import torch

from surrogates.physics.circuits import Angle, Circuit, Gate, Measure, simulate, statevector
from surrogates.physics.circuits.gates import GATES
from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.physics.tensor_networks import MPS


def random_circuit(qubits, length, seed, widest=3):
    generator = torch.Generator().manual_seed(seed)
    names = sorted(n for n in GATES if GATES[n].qubits <= widest)
    gates = []
    for _ in range(length):
        name = names[int(torch.randint(len(names), (), generator=generator))]
        places = torch.randperm(qubits, generator=generator)[: GATES[name].qubits].tolist()
        angles = (torch.rand(GATES[name].angles, generator=generator, dtype=torch.float64) * 12 - 6).tolist()
        gates.append(Gate(name, tuple(places), tuple(angles)))
    return Circuit(qubits, tuple(gates), phase=Angle(0.3))


def brickwork(qubits, depth, seed=0):
    """Layers of random u gates and cz on neighbours."""
    generator, circuit = torch.Generator().manual_seed(seed), []
    for layer in range(depth):
        for q in range(qubits):
            circuit.append(Gate("u", (q,), tuple((torch.rand(3, generator=generator) * 6).tolist())))
        circuit += [Gate("cz", (q, q + 1)) for q in range(layer % 2, qubits - 1, 2)]
    return Circuit(qubits, tuple(circuit))


@pytest.mark.parametrize(("qubits", "seed"), [(3, 0), (7, 1), (10, 2), (12, 3)])
def test_states_are_exact_where_nothing_is_cut(qubits, seed):
    circuit = random_circuit(qubits, 50, seed)
    found = simulate(circuit, chi_max=2 ** (qubits // 2), cutoff=0)
    torch.testing.assert_close(found.state.vector(), statevector(circuit), rtol=0, atol=1e-12)
    assert found.fidelity == pytest.approx(1, abs=1e-12)


def test_the_estimate_of_the_fidelity_is_near_it_and_the_bound_holds():
    circuit = brickwork(12, 14)
    exact = statevector(circuit)
    for chi in (8, 16, 32):
        found = simulate(circuit, chi_max=chi)
        psi = found.state.vector()
        fidelity = float((exact.conj() @ psi).abs() ** 2)
        assert found.cuts > 0
        assert math.log(found.fidelity) == pytest.approx(math.log(fidelity), rel=0.35, abs=0.02)
        assert float((exact - psi).norm()) <= found.error_bound
    assert simulate(circuit, chi_max=64).fidelity > 1 - 1e-10


def test_isometries_point_at_the_centre_and_qubits_are_back_in_order():
    circuit = random_circuit(9, 60, 5)
    state = simulate(circuit, chi_max=16).state
    for n, t in enumerate(state.tensors):
        matrix = t.flatten(0, 1) if n < state.center else t.flatten(1).mH
        if n != state.center:
            eye = torch.eye(matrix.shape[1], dtype=matrix.dtype)
            torch.testing.assert_close(matrix.mH @ matrix, eye, rtol=0, atol=1e-10)
    assert state.norm() == pytest.approx(1)


def test_long_chains_and_parameters():
    a = Angle.parameter("a")
    ghz = Circuit(60).add("h", 0)
    for q in range(59):
        ghz = ghz.add("cx", q, q + 1)
    found = simulate(ghz.add("rz", 59, angles=[a]), {"a": 0.5})
    assert found.chi == 2
    assert found.state.entanglement_entropy(bond=30) == pytest.approx(math.log(2))
    far = simulate(Circuit(40).add("h", 0).add("cx", 0, 39)).state
    assert float(far.correlations("Sz", "Sz")[0, 39].real) == pytest.approx(0.25)


def test_a_bond_that_is_too_small_is_said():
    with pytest.warns(SurrogatesWarning, match="chi_max=16"):
        simulate(brickwork(12, 12), chi_max=8, error=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate(brickwork(12, 4), chi_max=64, error=1e-6)
    with pytest.raises(DomainError, match="a qubit each"):
        simulate(brickwork(4, 1), start=MPS.neel(3))
    turned = Circuit(2).add("rx", 0, angles=[Angle.parameter("a")])
    with pytest.raises(DomainError, match="CircuitBatch"):
        simulate(turned, {"a": torch.zeros(3)})
    with pytest.raises(DomainError, match="at least one qubit"):
        Circuit(0)
    with pytest.raises(DomainError, match="sample"):
        simulate(Circuit(1, (Measure(0, 0),), bits=1))
