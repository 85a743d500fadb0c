"""Pair potentials that need no training: Lennard-Jones, Morse and ZBL, half of each pair's energy on either atom.

Each is multiplied by a quintic switch between `r_switch` and `r_max`, so energy, forces and Hessian end smoothly
(a shift would move the minimum; a plain cut would break energy conservation). Parameters of Lennard-Jones and Morse
are in eV and Å and can be fitted; ZBL's constants are the published ones and stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from ase.data import chemical_symbols, covalent_radii
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.elements import LARGEST, ElementIndex, atomic_number, atomic_numbers
from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.atoms.pair import lennard_jones, morse, switch, zbl
from surrogates.physics.errors import DomainError

Values = float | Mapping[str, float]


class LennardJones(nn.Module):
    """4 epsilon ((sigma/r)^12 - (sigma/r)^6), switched off between `r_switch` and `r_max`. Defaults are argon's.

    Args:
        epsilon: well depth in eV; one number for every pair, or {"Ar": ..., "Kr": ..., "Ar-Kr": ...}.
        sigma: distance of zero energy in Å, in the same form. Pairs that are not given are mixed from their elements:
            sqrt(epsilon_i epsilon_j) and (sigma_i + sigma_j)/2 (Lorentz and Berthelot).
        r_max: cutoff in Å; None: 2.5 times the largest sigma.
        r_switch: where switching starts in Å; None: 0.8 r_max.
    """

    def __init__(
        self,
        *,
        epsilon: Values = 0.010324,
        sigma: Values = 3.405,
        r_max: float | None = None,
        r_switch: float | None = None,
    ) -> None:
        super().__init__()
        self.arguments = _arguments(epsilon=epsilon, sigma=sigma, r_max=r_max, r_switch=r_switch)
        self.elements = _elements(epsilon, sigma)
        self.index = _index(self.elements)
        self.epsilon = nn.Parameter(_table(epsilon, self.elements, "epsilon", lambda a, b: math.sqrt(a * b)))
        self.sigma = nn.Parameter(_table(sigma, self.elements, "sigma", lambda a, b: (a + b) / 2))
        self.r_max = float(r_max if r_max is not None else 2.5 * self.sigma.max().item())
        self.r_switch = _switch_start(r_switch, self.r_max)

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, eV."""
        r = atoms.vectors().norm(dim=-1)
        pair = _pairs(self.index, atoms)
        energy = lennard_jones(r, _look_up(self.epsilon, pair, r), _look_up(self.sigma, pair, r))
        return _half_on_each(energy * switch(r, self.r_switch, self.r_max), atoms)


class Morse(nn.Module):
    """depth ((1 - exp(-width (r - r0)))^2 - 1), switched off between `r_switch` and `r_max`. Defaults are copper's.

    The defaults are those of Girifalco and Weizer, Phys. Rev. 114, 687 (1959), doi:10.1103/PhysRev.114.687, table I.

    Args:
        depth: eV; one number for every pair, or {"Cu": ..., "Au": ..., "Cu-Au": ...}.
        width: inverse width in 1/Å, in the same form. r0: distance of the minimum in Å, likewise.
            Pairs that are not given take the geometric mean of depth and the arithmetic means of width and r0.
        r_max: cutoff in Å; None: 2.5 times the largest r0.
        r_switch: where switching starts in Å; None: 0.8 r_max.
    """

    def __init__(
        self,
        *,
        depth: Values = 0.3429,
        width: Values = 1.3588,
        r0: Values = 2.866,
        r_max: float | None = None,
        r_switch: float | None = None,
    ) -> None:
        super().__init__()
        self.arguments = _arguments(depth=depth, width=width, r0=r0, r_max=r_max, r_switch=r_switch)
        self.elements = _elements(depth, width, r0)
        self.index = _index(self.elements)
        self.depth = nn.Parameter(_table(depth, self.elements, "depth", lambda a, b: math.sqrt(a * b)))
        self.width = nn.Parameter(_table(width, self.elements, "width", lambda a, b: (a + b) / 2))
        self.r0 = nn.Parameter(_table(r0, self.elements, "r0", lambda a, b: (a + b) / 2))
        self.r_max = float(r_max if r_max is not None else 2.5 * self.r0.max().item())
        self.r_switch = _switch_start(r_switch, self.r_max)

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, eV."""
        r = atoms.vectors().norm(dim=-1)
        pair = _pairs(self.index, atoms)
        energy = morse(r, *(_look_up(p, pair, r) for p in (self.depth, self.width, self.r0)))
        return _half_on_each(energy * switch(r, self.r_switch, self.r_max), atoms)


class ZBL(nn.Module):
    """Screened repulsion of nuclei at short range, for any element, without parameters; meant for `Sum(ZBL(), model)`.

    Args:
        r_max: cutoff in Å of every pair; None: each pair ends at the sum of its covalent radii, so that bonds at rest
            feel nothing of it.
        elements: symbols or atomic numbers; () for any. They only make the covalent cutoff shorter.
        start: where switching starts, as a fraction of each pair's cutoff.
    """

    radii: Tensor

    def __init__(
        self, *, r_max: float | None = None, elements: tuple[int | str, ...] | list[int | str] = (), start: float = 0.5
    ) -> None:
        super().__init__()
        self.elements = atomic_numbers(elements)
        self.arguments = {"r_max": r_max, "elements": list(self.elements), "start": start}
        radii = torch.tensor(covalent_radii[: LARGEST + 1], dtype=torch.float64)
        if r_max is not None:
            radii = torch.full_like(radii, r_max / 2)
        self.register_buffer("radii", radii, persistent=False)
        known = list(self.elements) or slice(1, None)
        self.r_max = 2 * radii[known].max().item()
        if not (self.r_max > 0 and 0 <= start < 1):
            raise DomainError(f"ZBL got r_max={r_max}, start={start}; give a positive cutoff in Å and 0 <= start < 1")
        self.start = float(start)

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, eV."""
        r = atoms.vectors().norm(dim=-1)
        z_i, z_j = atoms.numbers[atoms.edges]
        end = self.radii.to(r.dtype)[atoms.numbers[atoms.edges]].sum(0)
        return _half_on_each(zbl(r, z_i, z_j) * switch(r, self.start * end, end), atoms)


def _half_on_each(energy: Tensor, atoms: AtomsBatch) -> Tensor:
    return energy.new_zeros(atoms.numbers.shape[0]).index_add(0, atoms.edges[0], energy / 2)


def _index(elements: tuple[int, ...]) -> ElementIndex | None:
    return ElementIndex(elements) if elements else None


def _pairs(index: ElementIndex | None, atoms: AtomsBatch) -> tuple[Tensor, Tensor] | None:
    if index is None:
        return None
    i, j = index(atoms.numbers)[atoms.edges]
    return i, j


def _look_up(table: Tensor, pair: tuple[Tensor, Tensor] | None, r: Tensor) -> Tensor:
    """A parameter of every pair, in the dtype of the distances; tables are made symmetric here, where training acts."""
    chosen = table if pair is None else ((table + table.mT) / 2)[pair]
    return chosen.to(r.dtype)


def _arguments(**given: Any) -> dict[str, Any]:
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in given.items()}


def _switch_start(r_switch: float | None, r_max: float) -> float:
    start = 0.8 * r_max if r_switch is None else float(r_switch)
    if not 0 <= start < r_max:
        raise DomainError(f"r_switch={start} Å with r_max={r_max} Å: switching must start at 0 <= r_switch < r_max")
    return start


def _elements(*values: Values) -> tuple[int, ...]:
    """Elements that every table knows by itself; () when all are plain numbers."""
    known = [atomic_numbers(key for key in v if "-" not in key) for v in values if isinstance(v, Mapping)]
    if len(set(known)) > 1:
        names = [[chemical_symbols[z] for z in k] for k in known]
        raise DomainError(f"parameters are given for different elements {names}; give each of them for the same ones")
    return known[0] if known else ()


def _table(values: Values, elements: tuple[int, ...], name: str, mix: Callable[[float, float], float]) -> Tensor:
    """Scalar, or symmetric (elements, elements) table of a parameter; every entry must be positive."""
    given = dict(values) if isinstance(values, Mapping) else {chemical_symbols[z]: values for z in (*elements, 0)}
    if not all(v > 0 for v in given.values()):
        raise DomainError(f"{name}={values!r} must be positive; a pair potential has no minimum otherwise")
    if not elements:
        return torch.tensor(float(given[chemical_symbols[0]]), dtype=torch.float64)
    own = [given[chemical_symbols[z]] for z in elements]
    table = torch.tensor([[mix(a, b) for b in own] for a in own], dtype=torch.float64)
    for key, value in given.items():
        if "-" in key:
            i, j = (elements.index(atomic_number(symbol)) for symbol in key.split("-"))
            table[i, j] = table[j, i] = value
    return table
