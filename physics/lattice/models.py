"""Hamiltonians by name. Spins are S = sigma / 2 unless a docstring says Pauli; chains are open unless `periodic`."""

from __future__ import annotations

from collections.abc import Iterator

from surrogates.physics.lattice.sites import electron, fermion, spin
from surrogates.physics.lattice.terms import Hamiltonian, hamiltonian


def heisenberg(
    length: int, *, j: float | int = 1.0, delta: float | int = 1.0, periodic: bool = False, twice_spin: int = 1
) -> Hamiltonian:
    """j sum (Sx Sx + Sy Sy + delta Sz Sz) over neighbours, antiferromagnetic for j > 0."""
    terms = []
    for a, b in _neighbours(length, periodic):
        terms += [(j / 2, [("S+", a), ("S-", b)]), (j / 2, [("S-", a), ("S+", b)]), (j * delta, [("Sz", a), ("Sz", b)])]
    return hamiltonian(length, terms, spin(twice_spin))


def xxz_pauli(length: int, *, delta: float | int, periodic: bool = False) -> Hamiltonian:
    """Pauli matrices: sum X X + Y Y + delta Z Z over neighbours."""
    return 4 * heisenberg(length, delta=delta, periodic=periodic)


def tfim(length: int, *, J: float | int = 1.0, h: float | int = 1.0, periodic: bool = False) -> Hamiltonian:
    """Pauli matrices: -J sum Z Z - h sum X; critical at h = J."""
    bonds = [(-J, [("Z", a), ("Z", b)]) for a, b in _neighbours(length, periodic)]
    return hamiltonian(length, [*bonds, *((-h, [("X", a)]) for a in range(length))])


def j1j2(length: int, *, j1: float | int = 1.0, j2: float | int = 0.5, periodic: bool = False) -> Hamiltonian:
    """Heisenberg couplings to first and second neighbours; the ground state is a product of singlets at j2 = j1 / 2."""
    terms = []
    for step, j in ((1, j1), (2, j2)):
        for a, b in _neighbours(length, periodic, step):
            terms += [(j / 2, [("S+", a), ("S-", b)]), (j / 2, [("S-", a), ("S+", b)]), (j, [("Sz", a), ("Sz", b)])]
    return hamiltonian(length, terms)


def hopping(length: int, *, t: float | int = 1.0, v: float | int = 0.0, mu: float | int = 0.0) -> Hamiltonian:
    """Fermions: -t sum (c+_a c_b + h.c.) + v sum n_a n_b - mu sum n."""
    terms = []
    for a, b in _neighbours(length, False):
        terms += [(-t, [("c+", a), ("c", b)]), (-t, [("c+", b), ("c", a)]), (v, [("n", a), ("n", b)])]
    return hamiltonian(length, [*terms, *((-mu, [("n", a)]) for a in range(length))], fermion())


def hubbard(length: int, *, t: float | int = 1.0, u: float | int = 4.0, mu: float | int = 0.0) -> Hamiltonian:
    """-t sum (c+_a c_b + h.c.) for both spins + u sum n_up n_down - mu sum n."""
    terms = []
    for a, b in _neighbours(length, False):
        for c in ("cu", "cd"):
            terms += [(-t, [(f"{c}+", a), (c, b)]), (-t, [(f"{c}+", b), (c, a)])]
    local = [(u, [("nund", a)]) for a in range(length)] + [(-mu, [("n", a)]) for a in range(length)]
    return hamiltonian(length, terms + local, electron())


def _neighbours(length: int, periodic: bool, step: int = 1) -> Iterator[tuple[int, int]]:
    last = length if periodic and length > 2 * step else length - step
    return ((a, (a + step) % length) for a in range(last))
