"""Circuits to Qiskit and back, and what is read from it."""

import math

import pytest
import torch

from surrogates.physics.circuits import Circuit, Gate, Measure, of_matrix, sample_circuit, statevector
from surrogates.physics.circuits.gates import GATES
from surrogates.physics.errors import FileError

qiskit = pytest.importorskip("qiskit")
info = pytest.importorskip("qiskit.quantum_info")
from surrogates.datasets.adapters.qiskit import from_qiskit, to_qiskit  # noqa: E402


def theirs(circuit):
    return torch.tensor(info.Statevector(circuit.reverse_bits()).data)


def random_circuit(seed, length=15):
    generator, gates = torch.Generator().manual_seed(seed), []
    for _ in range(length):
        name = sorted(GATES)[int(torch.randint(len(GATES), (), generator=generator))]
        places = torch.randperm(4, generator=generator)[: GATES[name].qubits].tolist()
        gates.append(Gate(name, tuple(places), tuple(torch.randn(GATES[name].angles, generator=generator).tolist())))
    unitary = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.complex128))[0]
    gates += [of_matrix(unitary, (3, 1)), Gate("ry", (0, 2, 1), (0.4,), controls=(True, False))]
    return Circuit(4, tuple(gates))


@pytest.mark.parametrize("seed", range(4))
def test_states_are_the_same_there_and_back(seed):
    circuit = random_circuit(seed)
    there = to_qiskit(circuit)
    torch.testing.assert_close(theirs(there), statevector(circuit), rtol=0, atol=1e-10)
    torch.testing.assert_close(statevector(from_qiskit(there)), statevector(circuit), rtol=0, atol=1e-10)


def test_library_circuits_are_read_through_their_definitions():
    from qiskit.circuit.library import QFTGate

    circuit = qiskit.QuantumCircuit(4)
    circuit.x(1)
    circuit.append(QFTGate(4), range(4))
    circuit.mcp(0.3, [0, 1, 2], 3)
    circuit.rccx(0, 1, 2)
    circuit.global_phase = 0.2
    torch.testing.assert_close(statevector(from_qiskit(circuit)), theirs(circuit), rtol=0, atol=1e-10)


def test_parameters_loops_and_decisions():
    a = qiskit.circuit.Parameter("a")
    circuit = qiskit.QuantumCircuit(2, 2)
    circuit.rx(2 * a - math.pi / 3, 0)
    with circuit.for_loop(range(3)) as k:
        circuit.rz(0.1 * k, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)) as other:
        circuit.x(1)
    with other:
        circuit.z(1)
    circuit.measure(1, 1)
    found = from_qiskit(circuit)
    assert found.parameters == ("a",)
    bound = found.bind({"a": math.pi / 6})  # the rotation is gone: qubit 0 is 1
    assert sample_circuit(bound, 20).counts() == {"11": 20}
    assert sum(isinstance(o, Measure) for o in found) == 2
    again = from_qiskit(to_qiskit(found))
    assert [type(o) for o in again] == [type(o) for o in found]


def test_what_is_not_taken_is_named():
    a = qiskit.circuit.Parameter("a")
    circuit = qiskit.QuantumCircuit(1)
    circuit.rx(a * a, 0)
    with pytest.raises(FileError, match="affine"):
        from_qiskit(circuit)
    circuit = qiskit.QuantumCircuit(1)
    circuit.append(qiskit.circuit.Instruction("magic", 1, 0, []), [0])
    with pytest.raises(FileError, match=r"give a qiskit\.QuantumCircuit"):
        from_qiskit("circuit")
    with pytest.raises(FileError, match="'magic' is not taken"):
        from_qiskit(circuit)
