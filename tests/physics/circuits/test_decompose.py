"""Gates on one and two qubits as rotations and controlled-Z, phase included."""

import pytest
import torch

from surrogates.physics.circuits import Gate, unitary
from surrogates.physics.circuits.decompose import in_gates
from surrogates.physics.circuits.gates import GATES
from surrogates.physics.errors import DomainError


def random_unitary(n, generator):
    return torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.complex128))[0]


def counted(matrix, qubits=(0, 1)):
    found = in_gates(matrix, qubits)
    torch.testing.assert_close(unitary(found), matrix, rtol=0, atol=1e-10)
    return found.count().get("cz", 0)


def test_random_unitaries_take_three_cz():
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        assert counted(random_unitary(4, generator)) == 3
        assert counted(random_unitary(2, generator), (0,)) == 0


@pytest.mark.parametrize(
    ("name", "cz"), [("cx", 1), ("cz", 1), ("ecr", 1), ("iswap", 2), ("swap", 3), ("cy", 1), ("ch", 1), ("csx", 2)]
)
def test_known_gates_take_as_many_as_they_must(name, cz):
    generator = torch.Generator().manual_seed(1)
    matrix = GATES[name].matrix()
    assert counted(matrix) == cz
    before, after = (torch.kron(random_unitary(2, generator), random_unitary(2, generator)) for _ in range(2))
    assert counted(after @ matrix @ before) == cz


@pytest.mark.parametrize("name", ["rxx", "ryy", "rzz", "rzx", "crx", "cp", "cu"])
@pytest.mark.parametrize("angle", [0.3, -2.9, 7.0])
def test_controlled_rotations_take_two(name, angle):
    angles = [angle, 0.1, -0.7, 2.0][: GATES[name].angles]
    assert counted(Gate(name, (0, 1), tuple(angles)).unitary()) <= 2


def test_products_take_none_and_degenerate_matrices_do_not_fail():
    generator = torch.Generator().manual_seed(2)
    assert counted(torch.kron(random_unitary(2, generator), random_unitary(2, generator))) == 0
    assert counted(torch.eye(4, dtype=torch.complex128) * 1j) == 0
    assert counted(torch.diag(torch.tensor([1, 1j, -1, 1], dtype=torch.complex128))) in (1, 2)
    with pytest.raises(DomainError, match="3 qubits"):
        in_gates(torch.eye(8), (0, 1, 2))
