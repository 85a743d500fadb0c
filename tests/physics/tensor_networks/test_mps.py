"""Matrix product states and operators against state vectors and matrices: every operation, every form."""

import math

import numpy as np
import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice import hamiltonian, heisenberg, hopping, hubbard, j1j2, spin, tfim
from surrogates.physics.lattice.exact import matrix
from surrogates.physics.tensor_networks.mpo import mpo
from surrogates.physics.tensor_networks.mps import MPS

MODELS = {
    "heisenberg": heisenberg(6),
    "spin one": heisenberg(4, twice_spin=2),
    "ring": heisenberg(6, periodic=True),
    "ising": tfim(6, h=0.3),
    "j1j2": j1j2(6),
    "fermions": hopping(6, v=0.4),
    "hubbard": hubbard(4),
    "real with Sy": hamiltonian(4, [(1.0, [("Sy", 0), ("Sy", 2)]), (0.3, [("Sx", 1), ("Sz", 3)]), (2.0, [])]),
    "complex": hamiltonian(4, [(1.0, [("Sy", 0), ("Sx", 2)]), (0.5, [("Sx", 1), ("Sx", 2), ("Sz", 3)])]),
}


@pytest.mark.parametrize("name", MODELS)
def test_operator_is_the_sum_of_its_terms(name):
    found = mpo(MODELS[name])
    np.testing.assert_allclose(found.dense().numpy(), matrix(MODELS[name]).toarray(), atol=1e-12)
    assert found.dtype == (torch.float64 if MODELS[name].real else torch.complex128)
    assert found.hermitian()


def test_bonds_are_the_smallest():
    assert set(mpo(heisenberg(12)).bonds[1:-1]) == {5}
    assert set(mpo(tfim(12)).bonds) == {3}
    assert mpo(heisenberg(1200)).hermitian()  # 2^1200 does not fit into a float
    assert not mpo(hamiltonian(4, [(1.0, [("S+", 1), ("S-", 2)])])).hermitian()


def vectors(dtype=torch.complex128, count=2):
    torch.manual_seed(0)
    found = torch.randn(count, 64, dtype=dtype)
    return found / torch.linalg.vector_norm(found, dim=1, keepdim=True)


@pytest.mark.parametrize("center", range(6))
def test_canonical_forms_keep_the_state(center):
    (psi, _), tight = vectors(), {"atol": 1e-12, "rtol": 0}
    state = MPS.from_vector(psi).canonical(center)
    torch.testing.assert_close(state.vector(), psi, **tight)
    for n, t in enumerate(state.tensors):
        if n < center:
            torch.testing.assert_close(
                torch.einsum("apb,apc->bc", t.conj(), t), torch.eye(t.shape[2], dtype=t.dtype), **tight
            )
        if n > center:
            torch.testing.assert_close(
                torch.einsum("apb,cpb->ac", t, t.conj()), torch.eye(t.shape[0], dtype=t.dtype), **tight
            )
    back = state.canonical(5 - center)
    torch.testing.assert_close(back.vector(), psi, **tight)


def test_arithmetic_is_that_of_vectors():
    a, b = vectors()
    x, y = MPS.from_vector(a), MPS.from_vector(b)
    assert x.inner(y) == pytest.approx(complex(torch.vdot(a, b)), abs=1e-13)
    assert x.fidelity(y) == pytest.approx(abs(complex(torch.vdot(a, b))) ** 2, abs=1e-13)
    torch.testing.assert_close((x + 2j * y).vector(), a + 2j * b, atol=1e-12, rtol=0)
    again = (x + y + x).compress()
    assert again.bonds == (2, 4, 8, 4, 2)
    torch.testing.assert_close(again.vector(), 2 * a + b, atol=1e-12, rtol=0)
    one = MPS.product(["up"]) + MPS.product(["down"])
    torch.testing.assert_close(one.vector(), torch.ones(2, dtype=torch.float64))


def test_compression_counts_what_it_cuts():
    psi = vectors()[0]
    state = MPS.from_vector(psi).compress(chi_max=4)
    error = torch.linalg.vector_norm(state.vector() - psi).item()
    assert 0.1 < error <= state.error_bound + 1e-12
    assert state.norm() ** 2 == pytest.approx(1 - error**2, abs=1e-12)  # an orthogonal projection
    single = MPS.from_vector(psi, chi_max=4)
    assert torch.linalg.vector_norm(single.vector() - psi) <= single.error_bound + 1e-12


def test_entanglement_of_known_states():
    up, down = MPS.product(["up"] * 4), MPS.product(["down"] * 4)
    ghz = (up + down).compress().normalized()
    for bond in (1, 2, 3):
        assert ghz.entanglement_entropy(bond) == pytest.approx(math.log(2))
        assert ghz.entanglement_entropy(bond, renyi=2) == pytest.approx(math.log(2))
        assert up.entanglement_entropy(bond) == pytest.approx(0, abs=1e-12)
    psi = vectors()[0]
    p = torch.linalg.svdvals(psi.reshape(8, 8)) ** 2
    assert MPS.from_vector(psi).entanglement_entropy(3) == pytest.approx(float(-(p * p.log()).sum()))


def test_long_chains_neither_overflow_nor_underflow():
    state = MPS.random(300, 6, seed=1)
    assert state.norm() == pytest.approx(1.0, rel=1e-10)
    other = MPS.random(300, 6, seed=2)
    assert -2000 < state.log_inner(other).real < 0
    assert MPS.product(["up"] * 3).inner(MPS.product(["up", "up", "down"])) == 0
    many = MPS(tuple(1e3 * t for t in state.tensors), None)
    assert many.canonical(150).log_inner(many).real == pytest.approx(600 * math.log(1e3))


def test_bad_states_are_named():
    with pytest.raises(DomainError, match="no power of 2"):
        MPS.from_vector(torch.ones(6))
    with pytest.raises(DomainError, match="not all zero"):
        MPS.product([[0.0, 0.0]])
    with pytest.raises(DomainError, match="no state of a spin 1/2"):
        MPS.product(["sideways"])
    with pytest.raises(DomainError, match="bond 0 is none of 1 to 3"):
        MPS.neel(4).schmidt_values(0)
    with pytest.raises(DomainError, match="do not go together"):
        MPS.neel(4).inner(MPS.neel(4, spin(2)))
