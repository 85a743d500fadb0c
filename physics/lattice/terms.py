"""A Hamiltonian on a chain as a list of terms: coefficient times operators on sites."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.sites import Site, spin

Factor = tuple[str, int]


@dataclass(frozen=True)
class Term:
    """coefficient * O_1(site_1) O_2(site_2) ..., read from left to right as a product of operators."""

    coefficient: complex
    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class Hamiltonian:
    """Terms on `length` sites of one kind.

    Raises DomainError for a term off the lattice, an unknown operator, a coefficient that is not finite, and an odd
    number of fermionic operators in a term.
    """

    length: int
    terms: tuple[Term, ...]
    site: Site

    def __post_init__(self) -> None:
        if self.length < 1:
            raise DomainError(f"{self.length} sites; give at least one")
        for number, term in enumerate(self.terms):
            if not math.isfinite(abs(term.coefficient)):
                raise DomainError(f"term {number} has the coefficient {term.coefficient}; give a finite number")
            for name, where in term.factors:
                self.site.operator(name)
                if not 0 <= where < self.length:
                    raise DomainError(
                        f"term {number} acts on site {where}; the lattice has sites 0 to {self.length - 1}"
                    )
            if sum(self.site.odd(name) for name, _ in term.factors) % 2:
                raise DomainError(
                    f"term {number} has an odd number of fermionic operators; physical terms have even ones"
                )

    @property
    def dimension(self) -> int:
        """Of each site's space."""
        return self.site.dimension

    def strings(self) -> list[tuple[complex, dict[int, np.ndarray]]]:
        """Each term as a coefficient and one matrix a site, in ascending order, Jordan-Wigner strings and all.

        Operators on one site are multiplied; fermions are brought to ascending order with their signs.
        """
        return [self._string(term) for term in self.terms]

    def _string(self, term: Term) -> tuple[complex, dict[int, np.ndarray]]:
        # an odd operator on site i carries P on every site before i; multiply all of that, site by site
        matrices: dict[int, np.ndarray] = {}
        odd = [where for name, where in term.factors if self.site.odd(name)]
        first, last = min((w for _, w in term.factors), default=0), max((w for _, w in term.factors), default=-1)
        for site in range(first, last + 1):
            found = np.eye(self.dimension)
            for name, where in term.factors:
                if where == site:
                    found = found @ self.site.operator(name)
                elif odd and self.site.odd(name) and site < where:
                    found = found @ self.site.operator("P")
            if not (np.array_equal(found, np.eye(self.dimension)) and site not in [w for _, w in term.factors]):
                matrices[site] = found
        return complex(term.coefficient), matrices

    @property
    def real(self) -> bool:
        """Whether every term is real in the basis of the sites (an even number of Y counts as real)."""
        for coefficient, matrices in self.strings():
            imaginary = sum(not np.isreal(m).all() for m in matrices.values())
            whole = coefficient * (1j) ** imaginary
            pure = all(np.isreal(m).all() or np.isreal(1j * m).all() for m in matrices.values())
            if not pure or abs(whole.imag) > 1e-14 * max(1.0, abs(whole)):
                return False
        return True

    def __add__(self, other: Hamiltonian) -> Hamiltonian:
        """The sum of two on the same sites."""
        if (self.length, self.site.name) != (other.length, other.site.name):
            raise DomainError(
                f"{self.length} sites of {self.site.name} and {other.length} of {other.site.name} do not add up"
            )
        return Hamiltonian(self.length, (*self.terms, *other.terms), self.site)

    def __mul__(self, factor: complex | float | int) -> Hamiltonian:
        """Every coefficient times a number."""
        return Hamiltonian(self.length, tuple(Term(factor * t.coefficient, t.factors) for t in self.terms), self.site)

    __rmul__ = __mul__


def hamiltonian(
    length: int, terms: Iterable[tuple[complex | float | int, Sequence[Factor]]], site: Site | None = None
) -> Hamiltonian:
    """From (coefficient, [("Sz", 0), ("Sz", 1)]) and so on; spins 1/2 unless `site` says otherwise."""
    made = tuple(Term(complex(c), tuple((str(n), int(w)) for n, w in factors)) for c, factors in terms)
    return Hamiltonian(length, made, spin() if site is None else site)
