"""Gates against their definitions and against Qiskit's; circuits as data."""

import math

import pytest
import torch

from surrogates.physics.circuits import Angle, Circuit, Gate, of_matrix, statevector, unitary
from surrogates.physics.circuits.gates import GATES, PAULI
from surrogates.physics.errors import DomainError

ANGLES = [0.3, -1.1, 2.2, 0.7]


def gate(name, **given):
    known = GATES[name]
    return Gate(name, tuple(range(known.qubits)), tuple(ANGLES[: known.angles]), **given)


@pytest.mark.parametrize("name", sorted(GATES))
def test_gates_are_unitary_and_their_inverses_take_them_back(name):
    one = gate(name)
    matrix = one.unitary()
    eye = torch.eye(len(matrix), dtype=matrix.dtype)
    torch.testing.assert_close(matrix.mH @ matrix, eye, rtol=0, atol=1e-14)
    torch.testing.assert_close(one.inverse().unitary() @ matrix, eye, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("name", "axis"), [("rx", "X"), ("ry", "Y"), ("rz", "Z"), ("rxx", "XX"), ("rzx", "ZX")])
def test_rotations_are_exponentials(name, axis):
    pauli = PAULI[axis[0]] if len(axis) == 1 else torch.kron(PAULI[axis[0]], PAULI[axis[1]])
    torch.testing.assert_close(gate(name).unitary(), torch.matrix_exp(-0.5j * ANGLES[0] * pauli))


@pytest.mark.parametrize("name", sorted(GATES))
def test_gates_are_those_of_qiskit(name):
    library = pytest.importorskip("qiskit.circuit.library")
    classes = {
        "id": "IGate", "p": "PhaseGate", "cp": "CPhaseGate", "u2": "U2Gate", "sxdg": "SXdgGate", "sdg": "SdgGate",
        "tdg": "TdgGate", "iswap": "iSwapGate", "cswap": "CSwapGate", "swap": "SwapGate", "csdg": "CSdgGate",
    }  # fmt: skip
    found = getattr(library, classes.get(name, f"{name.upper()}Gate"), None)
    if found is None:
        pytest.skip("Qiskit has no such gate")
    theirs = torch.tensor(found(*ANGLES[: GATES[name].angles]).to_matrix())
    k = GATES[name].qubits
    axes = [*reversed(range(k)), *reversed(range(k, 2 * k))]  # its first qubit is the fastest
    theirs = theirs.reshape([2] * (2 * k)).permute(axes).reshape(2**k, 2**k)
    torch.testing.assert_close(gate(name).unitary(), theirs.to(torch.complex128), rtol=0, atol=1e-14)


def test_controls_act_where_they_are_asked_to():
    both = Gate("x", (0, 1, 2), controls=(True, False)).unitary()
    expected = torch.eye(8, dtype=both.dtype)
    expected[4:6, 4:6] = PAULI["X"]
    assert torch.equal(both, expected)


def test_a_ghz_state_and_a_fourier_transform():
    ghz = Circuit(4).add("h", 0).add("cx", 0, 1).add("cx", 1, 2).add("cx", 2, 3)
    psi = statevector(ghz)
    assert psi[[0, 15]].abs().tolist() == pytest.approx([math.sqrt(0.5)] * 2)
    fourier, n = Circuit(3), 3
    for q in range(n):
        fourier = fourier.add("h", q)
        for r in range(q + 1, n):
            fourier = fourier.add("cp", r, q, angles=[math.pi / 2 ** (r - q)])
    fourier = fourier.add("swap", 0, 2)
    j = torch.arange(8, dtype=torch.float64)
    expected = torch.polar(torch.full((8, 8), 8**-0.5, dtype=torch.float64), 2 * math.pi * torch.outer(j, j) / 8)
    torch.testing.assert_close(unitary(fourier), expected)


def test_gradients_and_inverses_of_a_circuit_with_parameters():
    a, b = Angle.parameter("a"), Angle.parameter("b")
    circuit = Circuit(3).add("ry", 0, angles=[2 * a]).add("rzz", 0, 2, angles=[a - b / 2]).add("cx", 2, 1)
    circuit = circuit.add("u", 1, angles=[b, 0.2, a])
    assert circuit.parameters == ("a", "b")
    assert circuit.depth() == 4
    assert circuit.depth(of=2) == 2

    def function(x):
        psi = statevector(circuit, {"a": x[0], "b": x[1]})
        return psi[3].abs() ** 2 + psi[6].real

    x = torch.tensor([0.4, -0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, x)
    bound = circuit.bind([0.4, -0.9])
    torch.testing.assert_close(unitary(bound + bound.inverse()), torch.eye(8, dtype=torch.complex128))
    torch.testing.assert_close(statevector(bound), statevector(circuit, {"a": 0.4, "b": -0.9}))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Gate("foo", (0,)), "foo.*unknown"),
        (lambda: Gate("cx", (0, 0)), "each one once"),
        (lambda: Gate("rx", (0,)), "1 angles"),
        (lambda: of_matrix([[1, 0], [0, 2]], [0]), "not unitary"),
        (lambda: of_matrix(torch.eye(3), [0]), "2\\^k"),
        (lambda: Circuit(2).add("x", 2), "2 qubits"),
        (lambda: Angle.parameter("a") * Angle.parameter("b"), "affine"),
        (lambda: Gate("rx", (0,), (math.nan,)), "not finite"),
        (lambda: statevector(Circuit(40)), "MPS"),
        (lambda: Circuit(1).add("rx", 0, angles=[Angle.parameter("a")]).bind({"b": 1}), "parameters a"),
    ],
)
def test_mistakes_are_named(make, told):
    with pytest.raises(DomainError, match=told):
        make()
