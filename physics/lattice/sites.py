"""Local spaces and their operators, by name: spins, and fermions through Jordan and Wigner's string."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class Site:
    """A local space: its operators (d, d) by name, real where they can be, and the names of its basis states.

    `fermionic` operators anticommute between sites: a string of `P` = (-1)^n stands between two of them.
    """

    name: str
    operators: Mapping[str, np.ndarray]
    states: tuple[str, ...]
    fermionic: frozenset[str] = frozenset()

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.states)

    def operator(self, name: str) -> np.ndarray:
        """The operator of this name, or a product such as "S+ S-". Raises DomainError for an unknown one."""
        found = np.eye(self.dimension)
        for factor in name.split():
            if factor not in self.operators:
                near = difflib.get_close_matches(factor, self.operators, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise DomainError(
                    f"{factor!r} is no operator of a {self.name}; it has {', '.join(self.operators)}{hint}"
                )
            found = found @ self.operators[factor]
        return found

    def state(self, which: str | int) -> int:
        """Number of a basis state given by name or number."""
        if isinstance(which, int) and 0 <= which < self.dimension:
            return which
        if which in self.states:
            return self.states.index(str(which))
        raise DomainError(f"{which!r} is no state of a {self.name}; it has {', '.join(self.states)}")

    def odd(self, name: str) -> bool:
        """Whether an operator changes the fermion number by an odd count."""
        return sum(factor in self.fermionic for factor in name.split()) % 2 == 1


def spin(twice: int = 1) -> Site:
    """Spin S = twice / 2, states from m = S down to -S; S = 1/2 has Pauli's X, Y, Z (twice Sx, Sy, Sz) too."""
    if twice < 1:
        raise DomainError(f"a spin of {twice}/2; give twice >= 1")
    s, m = twice / 2, twice / 2 - np.arange(twice + 1)
    up = np.diag(np.sqrt(s * (s + 1) - m[1:] * (m[1:] + 1)), 1)
    x, y = (up + up.T) / 2, (up - up.T) / 2j
    operators = {"I": np.eye(twice + 1), "Sz": np.diag(m), "S+": up, "S-": up.T.copy(), "Sx": x, "Sy": y}
    if twice == 1:
        operators |= {"X": 2 * x, "Y": 2 * y, "Z": 2 * np.diag(m)}
        return Site("spin 1/2", operators, ("up", "down"))
    return Site(f"spin {twice}/2", operators, tuple(f"{value:+g}" for value in m))


def fermion() -> Site:
    """A level that is empty or full: c, c+ (which anticommute between sites), n, and P = (-1)^n."""
    c = np.array([[0.0, 1.0], [0.0, 0.0]])
    n = np.diag([0.0, 1.0])
    operators = {"I": np.eye(2), "c": c, "c+": c.T.copy(), "n": n, "P": np.diag([1.0, -1.0])}
    return Site("fermion", operators, ("empty", "full"), frozenset(("c", "c+")))


def electron() -> Site:
    """A site of the Hubbard model: empty, up, down, both; the two species anticommute on the site, too."""
    c, p, one = np.array([[0.0, 1.0], [0.0, 0.0]]), np.diag([1.0, -1.0]), np.eye(2)
    up, down = np.kron(c, one), np.kron(p, c)  # states as up (x) down: empty, down, up, both
    order = [0, 2, 1, 3]
    up, down = up[np.ix_(order, order)], down[np.ix_(order, order)]
    n_up, n_down = up.T @ up, down.T @ down
    parity = (np.eye(4) - 2 * n_up) @ (np.eye(4) - 2 * n_down)
    operators = {"I": np.eye(4), "cu": up, "cu+": up.T.copy(), "cd": down, "cd+": down.T.copy(), "P": parity}
    operators |= {"nu": n_up, "nd": n_down, "n": n_up + n_down, "nund": n_up @ n_down, "Sz": (n_up - n_down) / 2}
    return Site("electron", operators, ("empty", "up", "down", "both"), frozenset(("cu", "cu+", "cd", "cd+")))
