"""Chains and their states as a workflow file names them; checked without torch."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal

from surrogates.workflows.fields import Within
from surrogates.workflows.parts import fits, parameters_of
from surrogates.workflows.source_tree import functions_of
from surrogates.workflows.words import accepted

ROOM = "surrogates.physics.lattice.models"
STARTS = ("neel", "domains", "shuffled", "random")
Sites = Annotated[int, Within(2)]
Terms = list[list[Any]]
Method = Literal["tebd", "tebd4", "tdvp"]


@dataclass(frozen=True)
class Chain:
    """A Hamiltonian on an open or closed chain, by name or as a list of terms.

    Args:
        length: sites. name: heisenberg, xxz_pauli, tfim, j1j2, hopping or hubbard, with its `settings`, such as
            {delta: 0.5}. terms: instead of a name, [coefficient, operator, site, operator, site, ...] each, sites
            counted from 0. sites: what stands on a site, for terms.
    """

    length: Sites
    name: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    terms: Terms | None = None
    sites: Literal["spin", "spin 1", "fermion", "electron"] = "spin"

    def __post_init__(self) -> None:
        if (self.name is None) == (self.terms is None):
            raise ValueError("give a model's name, or a list of terms, one of both")
        if self.name is not None:
            self._check_name(self.name)
        if self.terms is not None:
            check_terms(self.terms, self.length)

    def _check_name(self, name: str) -> None:
        if name not in model_names():
            raise ValueError(f'there is no model "{name}"; {accepted(model_names(), name)}')
        known = {p.name: p for p in parameters_of(ROOM, name) if p.name != "length"}
        for key, value in self.settings.items():
            if key not in known:
                raise ValueError(f'{name} has no argument "{key}"; {accepted(known, key)}')
            if not fits(known[key].annotation, value):
                raise ValueError(f"{name}: {key} = {value!r} does not fit; it takes {known[key].annotation}")
        for key, parameter in known.items():
            if parameter.required and key not in self.settings:
                raise ValueError(f"{name} needs {key}; write settings: {{{key}: ...}}")

    @property
    def told(self) -> str:
        """In words."""
        if self.name is None:
            return f"{len(self.terms or ())} terms on {self.length} sites ({self.sites})"
        words = ", ".join(f"{k} = {v}" for k, v in self.settings.items())
        return f"{self.name} on {self.length} sites" + (f", {words}" if words else "")


@cache
def model_names() -> tuple[str, ...]:
    """Models that a file may name: the functions of their module, from its source."""
    found = functions_of(ROOM)
    return tuple(n for n, node in found.items() if ast.unparse(node.returns or ast.Constant("")) == "Hamiltonian")


def check_terms(terms: Terms, length: int | None = None) -> None:
    """Raises ValueError for a term that is not [coefficient, operator, site, ...]."""
    if not terms:
        raise ValueError("there are no terms; give at least one, such as [1.0, Sz, 0, Sz, 1]")
    for term in terms:
        numbers = term[2::2]
        right = len(term) >= 3 and len(term) % 2 == 1
        right = right and all(isinstance(x, int) and not isinstance(x, bool) for x in numbers)
        right = right and all(isinstance(x, str) for x in term[1::2])
        right = right and isinstance(term[0], int | float) and not isinstance(term[0], bool)
        if not right:
            raise ValueError(f"{term!r} is no term; write [coefficient, operator, site], or more operators and sites")
        for site in numbers:
            if site < 0 or (length is not None and site >= length):
                end = "" if length is None else f" to {length - 1}"
                raise ValueError(f"{term!r} acts on site {site}; sites are counted from 0{end}")


def check_start(start: Any, length: int) -> None:
    """Raises ValueError for a word that is no start, and for states that are not one a site."""
    if isinstance(start, str) and start not in STARTS:
        raise ValueError(
            f'there is no start "{start}"; {accepted(STARTS, start)}, or a list with a state for each site'
        )
    if isinstance(start, list) and len(start) != length:
        raise ValueError(f"{len(start)} states for {length} sites; give one a site")
