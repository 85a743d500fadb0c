"""Conserved charges: which one each basis state has, which bond of an operator carries which, and layouts by charge.

A bond's charge is that of everything left of it. An operator's channel has a charge, too: what it adds on its left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.sites import Site
from surrogates.physics.lattice.terms import Hamiltonian
from surrogates.physics.tensor_networks.mpo import MPO, automaton

Bond = Mapping[int, int]
"""Number of states by charge."""
_ZERO = 1e-12


def charges_of(site: Site, conserve: str) -> tuple[int, ...]:
    """Integers for the site's states, in steps of the diagonal operator `conserve`. Raises DomainError for another."""
    operator = np.asarray(site.operator(conserve))
    values = np.diag(operator).real
    if np.abs(operator - np.diag(values)).max() > _ZERO:
        raise DomainError(f"{conserve} is not diagonal on a {site.name}; conserve one that is, such as Sz or n")
    steps = np.diff(np.unique(values.round(9)))
    unit = steps.min() if len(steps) else 1.0
    found = (values - values.min()) / unit
    if np.abs(found - found.round()).max() > 1e-6:
        raise DomainError(f"{conserve} has values {values.tolist()}, which are no multiples of one number")
    return tuple(int(x) for x in found.round())


@dataclass(frozen=True)
class ChargedMPO:
    """An operator whose channels have charges: `channels[n]` those of the bond left of site n."""

    operator: MPO
    channels: tuple[tuple[int, ...], ...]
    site: tuple[int, ...]


def charged_mpo(model: Hamiltonian, conserve: str) -> ChargedMPO:
    """The operator in parts of definite charge, so that Sx Sx + Sy Sy will do as well as S+ S- + S- S+.

    Raises DomainError where terms remain that change the charge.
    """
    site = charges_of(model.site, conserve)
    gain = np.subtract.outer(site, site)  # of |p><q|
    total: dict[tuple[tuple[int, bytes], ...], complex] = {}
    matrices: dict[bytes, np.ndarray] = {}
    for coefficient, by_site in model.strings():
        parts: list[tuple[complex, int, tuple[tuple[int, bytes], ...]]] = [(coefficient, 0, ())]
        for where, matrix in sorted(by_site.items()):
            grown = []
            for charge in sorted(set(gain[np.abs(matrix) > _ZERO].tolist())):
                part = np.where(gain == charge, matrix, 0)
                size = part.flat[np.abs(part).argmax()]
                unit = np.round(part / size, 12) + 0.0
                matrices[unit.astype(complex).tobytes()] = unit
                key = (where, unit.astype(complex).tobytes())
                grown += [(c * size, q + charge, (*keys, key)) for c, q, keys in parts]
            parts = grown
        for c, _, keys in parts:
            total[keys] = total.get(keys, 0) + c
    largest = max((abs(c) for c in total.values()), default=0.0)
    strings = []
    for keys, c in total.items():
        if abs(c) <= _ZERO * largest:
            continue
        placed = {where: matrices[raw] for where, raw in keys}
        if sum(int(gain[np.abs(m) > _ZERO][0]) for m in placed.values()):
            raise DomainError(
                f"the model has terms on sites {sorted(placed)} that change {conserve}; search without it"
            )
        strings.append((c, placed))
    operator = automaton(strings, model.length, model.dimension)
    if all(not w.imag.any() for w in operator.tensors):
        operator = MPO(tuple(w.real.contiguous() for w in operator.tensors))
    channels: list[tuple[int, ...]] = [(0,)]
    for w in operator.tensors:
        here = {}
        for a, c, p, q in (w != 0).nonzero().tolist():
            here[c] = channels[-1][a] + int(gain[p, q])
        channels.append(tuple(here.get(c, 0) for c in range(w.shape[1])))
    return ChargedMPO(operator, tuple(channels), site)


@dataclass(frozen=True)
class Part:
    """States of one bond charge and one site state among those of a fused charge."""

    bond: int
    p: int
    start: int
    size: int


class Fused:
    """A bond and a site together, by the charge of the bond between them and the rest.

    Left of it (sign 1) the charge is bond + site, right of it (sign -1) bond - site.
    """

    def __init__(self, bond: Bond, site: tuple[int, ...], sign: int) -> None:
        self.sign, self.parts = sign, dict[int, list[Part]]()
        self.sizes: dict[int, int] = {}
        for charge in sorted(bond):
            for p, own in enumerate(site):
                q = charge + sign * own
                start = self.sizes.get(q, 0)
                self.parts.setdefault(q, []).append(Part(charge, p, start, bond[charge]))
                self.sizes[q] = start + bond[charge]

    @cached_property
    def place(self) -> dict[tuple[int, int], tuple[int, int, int]]:
        """(fused charge, start, size) by bond charge and site state."""
        return {(x.bond, x.p): (q, x.start, x.size) for q, parts in self.parts.items() for x in parts}


Blocks = dict[int, Tensor]
"""Matrices by charge."""


def rows_to_columns(t: Blocks, rows: Fused, columns: Fused) -> Blocks:
    """A site's tensor ((left, p), right) by right charge as (left, (p, right)) by left charge."""
    some = next(iter(t.values()))
    found: Blocks = {}
    for q, m in t.items():
        for x in rows.parts[q]:
            if x.bond not in found:
                found[x.bond] = torch.zeros(x.size, columns.sizes[x.bond], dtype=some.dtype, device=some.device)
            _, start, size = columns.place[q, x.p]
            found[x.bond][:, start : start + size] = m[x.start : x.start + x.size]
    return found


def columns_to_rows(t: Blocks, rows: Fused, columns: Fused) -> Blocks:
    """The other way."""
    some = next(iter(t.values()))
    found: Blocks = {}
    for q, m in t.items():
        for x in columns.parts[q]:
            if x.bond not in found:
                found[x.bond] = torch.zeros(rows.sizes[x.bond], x.size, dtype=some.dtype, device=some.device)
            _, start, size = rows.place[q, x.p]
            found[x.bond][start : start + size] = m[:, x.start : x.start + x.size]
    return found
