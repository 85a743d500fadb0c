"""OpenQASM 2 and 3: what the text says, to the phase; round trips; and mistakes with line and column."""

import cmath
import math

import pytest
import torch

from surrogates.datasets.adapters.openqasm import read_qasm
from surrogates.datasets.adapters.openqasm_writer import write_qasm
from surrogates.physics.circuits import Angle, Circuit, Gate, Measure, Reset, of_matrix, statevector, unitary
from surrogates.physics.circuits.gates import GATES
from surrogates.physics.errors import FileError, SurrogatesError

pytest.importorskip("openqasm3")
HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


def random_circuit(seed, qubits=4, length=12):
    generator = torch.Generator().manual_seed(seed)
    names, gates = sorted(GATES), []
    for _ in range(length):
        name = names[int(torch.randint(len(names), (), generator=generator))]
        places = torch.randperm(qubits, generator=generator)[: GATES[name].qubits].tolist()
        angles = (torch.randn(GATES[name].angles, generator=generator, dtype=torch.float64) * 3).tolist()
        gates.append(Gate(name, tuple(places), tuple(angles)))
    return Circuit(qubits, tuple(gates), phase=circuit_phase(generator))


def circuit_phase(generator):
    return Angle(float(torch.randn((), generator=generator, dtype=torch.float64)))


def same(circuit, other, atol=1e-12):
    """Equal on random states, phase included."""
    generator = torch.Generator().manual_seed(9)
    psi = torch.randn(2**circuit.qubits, generator=generator, dtype=torch.complex128)
    torch.testing.assert_close(statevector(other, start=psi), statevector(circuit, start=psi), rtol=0, atol=atol)


@pytest.mark.parametrize("seed", [pytest.param(s, marks=[pytest.mark.slow] if s >= 12 else []) for s in range(200)])
def test_round_trips_of_random_circuits(seed):
    circuit = random_circuit(seed)
    same(circuit, read_qasm(write_qasm(circuit)))


def test_qiskit_reads_what_is_written_and_the_other_way():
    qiskit = pytest.importorskip("qiskit")
    pytest.importorskip("qiskit_qasm3_import")
    info = pytest.importorskip("qiskit.quantum_info")
    circuit = random_circuit(3)
    for text, loads, dumps in (
        (write_qasm(circuit), qiskit.qasm3.loads, qiskit.qasm3.dumps),
        (write_qasm(Circuit(2).add("u", 0, angles=[0.1, 0.2, 0.3]).add("rzz", 0, 1, angles=[1.0]), version=2),
         qiskit.qasm2.loads, qiskit.qasm2.dumps),
    ):  # fmt: skip
        theirs = loads(text)
        expected = torch.tensor(info.Operator(theirs.reverse_bits()).data)
        ours = unitary(read_qasm(text))
        overlap = (ours.conj() * expected).sum() / len(ours)
        assert abs(overlap) == pytest.approx(1, abs=1e-12)
        back = unitary(read_qasm(dumps(theirs)))
        assert abs((back.conj() * expected).sum() / len(back)) == pytest.approx(1, abs=1e-12)


def test_modifiers_loops_aliases_and_definitions():
    found = read_qasm(
        HEAD
        + "qubit[4] q; let even = q[0:2:2] ++ q[3];\n"
        "gate pair(a) x, y { cx x, y; gphase(a/2); rz(a) y; cx x, y; }\n"
        "for int i in [0:2] { h q[i]; ctrl @ p(pi/2^i) q[i], q[i+1]; }\n".replace("2^i", "2**i")
        + "inv @ pair(0.3) q[0], q[2]; ctrl @ pair(0.7) q[1], q[0], q[3];\n"
        "negctrl @ ctrl @ rx(0.2) q[0], q[1], q[2]; pow(0.5) @ x q[1]; pow(-2) @ t q[3]; x even;\n"
        "negctrl @ gphase(0.9) q[2];\n"
    )
    u = Circuit(4)
    for i in range(3):
        u = u.add("h", i).add("cp", i, i + 1, angles=[math.pi / 2**i])
    turn = unitary(Circuit(2).add("rzz", 0, 1, angles=[0.3])) * cmath.exp(0.15j)
    turn_2 = unitary(Circuit(2).add("rzz", 0, 1, angles=[0.7])) * cmath.exp(0.35j)
    low = torch.diag(torch.tensor([cmath.exp(0.9j), 1], dtype=torch.complex128))
    gates = [
        of_matrix(turn.mH, (0, 2)),
        Gate("pair", (1, 0, 3), controls=(True,), matrix=turn_2),
        Gate("rx", (0, 1, 2), (0.2,), controls=(False, True)),
        Gate("sx", (1,)),
        Gate("sdg", (3,)),
        Gate("x", (0,)),
        Gate("x", (2,)),
        Gate("x", (3,)),
        of_matrix(low, (2,)),
    ]
    same(u + Circuit(4, tuple(gates)), found)


def test_parameters_go_through_and_back():
    text = HEAD + "input angle a; input float b;\nqubit[2] q;\nrx(2*a - b/4 + pi) q[0];\ncrz(b) q[0], q[1];\n"
    circuit = read_qasm(text)
    assert circuit.parameters == ("a", "b")
    again = read_qasm(write_qasm(circuit))
    assert again.parameters == ("a", "b")
    same(circuit.bind({"a": 0.3, "b": 1.1}), again.bind([0.3, 1.1]))


def test_measurement_reset_and_conditions():
    text = (
        HEAD + "qubit[2] q; bit[2] c; bit d;\nh q[0]; c[0] = measure q[0];\nif (c[0]) { x q[1]; } else { z q[1]; }\n"
        "if (c == 2) y q[1];\nreset q[0];\nd = measure q[1];\n"
    )
    circuit = read_qasm(text)
    assert [type(o) for o in circuit] == [Gate, Measure, Gate, Gate, Gate, Reset, Measure]
    assert [getattr(o, "when", ()) for o in list(circuit)[2:5]] == [
        ((0, True),),
        ((0, False),),
        ((0, False), (1, True)),
    ]
    again = read_qasm(write_qasm(circuit))
    assert [(type(o), getattr(o, "when", ())) for o in again] == [(type(o), getattr(o, "when", ())) for o in circuit]
    assert again.bit_names == (("c", 2), ("d", 1))


def test_the_second_version():
    text = (
        'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3]; creg c[3];\n'
        "gate foo(a) x,y { cu1(a) x,y; u3(a,0,-a) y; }\nfoo(pi/3) q[0],q[2];\nbarrier q;\nmeasure q -> c;\n"
        "if(c==5) u2(0,pi) q[1];\n"
    )
    circuit = read_qasm(text)
    assert sum(isinstance(o, Measure) for o in circuit) == 3
    assert list(circuit)[-1].when == ((0, True), (1, False), (2, True))
    plain = Circuit(3).add("u", 0, angles=[0.1, 0.2, 0.3]).add("rzz", 0, 1, angles=[1.0]).add("ccx", 0, 1, 2)
    same(plain, read_qasm(write_qasm(plain, version=2)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("qubit[2] q;\nfoo q[0];", r"line 4, column 1: the gate 'foo' is unknown"),
        ("qubit[2] q;\nh q[2];", r"line 4, column 1|line 4, column 3"),
        ("qubit[2] q;\nh r;", "no qubits named 'r'"),
        ("qubit[2] q;\nrx q[0];", "1 angles"),
        ("qubit[2] q;\ncx q[0], q[0];", "each one once"),
        ("qubit[2] q; bit c;\nwhile (c) { x q[0]; }", "while loop is not taken"),
        ("qubit[2] q; bit[2] c;\nif (c > 1) x q[0];", "line 4.*"),
        ("qubit[2] q; int n = 3; n = n + 1;", "not taken"),
        ("qubit[2] q;\nh q[0", r"line 4, column 6"),
        ("qubit[2] q;\n foo q[0] q[1];", r"line 4, column 11: 'q' is not expected"),
        ("qubit[1000000000] q;", "declare 1 to"),
        ("gate a q { b q; } gate b q { a q; } qubit q; a q;", "call itself"),
        ("qubit q; pow(1000000000) @ x q;", "more than"),
        ("qubit q; rx(1/0) q;", "division by zero"),
        ("qubit q; rx(1 << 1000000) q;", "shift by"),
        ("qubit[2] q;\ndelay[10ns] q[0];", "not taken"),
        ("input angle a; qubit q;\nrx(a*a) q;", "affine"),
        ("input angle a; qubit q;\nrx(sin(a)) q;", "no value yet"),
        ("qubit[2] q; qubit[3] r;\ncx q, r;", "different sizes"),
    ],
)
def test_mistakes_have_line_and_column(text, told):
    with pytest.raises(FileError, match=told):
        read_qasm(HEAD + text)


def test_what_cannot_be_read_or_written_is_said(tmp_path):
    with pytest.raises(FileError, match="no text"):
        read_qasm("")
    with pytest.raises(FileError, match="cannot be read"):
        read_qasm(tmp_path / "none.qasm")
    with pytest.raises(FileError, match="cannot be written"):
        write_qasm(Circuit(1), tmp_path / "none" / "x.qasm")
    with pytest.raises(SurrogatesError, match="bind"):
        write_qasm(read_qasm(HEAD + "input angle a; qubit q; rx(a) q;"), version=2)
    with pytest.raises(SurrogatesError, match="3 qubits"):
        write_qasm(Circuit(3, (of_matrix(torch.eye(8), (0, 1, 2)),)))
