"""Circuits in rz, sx and cz: the same unitary, phase included, in the gates that are allowed."""

import pytest
import torch

from surrogates.physics.circuits import Barrier, Circuit, Gate, Measure, unitary
from surrogates.physics.circuits.gates import GATES
from surrogates.physics.circuits.transpile import cz_depth, to_basis
from surrogates.physics.errors import DomainError


def random_circuit(qubits, length, seed):
    generator = torch.Generator().manual_seed(seed)
    names = sorted(n for n in GATES if GATES[n].qubits <= min(qubits, 3))
    gates = []
    for _ in range(length):
        name = names[int(torch.randint(len(names), (), generator=generator))]
        places = torch.randperm(qubits, generator=generator)[: GATES[name].qubits].tolist()
        angles = (torch.rand(GATES[name].angles, generator=generator, dtype=torch.float64) * 12 - 6).tolist()
        gates.append(Gate(name, tuple(places), tuple(angles)))
    return Circuit(qubits, tuple(gates))


@pytest.mark.parametrize("seed", range(6))
def test_the_unitary_stays_and_the_gates_are_those_of_the_machine(seed):
    circuit = random_circuit(4, 25, seed)
    found = to_basis(circuit)
    assert set(found.count()) <= {"rz", "sx", "cz"}
    torch.testing.assert_close(unitary(found), unitary(circuit), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", sorted(GATES))
def test_every_gate_alone(name):
    gate = Gate(name, tuple(range(GATES[name].qubits)), (0.4, 1.2, -2.5, 0.3)[: GATES[name].angles])
    circuit = Circuit(3, (gate,))
    torch.testing.assert_close(unitary(to_basis(circuit)), unitary(circuit), rtol=0, atol=1e-10)


def test_a_run_on_one_pair_is_one_block_and_neighbours_run_at_once():
    run = Circuit(2)
    for k in range(20):
        run = run.add("cx", k % 2, 1 - k % 2).add("rx", 0, angles=[0.1 * k])
    assert to_basis(run).count()["cz"] <= 3
    layer = Circuit(6).add("rzz", 0, 1, angles=[0.1]).add("rzz", 2, 3, angles=[0.1]).add("rzz", 4, 5, angles=[0.1])
    assert cz_depth(layer) == 2


def test_measurements_and_conditions_stay_in_place():
    circuit = Circuit(2, (Gate("h", (0,)), Measure(0, 0), Gate("x", (1,), when=((0, True),)), Barrier((0, 1))), bits=1)
    found = to_basis(circuit)
    kinds = [type(o).__name__ for o in found]
    assert kinds.index("Measure") < max(k for k, o in enumerate(found) if getattr(o, "when", ()))
    assert all(o.when == ((0, True),) for o in found if isinstance(o, Gate) and o.qubits == (1,))
    with pytest.raises(DomainError, match="4 qubits"):
        to_basis(Circuit(4, (Gate("z", (0, 1, 2, 3), controls=(True, True, True)),)))
