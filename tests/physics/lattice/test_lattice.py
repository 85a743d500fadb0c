"""Sites, terms and exact references: algebra, signs of fermions, published and closed-form energies."""

import itertools

import numpy as np
import pytest
import scipy.linalg

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice import electron, fermion, hamiltonian, heisenberg, hopping, hubbard, j1j2, spin, tfim
from surrogates.physics.lattice.exact import (
    evolve,
    free_fermion_energy,
    ground_state,
    matrix,
    tfim_energy,
    xx_quench,
)


@pytest.mark.parametrize("twice", [1, 2, 3])
def test_spin_algebra(twice):
    x, y, z = (spin(twice).operator(n) for n in ("Sx", "Sy", "Sz"))
    np.testing.assert_allclose(x @ y - y @ x, 1j * z, atol=1e-14)
    np.testing.assert_allclose(x @ x + y @ y + z @ z, twice / 2 * (twice / 2 + 1) * np.eye(twice + 1), atol=1e-14)


@pytest.mark.parametrize(("site", "names"), [(fermion(), ["c"]), (electron(), ["cu", "cd"])])
def test_fermions_anticommute_between_sites_and_species(site, names):
    places = [(n, w) for n in names for w in range(3)]

    def operator(name, where):  # a single odd operator, strings and all
        found = np.eye(1)
        for w in range(3):
            local = site.operator("P") if w < where else site.operator(name) if w == where else site.operator("I")
            found = np.kron(found, local)
        return found

    for (a, i), (b, j) in itertools.product(places, repeat=2):
        ca, cb = operator(a, i), operator(b, j)
        np.testing.assert_allclose(ca @ cb + cb @ ca, 0, atol=1e-14)
        expected = np.eye(len(ca)) if (a, i) == (b, j) else np.zeros_like(ca)
        np.testing.assert_allclose(ca @ cb.T + cb.T @ ca, expected, atol=1e-14)
        pair = matrix(hamiltonian(3, [(1, [(f"{a}+", i), (b, j)])], site)).toarray()
        np.testing.assert_allclose(pair, ca.T @ cb, atol=1e-14)


def test_energies_in_closed_form():
    assert ground_state(tfim(8, J=1, h=0.7))[0][0] == pytest.approx(tfim_energy(8, J=1, h=0.7), abs=1e-10)
    assert ground_state(hopping(9))[0][0] == pytest.approx(free_fermion_energy(9), abs=1e-10)
    assert ground_state(j1j2(8))[0][0] == pytest.approx(-0.375 * 8, abs=1e-10)  # Majumdar and Ghosh's singlets
    bethe = ground_state(heisenberg(12, periodic=True))[0][0] / 12
    assert bethe == pytest.approx(-0.4489492, abs=1e-6)  # ring of 12, from Bethe's equations
    two = ground_state(hubbard(2, t=1, u=4, mu=2))[0][0]
    assert two == pytest.approx(2 - np.sqrt(4 + 4) - 4, abs=1e-10)  # (u - sqrt(u^2 + 16 t^2)) / 2 - 2 mu


def test_quench_of_free_fermions():
    model = heisenberg(6, delta=0)
    up_down = np.zeros(64)
    up_down[0b010101] = 1
    times = np.array([0.0, 0.7, 1.9])
    z = [matrix(hamiltonian(6, [(1, [("Sz", i)])])).toarray() for i in range(6)]
    states = [evolve(model, up_down, t) for t in times]
    exact = np.array([[(s.conj() @ o @ s).real for o in z] for s in states])
    np.testing.assert_allclose(xx_quench(6, times), exact, atol=1e-12)


def test_real_models_are_known_as_such():
    assert heisenberg(3).real
    assert hamiltonian(2, [(1, [("Sy", 0), ("Sy", 1)])]).real
    assert not hamiltonian(2, [(1, [("Sy", 0)])]).real
    h = matrix(hamiltonian(3, [(1.0, [("Sx", 0), ("Sx", 2)]), (1.0, [("Sy", 0), ("Sy", 2)])]))
    assert h.dtype == np.float64
    assert scipy.linalg.ishermitian(h.toarray())


def test_bad_terms_are_named():
    with pytest.raises(DomainError, match="acts on site 3; the lattice has sites 0 to 2"):
        hamiltonian(3, [(1, [("Sz", 3)])])
    with pytest.raises(DomainError, match="did you mean"):
        hamiltonian(3, [(1, [("Szz", 0)])])
    with pytest.raises(DomainError, match="odd number of fermionic"):
        hamiltonian(3, [(1, [("c", 0)])], fermion())
    with pytest.raises(DomainError, match="use dmrg"):
        matrix(heisenberg(30))
