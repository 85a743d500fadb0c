"""Small systems exactly: sparse matrices of Hamiltonians, states, evolution, and free fermions of any length."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh, expm_multiply

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.terms import Hamiltonian

Array = np.ndarray
_LARGEST = 2**22  # numbers in a state


def matrix(model: Hamiltonian) -> sp.csr_matrix:
    """The Hamiltonian on the whole space, first site slowest; float64 where it is real; DomainError above 2^22."""
    size = model.dimension**model.length
    if size > _LARGEST:
        raise DomainError(f"{model.length} sites have {size} states, above {_LARGEST}; use dmrg or tdvp")
    total = sp.csr_matrix((size, size), dtype=complex)
    for coefficient, matrices in model.strings():
        term, gap = sp.identity(1, format="csr", dtype=complex), 0
        for site in range(model.length):
            if site in matrices:
                term = sp.kron(sp.kron(term, sp.identity(model.dimension**gap)), sp.csr_matrix(matrices[site]), "csr")
                gap = 0
            else:
                gap += 1
        total = total + coefficient * sp.kron(term, sp.identity(model.dimension**gap), "csr")
    return total.real.tocsr() if model.real else total.tocsr()


def ground_state(model: Hamiltonian, levels: int = 1) -> tuple[Array, Array]:
    """Lowest energies (levels,) and states (size, levels)."""
    h = matrix(model)
    if h.shape[0] <= 512:
        energies, states = scipy.linalg.eigh(h.toarray())
        return energies[:levels], states[:, :levels]
    start = np.random.default_rng(0).standard_normal(h.shape[0])
    energies, states = eigsh(h, k=levels, which="SA", v0=start)
    order = np.argsort(energies)
    return energies[order], states[:, order]


def evolve(model: Hamiltonian, state: Array, time: float | int) -> Array:
    """exp(-i H t) |state>."""
    found: Array = expm_multiply(-1j * time * matrix(model).astype(complex), np.asarray(state, dtype=complex))
    return found


def free_fermion_energy(length: int, filling: int | None = None, *, t: float | int = 1.0) -> float:
    """Lowest energy of -t sum (c+ c + h.c.) on an open chain, or of `filling` particles."""
    levels = np.sort(-2 * t * np.cos(np.pi * np.arange(1, length + 1) / (length + 1)))
    return float(levels[levels < 0].sum() if filling is None else levels[:filling].sum())


def xx_quench(length: int, times: Array) -> Array:
    """<Sz> (times, sites) of the XX chain sum (Sx Sx + Sy Sy) from the Neel state up, down, ...: free fermions."""
    hopping = 0.5 * (np.eye(length, k=1) + np.eye(length, k=-1))
    energies, modes = np.linalg.eigh(hopping)
    start = np.diag((np.arange(length) % 2 == 0).astype(float))
    found = []
    for time in np.asarray(times, dtype=float):
        turn = modes @ np.diag(np.exp(-1j * energies * time)) @ modes.T
        found.append(np.diag(turn @ start @ turn.conj().T).real - 0.5)
    return np.array(found)


def tfim_energy(length: int, *, J: float | int = 1.0, h: float | int = 1.0) -> float:
    """Ground state energy of the open transverse-field Ising chain, by free fermions (Lieb, Schultz and Mattis)."""
    b = 2 * h * np.eye(length) + 2 * J * np.eye(length, k=-1)
    return float(-0.5 * np.linalg.svd(b, compute_uv=False).sum())
