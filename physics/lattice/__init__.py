"""Chains of spins and fermions: sites, Hamiltonians as terms, exact references."""

from surrogates.physics.lattice.models import heisenberg, hopping, hubbard, j1j2, tfim, xxz_pauli
from surrogates.physics.lattice.sites import Site, electron, fermion, spin
from surrogates.physics.lattice.terms import Hamiltonian, Term, hamiltonian

__all__ = [
    "Hamiltonian",
    "Site",
    "Term",
    "electron",
    "fermion",
    "hamiltonian",
    "heisenberg",
    "hopping",
    "hubbard",
    "j1j2",
    "spin",
    "tfim",
    "xxz_pauli",
]
