"""Sampler and Estimator beside Qiskit's own on state vectors."""

import math

import numpy as np
import pytest

pytest.importorskip("qiskit")

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter, ParameterVector
from qiskit.primitives import BaseSamplerV2, StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import Pauli, SparseObservable, SparsePauliOp, Statevector

from surrogates.interop.qiskit_primitives import Estimator, Sampler, expectation
from surrogates.physics.circuits import Noise
from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.physics.tensor_networks import MPS


def layered(n: int = 4) -> QuantumCircuit:
    """n qubits, 2 n parameters, entangling over distances."""
    angles, circuit = ParameterVector("a", 2 * n), QuantumCircuit(n)
    for q in range(n):
        circuit.ry(angles[q], q)
    for q in range(n - 1):
        circuit.cx(q, q + 1)
    circuit.cz(0, n - 1)
    for q in range(n):
        circuit.rx(2 * angles[n + q] - 0.1, q)
    return circuit


OBSERVABLES = [
    SparsePauliOp(["XYZI", "IIZZ", "ZIII", "IIII"], [0.7, -1.2, 0.4, 0.3]),
    SparsePauliOp(["YYII", "IXXI"], [1.0, 2.0]),
]


def test_values_are_those_of_the_state_vector_with_broadcasting():
    circuit, values = layered(), np.random.default_rng(0).uniform(-3, 3, (5, 1, 8))
    pubs = [(circuit, [OBSERVABLES], values), (circuit, OBSERVABLES[0], values[0, 0])]
    ours, theirs = Estimator().run(pubs).result(), StatevectorEstimator().run(pubs).result()
    assert ours[0].data.evs.shape == theirs[0].data.evs.shape == (5, 2)
    for mine, known in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.data.evs, known.data.evs, atol=1e-12)
        np.testing.assert_array_equal(mine.data.stds, known.data.stds)
        assert mine.metadata["fidelity"] == pytest.approx(1.0, abs=1e-12)


def test_projectors_and_angles_that_are_no_affine_functions():
    theta, circuit = Parameter("theta"), QuantumCircuit(3)
    circuit.h(0)
    circuit.rx(theta * theta, 1)
    circuit.cx(1, 2)
    given = [{"0+r": 1.0}, {"1-l": 2.0, "ZZZ": 0.5}]
    found = Estimator().run([(circuit, given, [1.3])]).result()[0].data.evs
    state = Statevector(circuit.assign_parameters([1.3]))
    for value, terms in zip(found, given, strict=True):
        paulis = SparseObservable.from_list(list(terms.items())).as_paulis()
        known = state.expectation_value(SparsePauliOp.from_sparse_observable(paulis))
        assert value == pytest.approx(known.real, abs=1e-12)


def test_precision_is_the_scatter_of_the_values():
    circuit, pub = layered(), [[OBSERVABLES[0]]] * 400
    data = Estimator(seed=1).run([(circuit, pub, np.zeros(8))], precision=0.05).result()[0].data
    exact = Estimator().run([(circuit, OBSERVABLES[0], np.zeros(8))]).result()[0].data.evs
    assert np.all(data.stds == 0.05)
    assert data.evs.std() == pytest.approx(0.05, rel=0.15)
    assert data.evs.mean() == pytest.approx(float(exact), abs=4 * 0.05 / 20)


def test_counts_follow_the_state_vector_register_by_register():
    q, a, b = QuantumRegister(3, "q"), ClassicalRegister(2, "a"), ClassicalRegister(1, "b")
    theta, circuit = Parameter("theta"), QuantumCircuit(q, a, b)
    circuit.ry(theta, 0)
    circuit.cx(0, 2)
    circuit.rx(0.9, 1)
    circuit.measure([q[2], q[1]], [a[0], a[1]])
    circuit.measure(q[0], b[0])
    pub, shots = (circuit, np.array([[0.3], [1.9]])), 4000
    ours = Sampler(seed=3).run([pub], shots=shots).result()[0].data
    theirs = StatevectorSampler(seed=4).run([pub], shots=shots).result()[0].data
    assert ours.shape == theirs.shape == (2,)
    for index in (0, 1):
        for name in ("a", "b"):
            mine, known = getattr(ours, name)[index].get_counts(), getattr(theirs, name)[index].get_counts()
            assert sum(mine.values()) == shots
            for word in mine.keys() | known.keys():
                p = (mine.get(word, 0) + known.get(word, 0)) / (2 * shots)
                off = abs(mine.get(word, 0) - known.get(word, 0))
                assert off < 5 * math.sqrt(2 * shots * p * (1 - p)) + 1, (name, word)


def test_a_bell_pair_and_what_scripts_read():
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    sampler = Sampler(seed=5)
    assert isinstance(sampler, BaseSamplerV2)
    result = sampler.run([circuit, (circuit, None, 100)]).result()
    assert set(result[0].data.c.get_counts()) == {"00", "11"}
    assert sum(result[0].data.c.get_counts().values()) == 1024
    assert result[1].metadata["shots"] == 100
    again = sampler.run([circuit]).result()[0].data.c.get_counts()
    assert again != result[0].data.c.get_counts()  # another run draws anew
    assert Sampler(seed=5).run([circuit]).result()[0].data.c.get_counts() == result[0].data.c.get_counts()


def test_readings_can_be_wrong():
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    counts = Sampler(seed=0, noise=Noise(readout=0.2)).run([circuit], shots=400).result()[0].data.meas.get_counts()
    assert counts["0"] == pytest.approx(80, abs=40)


def test_forty_qubits_beyond_any_state_vector():
    circuit = QuantumCircuit(40)
    circuit.h(0)
    for q in range(39):
        circuit.cx(q, q + 1)
    chain = SparsePauliOp.from_sparse_list([("ZZ", [q, q + 1], 1.0) for q in range(39)] + [("X", [3], 1.0)], 40)
    evs = Estimator(chi_max=4).run([(circuit, [chain, SparsePauliOp("X" * 40)])]).result()[0].data.evs
    np.testing.assert_allclose(evs, [39.0, 1.0], atol=1e-10)


def test_expectation_of_a_state_of_ones_own():
    rng = np.random.default_rng(2)
    psi = rng.standard_normal(16) + 1j * rng.standard_normal(16)
    psi /= np.linalg.norm(psi)
    import torch

    state = MPS.from_vector(torch.from_numpy(psi))
    flipped = Statevector(psi.reshape([2] * 4).transpose(3, 2, 1, 0).ravel())  # Qiskit's first qubit is the fastest
    for observable in (OBSERVABLES[0] * 1j, Pauli("-iXYZX"), {"XIIY": 2.0}):
        known = flipped.expectation_value(SparsePauliOp.from_list(list(observable.items()))
                                          if isinstance(observable, dict) else observable)  # fmt: skip
        assert expectation(state, observable) == pytest.approx(complex(known), abs=1e-12)


def test_what_does_not_fit_is_told():
    with pytest.raises(DomainError, match="4 qubits"):
        expectation(MPS.neel(4), {"ZZ": 1.0})
    with pytest.warns(SurrogatesWarning, match="classical registers"):
        Sampler().run([QuantumCircuit(1)]).result()
